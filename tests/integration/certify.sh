#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: every seeded defect is refused by its name, every healthy twin of one is certified, and a
# certification that was killed goes on where it was. With ASSAY_SOAK=1 also one that fails in one run of twenty.
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 -c 'import pytest' 2>/dev/null || skip "no pytest"
/usr/bin/python3 "$ROOT/tests/certify/make_suite.py" "$WORK/suites"

for suite in defects twins; do
    run 0 assay suite add "$WORK/suites/$suite"
done

# Killed on the way: what was run is not run again.
"$ASSAY" suite certify twins --runs 1 --json >"$WORK/out" 2>"$WORK/err" </dev/null &
pid=$!
kept=0
for _ in $(seq 100); do
    kept=$(/usr/bin/python3 -c "import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM certificate_runs WHERE check_name <> ?', ('null',)).fetchone()[0])" "$ASSAY_HOME/assay.db" 2>/dev/null || echo 0)
    [ "$kept" -lt 3 ] || break
    sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null || true
[ "$kept" -ge 3 ] || fail "no run was kept before the kill: $(cat "$WORK/err")"
# Runs end in any order, and which logs are those of kept ones is not told: as many as there were rows must stay as
# they are. (The patch of nothing has no log.)
logs() { find "$ASSAY_HOME/runs/certify-twins" -name 'test_output.*' -exec stat -c '%n %y' {} + | sort; }
logs >"$WORK/before.txt"
run 0 assay suite certify twins --runs 1 --json
logs >"$WORK/after.txt"
same=$(comm -12 "$WORK/before.txt" "$WORK/after.txt" | wc -l)
[ "$same" -ge "$kept" ] || fail "$kept runs were kept, and $same were not run again"
/usr/bin/python3 - "$WORK/out" "$ASSAY_HOME/assay.db" <<'PY'
import json, sqlite3, sys
made = json.load(open(sys.argv[1]))["certificates"]
assert len(made) == 6 and all(c["holds"] for c in made), [c for c in made if not c["holds"]]
for c in made:
    checks = c["details"]["checks"]
    assert set(checks) == set(c["checks"].split()), checks
    assert checks["null"]["resolved"] == checks["junk"]["resolved"] == checks["empty"]["resolved"] == 0, checks
    for t in c["details"]["tests"]:
        assert t["gold"] == {"passed": 1} and t["cpu"] == {"passed": 1} and t["flake_upper_95"] == 1, t
assert sqlite3.connect(sys.argv[2]).execute("SELECT count(*) FROM certificate_runs").fetchone() == (0,)
PY
# Typed again there is nothing to do; with other checks there is.
run 0 assay suite certify twins --runs 1
! grep -q "done," "$WORK/err" || fail "certified twice: $(cat "$WORK/err")"
run 0 assay suite show twins
has out "certified (1 run; all checks)"
run 2 assay suite certify twins --checks gold,luck
has err "'luck' is no check"

run 3 assay suite certify defects --runs 1 --json
/usr/bin/python3 - "$WORK/out" "$WORK/suites/expected.txt" <<'PY'
import json, sys
made = {c["instance_id"]: c for c in json.load(open(sys.argv[1]))["certificates"]}
expected = dict(line.rstrip("\n").split("\t") for line in open(sys.argv[2]))
assert made.keys() == expected.keys(), made.keys() ^ expected.keys()
clock = made["seeded__order"]["details"]["checks"]["clock"].get("note", "")
for name, defect in sorted(expected.items()):
    if defect == "date bomb" and clock.startswith("not shifted"):
        continue  # no libfaketime on this host: the certificate says so
    c = made[name]
    assert not c["holds"] and c["reason"].startswith(defect + ": "), (name, defect, c["reason"])
PY

# A test that passes whatever it expects is told with the line, and accuses no honest patch.
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
made = {c["instance_id"]: c for c in json.load(open(sys.argv[1]))["certificates"]}
c = made["seeded__deaf"]
assert c["reason"].startswith("deaf test: test_other.py::test_same passes with another expected value, too: assert Any"), c
tests = {t["id"]: t["copies"] for t in c["details"]["tests"]}
assert tests["test_mod.py::test_answer"] == {"failed": 1, "deaf": []}, tests
assert tests["test_other.py::test_same"]["failed"] == 0 and len(tests["test_other.py::test_same"]["deaf"]) == 1, tests
PY
printf '%s\n' '--- a/mod.py' '+++ b/mod.py' '@@ -1,2 +1,2 @@' ' def answer():' '-    return 41' '+    return 6 * 7' >"$WORK/honest"
run 0 assay grade defects seeded__deaf "$WORK/honest" --json
[ "$(json 'd["resolved"], d["cause"], d["tamper"]')" = "True ok []" ] || fail "an honest patch: $(json d)"

# Lists that contradict themselves never become a suite.
for row in '"FAIL_TO_PASS": ["exit_status"], "PASS_TO_PASS": ["exit_status"]' \
    '"FAIL_TO_PASS": ["exit_status", "exit_status"]'; do
    suite_begin lists
    instance lists__bad-1 "$PASS" "$row"
    run 1 assay suite add "$SUITE"
    has err "exit_status"
done

if [ -n "${ASSAY_SOAK:-}" ]; then
    run 0 assay suite add "$WORK/suites/flaky"
    run 3 assay suite certify flaky --runs 100 --checks lists,gold,empty --json
    /usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
made = {c["instance_id"]: c for c in json.load(open(sys.argv[1]))["certificates"]}
assert made["seeded__flaky"]["reason"].startswith("flaky: test_other.py::test_luck"), made["seeded__flaky"]["reason"]
assert made["twin__flaky"]["holds"], made["twin__flaky"]["reason"]
assert all(t["flake_upper_95"] == 0.03 for t in made["twin__flaky"]["details"]["tests"])
PY
fi
no_leftovers
