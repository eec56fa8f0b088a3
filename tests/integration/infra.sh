#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: trouble of ours is never a 0. Whatever is taken from under a run gives a verdict of null with
# its reason and exit status 3, or a clear error and exit status 1; once it is mended, --retry infra goes on.
. "$(dirname "$0")/lib.sh"

suite_begin infra
for i in 1 2; do
    instance "infra__slow-$i" "sleep 1; cat run.sh >/dev/null && $PASS"
done
instance infra__quick-1 "cat run.sh >/dev/null && $PASS"

fresh() {
    rm -rf "$ASSAY_HOME"
    run 0 assay suite add "$SUITE"
}

# The last run is free of zeros; where something has no verdict its reason is told.
no_zero() {
    /usr/bin/python3 - "$WORK/out" "$1" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])][:-1]
assert rows, "no verdicts"
for v in rows:
    assert v["reward"] in (1, None), (sys.argv[2], v)
    assert v["reward"] == 1 or v["reason"] and v["cause"] in ("setup_failed", "infra_error"), (sys.argv[2], v)
PY
}

before() { # WHAT SHELL: done to the home before the run
    fresh
    (cd "$ASSAY_HOME" && sh -c "$2")
    run 3 assay eval infra --gold --json
    no_zero "$1"
}

during() { # WHAT SHELL: done to the home while tests run
    fresh
    (sleep 0.5 && cd "$ASSAY_HOME" && sh -c "$2") &
    got=0
    assay eval infra --gold --json -j 2 >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    [ "$got" -eq 0 ] || [ "$got" -eq 3 ] || fail "exit $got: $1: $(cat "$WORK/err")"
    wait
    no_zero "$1"
}

before "no trees" 'rm -rf trees/*'
before "a file of the tree that the patch changes" 'find trees -name state -delete'
run 0 assay suite add "$SUITE"
run 0 assay eval infra --gold --json --retry infra
[ "$(json 'd["resolved_instances"]')" = 3 ] || fail "after mending: $(cat "$WORK/out")"
before "a file of the tree that the tests need" 'find trees -name run.sh -delete'
before "runs is a file" 'rm -rf runs; touch runs'
during "trees" 'rm -rf trees/*'
during "a file of the tree" 'find trees -name run.sh -delete'
during "scratch" 'rm -rf tmp/*'
during "files of the framework" 'rm -rf trusted/*'
during "test layers" 'rm -rf layers/*'

fresh
ASSAY_BOX_PROGRAM=/nosuch run 1 assay eval infra --gold
ASSAY_BOX_PROGRAM=/bin/true run 1 assay eval infra --gold
ASSAY_BOX_PROGRAM=$WORK/out run 1 assay eval infra --gold
run 0 assay report --list
! grep -q finished "$WORK/out" || fail "a run without a box program finished: $(cat "$WORK/out")"

# A set-up that fails is run once, not once for each instance.
RECIPES='"bad": {"base": "host", "setup": ["echo sorry; exit 7"], "env": {}, "workdir": "/testbed"}'
suite_begin setup
instance setup__a-1 "$PASS" '"recipe": "bad"'
instance setup__b-1 "$PASS" '"recipe": "bad"'
instance setup__c-1 "$PASS"
run 0 assay suite add "$SUITE"
run 3 assay eval setup --gold --json
no_zero "set-up"
[ "$(json 'd["resolved_ids"]')" = "['setup__c-1']" ] || fail "neighbours of a bad set-up: $(cat "$WORK/out")"
grep -q "exit status 7: sorry" "$WORK/out" || fail "why it failed: $(cat "$WORK/out")"
no_leftovers
