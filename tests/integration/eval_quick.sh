#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the bundled suite measures true. Gold resolves everything, the unchanged trees
# nothing, the mixed predictions what is known of them; a finished run is reported, not repeated.
. "$(dirname "$0")/lib.sh"

run 0 assay suite add "$ROOT/tasks/data/quick"
count=$(find "$ROOT/tasks/data/quick" -mindepth 2 -maxdepth 2 -name instance.json | wc -l)
has out "$count instances added"
run 0 assay suite certify quick --runs 1 --checks lists,gold,empty
has out "$count of $count instances certified"

run 0 assay eval quick --gold --json
[ "$(json 'd["resolved_instances"]')" -eq "$count" ] || fail "gold: $(json d)"
run 0 assay eval quick --empty --json
[ "$(json 'd["resolved_instances"], d["unresolved_instances"]')" = "0 $count" ] || fail "empty: $(json d)"

run 0 assay eval quick --predictions "$ROOT/tasks/data/quick-predictions.jsonl" --json \
    --html "$WORK/report.html" --report-dir "$WORK"
cp "$WORK/out" "$WORK/verdicts"
/usr/bin/python3 - "$WORK/verdicts" "$ROOT/tasks/data/quick-predictions.expected.json" <<'PY'
import json, sys
report = json.loads(open(sys.argv[1]).read().splitlines()[-1])
want = json.load(open(sys.argv[2]))
assert report["schema_version"] == 2, report
for ours, theirs in (("resolved", "resolved_ids"), ("unresolved", "unresolved_ids"),
                     ("empty_patch", "empty_patch_ids"), ("patch_rejected", "error_ids")):
    assert sorted(want[ours]) == report[theirs], (ours, want[ours], report[theirs])
PY
grep -q 'Wilson' "$WORK/report.html" || fail "the HTML report lacks its interval"
ls "$WORK"/demo.*.json >/dev/null || fail "no SWE-bench report file"

# The same command again reports; --again starts over but may use verdicts; --no-cache runs.
run 0 assay eval quick --predictions "$ROOT/tasks/data/quick-predictions.jsonl"
has err "executed=0"
run 0 assay eval quick --gold --again
has err "executed=0"
run 0 assay eval quick --gold --again --no-cache --instance quick__ini-reader-1
has err "executed=1"

run 0 assay grade quick quick__ini-reader-1 "$ROOT/tasks/data/quick/quick__ini-reader-1/gold.patch" --json
[ "$(json 'd["resolved"], d["reward"], d["cached"]')" = "True 1 True" ] || fail "grade: $(json d)"
run 1 assay eval nosuch --gold
has err "nosuch"
run 2 assay eval quick
run 2 assay evil
has err "did you mean 'eval'"
no_leftovers
