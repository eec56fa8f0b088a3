#!/bin/sh
# SPDX-License-Identifier: MIT
# make train-demo: one seed of docs/train-demo.yaml, in a home of its own; the bound is checked and a
# missed one fails. make train-demo-all: three seeds and the control, whose rewards are shuffled; then
# the curve is drawn. make train-episodes: docs/train-episodes.yaml, and its curve. Typed again, each goes on where it
# was stopped.
set -eu
cd "$(dirname "$0")/.."

assay=build/release/assay
export ASSAY_HOME="$PWD/build/train-demo"
runs="$ASSAY_HOME/runs"
reports="$ASSAY_HOME/reports"

train() { # CONFIG NAME SETTING...
    config=$1 name=$2
    shift 2
    printf '\n== %s\n' "$name"
    set -- --set "name=$name" "$@"
    # What was begun before has pauses in it, which are no part of its time.
    if [ -d "$runs/$name" ] && [ ! -d "$runs/$name/final" ]; then
        mkdir -p "$reports"
        : >"$reports/$name.resumed"
    fi
    "$assay" train "$config" "$@"
    mkdir -p "$reports"
    "$assay" report "$name" --json >"$reports/$name.json"
}

case ${1:-one} in
one)
    train docs/train-demo.yaml seed-1 --set seed=1
    /usr/bin/python3 .ci/train_demo.py "$runs/seed-1" --reports "$reports"
    ;;
all)
    for seed in 1 2 3; do
        train docs/train-demo.yaml "seed-$seed" --set "seed=$seed"
    done
    train docs/train-demo.yaml control --set seed=1 --set rl.shuffle_rewards=true
    /usr/bin/python3 .ci/train_demo.py "$runs/seed-1" "$runs/seed-2" "$runs/seed-3" --control "$runs/control" \
        --reports "$reports" --svg docs/train-demo.svg
    ;;
episodes)
    train docs/train-episodes.yaml episodes
    /usr/bin/python3 .ci/train_demo.py "$runs/episodes" --episodes --reports "$reports" --svg docs/train-episodes.svg
    ;;
esac
