#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: several assay processes on one home get along. The same run typed twice at once gives each
# instance one verdict, and both report the whole run; nobody fails because another was faster.
. "$(dirname "$0")/lib.sh"

suite_begin pair
for i in 1 2 3 4 5 6; do
    instance "pair__slow-$i" "sleep 0.3; $PASS"
done

both() { # WANT COMMAND...: twice at once; what they print is in out, err and out2, err2
    want=$1
    shift
    got=0 got2=0
    "$@" >"$WORK/out2" 2>"$WORK/err2" </dev/null &
    pid=$!
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    wait $pid || got2=$?
    [ "$got $got2" = "$want $want" ] || fail "exit $got and $got2: $*: $(cat "$WORK/err" "$WORK/err2")"
}
both 0 "$ASSAY" suite add "$SUITE"
both 0 "$ASSAY" eval pair --gold --no-cache --json
for out in out out2; do
    [ "$(wc -l <"$WORK/$out")" -eq 7 ] || fail "verdicts of one of two: $(cat "$WORK/$out")"
    grep -q '"resolved_instances":6' "$WORK/$out" || fail "report of one of two: $(cat "$WORK/$out")"
done
/usr/bin/python3 - "$ASSAY_HOME/assay.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)
rows = db.execute("SELECT instance_id, count(*) FROM evaluations JOIN verdicts USING (evaluation_number) GROUP BY 1").fetchall()
assert len(rows) == 6 and all(n == 1 for _, n in rows), rows
PY

# Different work on the same suite at once.
"$ASSAY" suite certify pair --runs 1 >"$WORK/out2" 2>"$WORK/err2" </dev/null &
pid=$!
run 0 assay eval pair --empty --json
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty while certifying: $(cat "$WORK/out")"
wait $pid || fail "certify while evaluating: $(cat "$WORK/err2")"
grep -q "6 of 6 instances certified" "$WORK/out2" || fail "$(cat "$WORK/out2")"
no_leftovers

# A suite that is removed under a run: what was begun ends, and its report stays.
"$ASSAY" eval pair --gold --no-cache --again --run-id gone --json >"$WORK/out2" 2>"$WORK/err2" </dev/null &
pid=$!
sleep 0.4
run 0 assay suite remove pair
wait $pid || fail "the suite was removed under a run: $(cat "$WORK/err2")"
run 0 assay report gone
has out "resolved 6 of 6"
