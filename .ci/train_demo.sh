#!/bin/sh
# SPDX-License-Identifier: MIT
# make train-demo: one seed of docs/train-demo.yaml, in a home of its own; the bound is checked and a
# missed one fails. make train-demo-all: three seeds and the control, whose rewards are shuffled; then
# the curve is drawn. Typed again, either goes on where it was stopped.
set -eu
cd "$(dirname "$0")/.."

assay=build/release/assay
export ASSAY_HOME="$PWD/build/train-demo"
runs="$ASSAY_HOME/runs"

train() { # NAME SETTING...
    name=$1
    shift
    printf '\n== %s\n' "$name"
    set -- --set "name=$name" "$@"
    "$assay" train docs/train-demo.yaml "$@"
}

case ${1:-one} in
one)
    train seed-1 --set seed=1
    /usr/bin/python3 .ci/train_demo.py "$runs/seed-1"
    ;;
all)
    for seed in 1 2 3; do
        train "seed-$seed" --set "seed=$seed"
    done
    train control --set seed=1 --set rl.shuffle_rewards=true
    /usr/bin/python3 .ci/train_demo.py "$runs/seed-1" "$runs/seed-2" "$runs/seed-3" --control "$runs/control" \
        --svg docs/train-demo.svg
    ;;
esac
