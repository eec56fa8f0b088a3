#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: exit statuses are as documented, --json prints JSON and nothing else on every path, wrong
# files of predictions are told and evaluated as nothing, and a changed suite never mixes into an older run.
. "$(dirname "$0")/lib.sh"

suite_begin tiny
for i in 1 2 3; do instance "tiny__t-$i" "$PASS"; done
gold=$SUITE/tiny__t-1/gold.patch

# STATUS COMMAND...: what it prints is JSON, or nothing.
j() {
    run "$@"
    /usr/bin/python3 -c '
import json, sys
text = open(sys.argv[1]).read()
try:
    json.loads(text or "0")
except ValueError:
    [json.loads(line) for line in text.splitlines()]' "$WORK/out" || fail "no JSON: $*: $(cat "$WORK/out")"
}
j 0 assay doctor --json
j 0 assay suite list --json
j 0 assay suite add "$SUITE" --json
j 1 assay suite add "$WORK/nosuch" --json
j 2 assay suite add "$SUITE" --name "a b" --json
j 0 assay suite list --json
j 0 assay suite show tiny --json
j 1 assay suite show nosuch --json
j 0 assay suite certify tiny --runs 1 --json
j 1 assay suite certify nosuch --json
j 2 assay suite certify tiny --runs 0 --json
j 0 assay eval tiny --gold --json
j 0 assay eval tiny --empty --json
j 1 assay eval nosuch --gold --json
j 1 assay eval tiny --gold --instance nosuch --json
j 1 assay eval tiny --predictions "$WORK/nosuch" --json
for wrong in "--empty --gold" "" "--gold --jobs 0" "--gold --timeout 1.5" "--gold --min-tier E" "--gold --run-id a/b" \
    "--gold --retry all" "--gold --nosuch" "--gold --home="; do
    # shellcheck disable=SC2086 # words
    j 2 assay eval tiny --json $wrong
done
j 0 assay grade tiny tiny__t-1 "$gold" --json
j 1 assay grade tiny nosuch "$gold" --json
j 1 assay grade tiny tiny__t-1 "$WORK/nosuch" --json
j 2 assay grade tiny tiny__t-1 "$gold" --gold --json
j 0 assay report --json
j 0 assay report --list --json
[ "$(/usr/bin/python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))["runs"]))' "$WORK/out")" = 3 ] ||
    fail "runs: $(cat "$WORK/out")"
j 0 assay regrade --json
j 1 assay regrade nosuch --json
j 1 assay regrade --instance nosuch --json
j 2 assay regrade --jobs 0 --json
j 0 assay store prune --older-than 1 --json
j 2 assay store prune --older-than soon --json
j 2 assay suite certify tiny --checks gold,nosuch --json
j 1 assay report nosuch --json
j 1 assay report --html "$WORK/nosuch/report.html" --json
j 1 assay eval tiny --gold --report-dir "$WORK/nosuch" --json
j 1 assay suite remove nosuch
got=$("$ASSAY" grade tiny tiny__t-1 --json <"$gold" | grep -c '"resolved":true')
[ "$got" = 1 ] || fail "grade from standard input"
for command in doctor "suite add" "suite list" "suite show" "suite remove" "suite certify" eval grade regrade report "store prune" version; do
    # shellcheck disable=SC2086 # words
    run 0 assay $command --help
    has out "usage: assay $command"
done

# The same edits in other words share a verdict, each with its own account of how it was applied; limits do not.
key() {
    j 0 assay grade tiny tiny__t-1 "$@" --json
    json 'd["key"] + str(d["cached"])'
}
printf '%s\n' 'diff --git a/state b/state' 'index 1..2 100644' '--- a/state' '+++ b/state' '@@ -1,1 +1,1 @@ x' '-no' '+yes' \
    >"$WORK/other.patch"
first=$(key "$gold")
[ "$(key "$WORK/other.patch")" = "$first" ] || fail "the same edits have another key"
slower=$(key "$gold" --timeout 50)
[ "${slower%False}" != "$slower" ] || fail "another limit was answered from the cache: $slower"
printf '%s\n' '--- a/t.txt' '+++ b/t.txt' '@@ -1 +1 @@' '-x' '+y' >"$WORK/protected.patch"
j 0 assay grade tiny tiny__t-1 "$WORK/protected.patch" --json
[ "$(json 'd["cached"], d["patch"]["dropped"]')" = "True ['t.txt']" ] || fail "dropped: $(cat "$WORK/out")"

# Predictions: what is counted as run is what ran; files without any are an error and no run.
/usr/bin/python3 - "$WORK" "$gold" <<'PY'
import json, os, sys
work, gold = sys.argv[1], open(sys.argv[2]).read()
row = lambda n, patch: json.dumps({"instance_id": f"tiny__t-{n}", "model_patch": patch, "model_name_or_path": "m/" + "x" * 5000})
put = lambda name, data: open(f"{work}/{name}", "wb").write(data if isinstance(data, bytes) else data.encode())
put("mixed.jsonl", b"\xef\xbb\xbf" + "\r\n".join([row(1, gold.replace("yes", "yes sir")), row(2, ""), row(3, "no patch"), ""]).encode())
put("object.json", json.dumps({"tiny__t-1": {"model_patch": gold}, "tiny__t-2": {"model_patch": None}}))
put("latin.jsonl", row(1, gold).encode() + b'\n{"instance_id": "tiny__t-2", "model_patch": "\xe9"}\n')
put("empty", b"")
put("list", "[]")
put("binary", bytes(range(256)))
put("others", json.dumps({"instance_id": "other__x-1", "model_patch": gold}))
PY
mkdir "$WORK/reports"
j 0 assay eval tiny --predictions "$WORK/mixed.jsonl" --json --report-dir "$WORK/reports" --run-id mixed
[ "$(json 'd["resolved_ids"], d["empty_patch_ids"], d["error_ids"]')" = "['tiny__t-1'] ['tiny__t-2'] ['tiny__t-3']" ] ||
    fail "mixed predictions: $(cat "$WORK/out")"
has err "executed=1"
ls "$WORK/reports" | grep -q '^m__xxx.*json$' || fail "the report of a long model name: $(ls "$WORK/reports")"
# What that run measured is how hard its tasks are, and picks them.
j 0 assay suite show tiny --rated-by mixed --json
tr '\n' ' ' <"$WORK/out" >"$WORK/line" && mv "$WORK/line" "$WORK/out"
[ "$(json '[(i["instance_id"][-1], i["rated"]["resolved"], i["rated"]["scored"]) for i in d["instances"]]')" = \
    "[('1', 1, 1), ('2', 0, 1), ('3', 0, 1)]" ] || fail "rated: $(cat "$WORK/out")"
run 0 assay suite show tiny --rated-by mixed --pass-rate 0.5:1
[ "$(sed -n '2,$s/ .*//p' "$WORK/out")" = tiny__t-1 ] || fail "by rate: $(cat "$WORK/out")"
j 0 assay eval tiny --gold --rated-by mixed --pass-rate 0:0.5 --slice 0:1 --json
[ "$(json 'd["submitted_ids"]')" = "['tiny__t-2']" ] || fail "eval by rate: $(cat "$WORK/out")"
run 1 assay suite show tiny --rated-by mixed --pass-rate 0.4:0.6
has err "no instance is selected"
run 2 assay suite show tiny --pass-rate 0:1
has err "--rated-by"
run 2 assay suite show tiny --rated-by mixed --pass-rate 0.6:0.4
has err "is not A:B"
run 1 assay suite show tiny --rated-by nosuch
has err "no run nosuch"
j 0 assay eval tiny --predictions "$WORK/object.json" --json
[ "$(json 'd["resolved_instances"], d["total_instances"], d["incomplete_ids"]')" = "1 3 ['tiny__t-3']" ] ||
    fail "predictions by id: $(cat "$WORK/out")"
has err "executed=0"
j 3 assay eval tiny --predictions "$WORK/latin.jsonl" --json
has err "latin.jsonl:2: "
run 0 assay report --list
before=$(wc -l <"$WORK/out")
for file in empty list binary others; do
    j 1 assay eval tiny --predictions "$WORK/$file" --json
    has err "no prediction for suite tiny"
done
run 0 assay report --list
[ "$(wc -l <"$WORK/out")" -eq "$before" ] || fail "nothing to evaluate made a run"

# A suite that was changed under a run that is not finished.
instance tiny__t-1 "sleep 2; $PASS"
run 1 assay suite add "$SUITE"
has err "--replace"
run 0 assay suite add "$SUITE" --replace
signal_after 0.7 INT "$ASSAY" eval tiny --gold --run-id mine --timeout 30
[ "$got" -eq 130 ] || fail "exit $got"
instance tiny__t-1 "! $PASS"
run 0 assay suite add "$SUITE" --replace
run 1 assay eval tiny --gold --run-id mine --timeout 30
has err "changed since"
j 0 assay eval tiny --gold --timeout 30 --json
[ "$(json 'd["resolved_ids"], d["unresolved_ids"]')" = "['tiny__t-2', 'tiny__t-3'] ['tiny__t-1']" ] ||
    fail "the changed suite: $(cat "$WORK/out")"
no_leftovers
