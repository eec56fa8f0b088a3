#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: one run a key, whoever asks; a dead owner blocks nobody; stored evidence gives the verdict that was
# stored; a run that disagrees with its certificate is made once more, and the worse of two counts; trouble of
# ours is null after a few tries, each told; what a patch does to its own run is 0.
. "$(dirname "$0")/lib.sh"

sql() { # STATEMENT: one value
    /usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1]); row = db.execute(sys.argv[2]).fetchone(); db.commit(); print(row[0] if row else "")' \
        "$ASSAY_HOME/assay.db" "$1"
}
check() { # WHAT EXPRESSION over `rows`: all lines of stdout as JSON
    /usr/bin/python3 - "$WORK/out" "$1" "$2" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
v = rows[0]
assert eval(sys.argv[3]), (sys.argv[2], rows)
PY
}

# Two processes, two runs, the same patches: each is run once.
suite_begin joined
for i in 1 2 3 4; do
    instance "joined__slow-$i" "sleep 0.7; $PASS"
done
run 0 assay suite add "$SUITE"
/usr/bin/python3 - "$SUITE" >"$WORK/preds.json" <<'PY'
import glob, json, os, sys
print(json.dumps({os.path.basename(d): {"model_patch": open(d + "/gold.patch").read(), "model_name_or_path": "m"}
                  for d in glob.glob(sys.argv[1] + "/joined__*")}))
PY
"$ASSAY" eval joined --predictions "$WORK/preds.json" --run-id other --json >"$WORK/out2" 2>"$WORK/err2" </dev/null &
pid=$!
run 0 assay eval joined --gold --run-id one --json
[ "$(json 'd["resolved_instances"]')" = 4 ] || fail "joined: $(cat "$WORK/out")"
wait $pid || fail "joined: $(cat "$WORK/err2")"
executed=$(cat "$WORK/err" "$WORK/err2" | sed -n 's/.* executed=\([0-9]*\).*/\1/p' | paste -sd+)
[ "$(($executed))" -eq 4 ] || fail "4 patches wanted twice were run $executed times"
[ "$(sql 'SELECT count(*) FROM claims')" = 0 ] || fail "claims are left"

# The owner dies in the middle of its run. Whoever waits takes over.
"$ASSAY" grade joined joined__slow-1 --empty >"$WORK/out2" 2>"$WORK/err2" </dev/null &
pid=$!
for _ in $(seq 100); do
    [ "$(sql 'SELECT count(*) FROM claims')" = 0 ] || break
    sleep 0.02
done
kill -9 $pid
wait $pid 2>/dev/null || true
[ "$(sql 'SELECT count(*) FROM claims')" != 0 ] || fail "the dead owner had no claim"
run 0 assay eval joined --empty --run-id heir --json
[ "$(json 'd["completed_instances"]')" = 4 ] || fail "after a dead owner: $(cat "$WORK/out")"

# Judged again from evidence: the same; from the cache's too; nothing runs.
for id in one other heir; do
    run 0 assay regrade $id --json
    [ "$(json '(d["same"], d["total"])')" = "(4, 4)" ] || fail "regrade $id: $(cat "$WORK/out")"
done

# Lists that are corrected change what the same evidence says; another test command is another run.
suite_begin lists
instance lists__a-1 "$PASS" '"PASS_TO_PASS": ["nosuch"], "FAIL_TO_PASS": ["exit_status"]'
instance lists__b-1 "$PASS"
run 0 assay suite add "$SUITE"
run 0 assay eval lists --gold --run-id wrong --json
[ "$(json 'd["resolved_ids"]')" = "['lists__b-1']" ] || fail "lists: $(cat "$WORK/out")"
instance lists__a-1 "$PASS"
run 0 assay suite add "$SUITE" --replace
run 0 assay regrade wrong --json
check "corrected" 'rows[-1]["changed"] == 1 and rows[0]["resolved"] and rows[-1]["told"][0]["changes"].startswith("resolved false -> true")'
run 0 assay report wrong
has out "resolved 1 of 2"
run 0 assay regrade wrong --write
has out "1 changed (written); resolved 1 -> 2"
run 0 assay report wrong
has out "resolved 2 of 2"
run 0 assay regrade wrong --json
check "written" 'rows[-1]["same"] == 2'
run 0 assay eval lists --gold --run-id after --json # the verdict that was written answers for its key
check "cached" 'all(v["cached"] for v in rows[:-1])'
rm -rf "$SUITE/lists__b-1"
instance lists__b-1 "true; $PASS"
run 0 assay suite add "$SUITE" --replace
run 3 assay regrade wrong --json
check "another command" 'rows[-1]["foreign"] == 1 and rows[-1]["same"] == 1'
run 0 assay regrade after --drop
run 0 assay regrade wrong --drop
has out "evidence of 2 runs of tests removed"
run 3 assay regrade wrong
has out "no_evidence"
run 0 assay store prune --older-than 0
has out "their verdicts stay"
[ "$(sql 'SELECT count(*) FROM evidence')" = 0 ] || fail "prune left evidence"

# The test fails until a moment that it waits for: the first run and the second differ.
suite_begin chance
moment=$(($(date +%s) + 4))
late="[ \$(date +%s) -ge $moment ] || { while [ \$(date +%s) -lt $moment ]; do sleep 0.1; done; exit 1; }; $PASS"
instance chance__late-1 "$late"
instance chance__never-1 "exit 1"
instance chance__fine-1 "$PASS"
run 0 assay suite add "$SUITE"
sql "INSERT INTO certificates (suite, instance_id, instance_hash, holds, runs, details, reason, made_at)
     SELECT 'chance', instance_id, hash, 1, 5, '{}', '', '' FROM instances WHERE instance_id LIKE 'chance__%'" >/dev/null
run 0 assay grade chance chance__late-1 --gold --json
check "chance" 'v["resolved"] is False and [a["resolved"] for a in v["attempts"]] == [False, True] and v["reason"].startswith("1 of 2 runs resolved, and the worse counts: ")'
run 0 assay regrade --json
check "chance again" 'rows[-1]["same"] == 1 and [a["resolved"] for a in v["attempts"]] == [False, True]'
run 0 assay grade chance chance__never-1 --gold --json
check "never" 'v["resolved"] is False and [a["resolved"] for a in v["attempts"]] == [False, False]'
run 0 assay grade chance chance__fine-1 --gold --json
check "fine" 'v["resolved"] and v["attempts"] == []'
run 0 assay grade chance chance__never-1 --empty --json
check "as certified" 'v["resolved"] is False and v["attempts"] == []'

# Boxes die under every try: null, each try told, and never 0.
suite_begin spoiled
instance spoiled__slow-1 "sleep 4; $PASS"
run 0 assay suite add "$SUITE"
"$ASSAY" grade spoiled spoiled__slow-1 --gold --json >"$WORK/out" 2>"$WORK/err" </dev/null &
pid=$!
while kill -0 $pid 2>/dev/null; do
    sleep 1 # in the middle of a run: the pauses between tries are 250 ms and 1 s
    for box in $(ps -o pid= --ppid $pid 2>/dev/null); do kill -9 "$box" 2>/dev/null || true; done
done
got=0
wait $pid || got=$?
[ "$got" -eq 3 ] || fail "spoiled: exit $got: $(cat "$WORK/err")"
check "spoiled" 'v["reward"] is None and v["resolved"] is None and v["cause"] == "infra_error" and len(v["attempts"]) == 3 and all(a["resolved"] is None for a in v["attempts"])'
run 0 assay regrade --json
check "spoiled again" 'v["reward"] is None'

# What a patch does to its own run is a result: memory, processes, time, disk, output, and a flood of evidence.
suite_begin own
limits='"wall_ms": 3000, "memory_bytes": 67108864'
instance own__memory-1 "exec /usr/bin/python3 -c 'a = [bytearray(1 << 20) for _ in range(4096)]'" "" "$limits"
instance own__pids-1 'while :; do sleep 9 & done' "" "$limits"
instance own__wall-1 'sleep 60' "" "$limits"
instance own__disk-1 'head -c 200M /dev/zero >big' "" "$limits"
instance own__output-1 'exec yes' "" "$limits"
instance own__channel-1 'head -c 100M /dev/zero >&3' "" "$limits"
instance own__records-1 "yes '{\"n\":1,\"event\":\"result\",\"id\":\"exit_status\",\"status\":\"passed\"}' | head -c 60M >&3; exit 1" "" "$limits"
instance own__killed-1 'kill -9 $$' "" "$limits"
run 0 assay suite add "$SUITE"
run 0 assay eval own --gold --json
check "own doing" 'len(rows) == 9 and all(v["reward"] == 0 and v["attempts"] == [] for v in rows[:-1])'
run 0 assay regrade --json
check "own doing again" 'rows[-1]["same"] == 8'
no_leftovers
