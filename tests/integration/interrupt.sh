#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: SIGINT, SIGTERM and SIGHUP end any long command in under a second with exit status 130
# and a word on how to go on; nothing is left, nothing is recorded, and the same command goes on.
. "$(dirname "$0")/lib.sh"

RECIPES='"slow": {"base": "host", "setup": ["sleep 60"], "env": {}, "workdir": "/testbed"}'
suite_begin slow
instance slow__quick-1 "$PASS"
instance slow__test-1 "test -e /nosuch || sleep 60; $PASS"
instance slow__set-up-1 "$PASS" '"recipe": "slow"'
run 0 assay suite add "$SUITE"

stops() { # SIGNAL COMMAND...
    signal_after 0.7 "$@"
    [ "$got" -eq 130 ] || fail "exit $got, expected 130: $*: $(cat "$WORK/err")"
    [ "$ms" -lt 10000 ] || fail "took $ms ms to stop: $*"
    has err "interrupted"
    no_leftovers
}
for signal in INT TERM HUP; do
    stops $signal "$ASSAY" eval slow --gold --run-id r -i slow__quick-1 -i slow__test-1
done
has err "the same command goes on"
! grep -q "without verdict" "$WORK/err" || fail "an interrupted grading is counted: $(cat "$WORK/err")"
stops INT "$ASSAY" suite certify slow --runs 1 -i slow__test-1
has err "the same command goes on"
stops INT "$ASSAY" grade slow slow__test-1 --gold
stops INT "$ASSAY" eval slow --gold -i slow__set-up-1
stops TERM "$ASSAY" suite certify slow --runs 1 -i slow__set-up-1

run 0 assay report r --json
[ "$(/usr/bin/python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(d["resolved_ids"], d["incomplete_ids"])' \
    "$WORK/out")" = "['slow__quick-1'] ['slow__test-1']" ] || fail "an interrupted run: $(cat "$WORK/out")"

# Waiting for another process that sets the same environment up.
"$ASSAY" eval slow --gold -i slow__set-up-1 >/dev/null 2>&1 </dev/null &
first=$!
sleep 0.5
signal_after 0.5 INT "$ASSAY" grade slow slow__set-up-1 --gold
[ "$got" -eq 130 ] && [ "$ms" -lt 10000 ] || fail "waiting for a set-up: exit $got after $ms ms"
kill -s INT "$first"
wait "$first" || true
no_leftovers
