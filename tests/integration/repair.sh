#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: tasks that a seed draws are what they say (gold resolves each, the unchanged tree none), and
# mutants of a suite in Python and C are tasks that certify.
. "$(dirname "$0")/lib.sh"

COUNT=24
[ -z "${ASSAY_SOAK:-}" ] || COUNT=2000
for split in rl unseen-families; do
    run 0 assay suite make-repair "$WORK/$split" --seed 5 --count $COUNT --split $split --name "repair-$split"
    run 0 assay suite add "$WORK/$split"
    run 0 assay eval "repair-$split" --gold --json
    [ "$(json "d['resolved_instances']")" = $COUNT ] || fail "$split: gold: $(tail -n 1 "$WORK/out")"
    run 0 assay eval "repair-$split" --empty --json
    [ "$(json "d['resolved_instances']")" = 0 ] || fail "$split: empty: $(tail -n 1 "$WORK/out")"
done
run 1 assay suite make-repair "$WORK/rl" # it is not empty

run 0 assay suite add tasks/data/quick
ids="-i quick__interval-set-1 -i quick__ring-buffer-1"
[ -z "${ASSAY_SOAK:-}" ] || ids=
# shellcheck disable=SC2086
run 0 assay suite mutate quick "$WORK/mutants" --count 2 --seed 3 $ids
run 0 assay suite add "$WORK/mutants"
run 0 assay suite show quick-mutants
grep -q 'quick__interval-set-1-m1' "$WORK/out" || fail "no mutant in Python: $(cat "$WORK/out")"
grep -q 'quick__ring-buffer-1-m1' "$WORK/out" || fail "no mutant in C: $(cat "$WORK/out")"
run 0 assay suite certify quick-mutants --runs 1 --checks lists,gold,empty
