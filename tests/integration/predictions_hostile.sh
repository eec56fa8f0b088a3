#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: every kind of bad prediction gets its own clear result or error, and none of them
# touches its neighbours.
. "$(dirname "$0")/lib.sh"

run 0 assay suite add "$ROOT/tasks/data/quick"
/usr/bin/python3 - "$ROOT/tasks/data/quick" "$WORK/preds.jsonl" <<'PY'
import json, os, re, sys
root, out = sys.argv[1:]
gold = {i: open(f"{root}/{i}/gold.patch", newline="").read() for i in sorted(os.listdir(root))
        if os.path.isdir(f"{root}/{i}")}
q = lambda n: f"quick__{n}-1"
row = lambda i, p: json.dumps({"instance_id": i, "model_name_or_path": "m", "model_patch": p})
wrong_count = re.sub(r"^@@ -(\d+),(\d+) \+(\d+),(\d+) @@", lambda m: f"@@ -{m[1]},{int(m[2])+3} +{m[3]},{int(m[4])+1} @@",
                     gold[q("lru-ttl")], count=1, flags=re.M)
escape = "--- a/x\n+++ b/../../../../tmp/assay-escaped\n@@ -0,0 +1 @@\n+gone\n"
lines = [
    row(q("job-graph"), gold[q("job-graph")].replace("\n+", "\n+  ", 1)),     # 1 wrong: breaks the code
    row(q("csv-stream"), "--- a/nosuch.py\n+++ b/nosuch.py\n@@ -1 +1 @@\n-a\n+b\n"),  # 2 does not apply
    row(q("url-resolve"), None),                                             # 3 null
    row(q("retry-call"), ""),                                                # 4 empty
    row("quick__nobody-1", "x"),                                             # 5 unknown id
    row(q("event-bus"), gold[q("event-bus")].replace("\n", "\r\n")),         # 6 CRLF
    row(q("lru-ttl"), wrong_count),                                          # 7 wrong hunk count
    row(q("text-table"), escape),                                            # 8 path escape
    row(q("rate-limit"), "x" * 5_000_000),                                   # 9 a 5 MB line
    '{"instance_id": "' + q("invoice-total") + '", "model_patch": ',         # 10 not JSON
    row(q("ini-reader"), gold[q("ini-reader")]),                             # 11 honest
    row(q("ini-reader"), gold[q("ini-reader")]),                             # 12 a second row
    json.dumps({"instance_id": q("shell-quote"), "model_patch": 7}),         # 13 wrong type
]
open(out, "w", newline="").write("\n".join(lines) + "\n")
PY
run 3 assay eval quick --predictions "$WORK/preds.jsonl" --json
cp "$WORK/err" "$WORK/problems"
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
v = {x["instance_id"].split("__")[1][:-2]: x for x in lines[:-1]}
want = {
    "job-graph": (False, None), "csv-stream": (False, "patch_rejected"), "url-resolve": (False, "empty_patch"),
    "retry-call": (False, "empty_patch"), "event-bus": (True, "ok"), "lru-ttl": (True, "ok"),
    "text-table": (False, "patch_rejected"), "rate-limit": (False, "patch_rejected"), "ini-reader": (True, "ok"),
}
assert set(v) == set(want), sorted(v)
for name, (resolved, cause) in want.items():
    assert v[name]["resolved"] is resolved, v[name]
    assert cause is None or v[name]["cause"] == cause, v[name]
    assert v[name]["reason"], v[name]
assert "4 MiB" in v["rate-limit"]["reason"], v["rate-limit"]
PY
for line in 5 10 12 13; do
    grep -q "preds.jsonl:$line:" "$WORK/problems" || fail "no error for line $line: $(cat "$WORK/problems")"
done
[ ! -e /tmp/assay-escaped ] || fail "a patch wrote outside its tree"
no_leftovers
