#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: pairs of releases become certified tasks or say why not; typed again, what was
# measured is not measured again; a command takes the part of a suite that it was told to, a run
# says of which content it is, and a copy of a suite is found out.
. "$(dirname "$0")/lib.sh"

# release VERSION BODY TEST: an archive where a download would lie; its hash in $sha.
release() {
    mkdir -p "$WORK/thing-$1/tests"
    printf 'def twice(x):\n    return %s\n' "$2" >"$WORK/thing-$1/thing.py"
    printf 'import sys\nsys.path.insert(0, ".")\nimport thing\n\ndef test_zero():\n    assert thing.twice(0) == 0\n%b' "$3" >"$WORK/thing-$1/tests/test_thing.py"
    tar -C "$WORK" -czf "$WORK/thing-$1.tar.gz" "thing-$1"
    sha=$(sha256sum "$WORK/thing-$1.tar.gz" | cut -d ' ' -f 1)
    mkdir -p "$ASSAY_HOME/downloads/$sha"
    mv "$WORK/thing-$1.tar.gz" "$ASSAY_HOME/downloads/$sha"
    printf '{"version": "%s", "file": "thing-%s.tar.gz", "sha256": "%s"}' "$1" "$1" "$sha" >"$WORK/r$1"
}
# pair OLD NEW
pair() {
    printf '{"instance_id": "thing-%s", "package": "thing", "repo": "pypi/thing", "old": %s, "new": %s, "tests": ["tests/**"], "recipe": "plain", "framework": "pytest", "test_cmd": ["/usr/bin/python3", "-m", "pytest", "-q"], "problem": "p"}' "$2" "$(cat "$WORK/r$1")" "$(cat "$WORK/r$2")"
}
release 1.0 'x + x + x' ''
release 1.1 'x + x' '\ndef test_two():\n    assert thing.twice(1) == 2\n'
release 1.2 'x * 2' '\ndef test_two():\n    assert thing.twice(1) == 2\n'
release 1.3 '2 * x' '\ndef test_two():\n    assert thing.twice(2) == 4\n'
release 1.4 'x and x * 2' '\ndef test_two():\n    assert thing.twice(2) == 4\n\ndef test_none():\n    assert thing.twice(None) is None\n'
mkdir "$WORK/plan"
printf '{"schema": 1, "name": "things", "version": "1", "recipes": {"plain": {"base": "host"}}}' >"$WORK/plan/suite.json"
printf '{"schema": 1, "pairs": [%s, %s, %s, %s]}' "$(pair 1.0 1.1)" "$(pair 1.1 1.2)" "$(pair 1.2 1.3)" "$(pair 1.3 1.4)" >"$WORK/plan/releases.json"

run 0 assay suite add "$WORK/plan" --runs 1
has out "2 instances added, 2 certified"
has out "thing-1.2: changes no tests"
has out "thing-1.3: no test fails before and passes after"
ledger=$ASSAY_HOME/releases/things.jsonl
[ "$(wc -l <"$ledger")" = 4 ] || fail "ledger: $(cat "$ledger")"
printf '{"pair": "' >>"$ledger" # a crash in a line
run 0 assay suite add "$WORK/plan" --runs 1
has out "2 instances added, 2 certified"
[ "$(grep -c '"reason"' "$ledger")" = 4 ] || fail "measured again: $(cat "$ledger")"

run 0 assay suite show things
run 0 assay eval things --gold --filter 'id=*-1.4' --json
[ "$(json '[d["total_instances"], d["resolved_instances"], d["suite"], len(d["suite_hash"])]')" = "[1, 1, 'things', 64]" ] || fail "one: $(cat "$WORK/out")"
run 0 assay eval things --gold --slice 0:1 --json
[ "$(json 'd["resolved_ids"]')" = "['thing-1.1']" ] || fail "slice: $(cat "$WORK/out")"
run 1 assay eval things --gold --filter repo=other/thing
has err "no instance is selected"
run 2 assay eval things --gold --filter colour=red
run 0 assay suite add "$WORK/plan" --runs 1 --name copy
run 0 assay suite overlap things
has out "0 overlaps"
run 1 assay suite overlap things copy --json
/usr/bin/python3 - "$WORK/out" <<'PY' || fail "overlap: $(cat "$WORK/out")"
import json, sys
found = json.load(open(sys.argv[1]))["overlaps"]
assert [(o["left"], o["right"], o["same_tree"], o["similarity"]) for o in found] == [(i, i, True, 1) for i in ("thing-1.1", "thing-1.4")], found
PY
