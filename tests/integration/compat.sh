#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `--compat MODE` judges as that grader does, believes what it believes (a forged
# log among it), says so, and has keys of its own; without it the same patch earns nothing.
. "$(dirname "$0")/lib.sh"

quick=$ROOT/tasks/data/quick/quick__csv-stream-1
mkdir -p "$WORK/suite"
/usr/bin/python3 - "$quick" "$WORK" <<'PY'
import json, shutil, sys
quick, work = sys.argv[1:]
suite = json.load(open(f"{quick}/../suite.json"))
suite["name"] = "field"
json.dump(suite, open(f"{work}/suite/suite.json", "w"))
def instance(name, command, **more):
    shutil.copytree(quick, f"{work}/suite/{name}")
    d = json.load(open(f"{quick}/instance.json"))
    d.update(instance_id=name, test_cmd=["bash", "-c", command], rules="swebench", **more)
    if "tests" in more:
        d["FAIL_TO_PASS"], d["PASS_TO_PASS"] = d.pop("tests")
    json.dump(d, open(f"{work}/suite/{name}/instance.json", "w"))
pytest = "/usr/bin/python3 -m pytest -p no:cacheprovider "
instance("rows-1", pytest + "-rA", log_parser="parse_log_pytest_v2")
instance("smith-1", pytest + "-v")
# No framework of ours: the parser that the row names reads the log.
log = "echo 'PASS: one'; test -e fixed && echo 'PASS: two' || { echo 'FAIL: two'; false; }"
instance("jq-1", log, framework="swebench-log", log_parser="parse_log_jq", tests=(["two"], ["one"]))
open(f"{work}/suite/jq-1/gold.patch", "w").write(
    "--- /dev/null\n+++ b/fixed\n@@ -0,0 +1 @@\n+x\n")
ids = json.load(open(f"{quick}/instance.json"))
forged = ["import atexit", "def say():"]
forged += [f"    print('PASSED {i}')" for i in ids["FAIL_TO_PASS"] + ids["PASS_TO_PASS"]]
forged += ["    print('FAILED decoy::test')", "atexit.register(say)"]
open(f"{work}/forged.patch", "w").write(
    f"--- /dev/null\n+++ b/conftest.py\n@@ -0,0 +1,{len(forged)} @@\n" + "".join(f"+{line}\n" for line in forged))
PY
run 0 assay suite add "$WORK/suite"

run 0 assay grade field rows-1 --gold --compat swebench --json
[ "$(json '[d["resolved"], d["evidence"], d["compat"], len(d["key"])]')" = "[True, 'weak', 'swebench', 64]" ] ||
    fail "gold by swebench: $(cat "$WORK/out")"
theirs=$(json 'd["key"]')
run 0 assay grade field rows-1 --gold --json
[ "$(json '[d["resolved"], d["evidence"], "compat" in d]')" = "[True, 'strong', False]" ] ||
    fail "gold by our rules: $(cat "$WORK/out")"
[ "$(json 'd["key"]')" != "$theirs" ] || fail "one key for two sets of rules"
run 0 assay grade field rows-1 --gold --compat swebench --json
[ "$(json '[d["cached"], d["compat"]]')" = "[True, 'swebench']" ] || fail "not cached: $(cat "$WORK/out")"
run 0 assay grade field rows-1 --empty --compat swebench --json
[ "$(json 'd["resolved"]')" = False ] || fail "the empty patch resolved"

# The field believes a conftest.py that prints; we drop it.
run 0 assay grade field rows-1 "$WORK/forged.patch" --compat swebench --json
[ "$(json '[d["resolved"], d["patch"]["dropped"]]')" = "[True, []]" ] || fail "forged, by swebench: $(cat "$WORK/out")"
run 0 assay grade field rows-1 "$WORK/forged.patch" --json
[ "$(json '[d["resolved"], d["patch"]["dropped"]]')" = "[False, ['conftest.py']]" ] || fail "forged: $(cat "$WORK/out")"

for mode in swesmith pro rebench r2e; do
    case $mode in swesmith) id=smith-1 ;; *) id=rows-1 ;; esac
    run 0 assay grade field $id --gold --compat $mode --json
    # pytest's ids hold what R2E compares, so an honest run is honest there, too.
    [ "$(json '[d["resolved"], d["compat"]]')" = "[True, '$mode']" ] || fail "$mode: $(cat "$WORK/out")"
    run 0 assay grade field $id --empty --compat $mode --json
    [ "$(json 'd["resolved"]')" = False ] || fail "$mode, empty: $(cat "$WORK/out")"
done

run 0 assay grade field jq-1 --gold --json
[ "$(json '[d["resolved"], d["evidence"]]')" = "[True, 'weak']" ] || fail "jq: $(cat "$WORK/out")"
run 0 assay grade field jq-1 --empty --json
[ "$(json 'd["tests"]["FAIL_TO_PASS"]["failure"]')" = "['two']" ] || fail "jq, empty: $(cat "$WORK/out")"
run 3 assay grade field jq-1 --gold --compat r2e --json
[ "$(json '[d["reward"], d["cause"]]')" = "[None, 'setup_failed']" ] || fail "r2e cannot read jq: $(cat "$WORK/out")"

run 0 assay eval field --gold --compat swebench --json
[ "$(json 'd["resolved_ids"]')" = "['jq-1', 'rows-1']" ] || fail "eval by swebench: $(cat "$WORK/out")"
run 2 assay eval field --gold --compat nosuch
has err "nosuch"
