#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the three kinds of task have verdicts of their own. Gold of each kind is right, the
# unchanged tree is not; tests that fail for a wrong reason, pass on the fault, read the source or kill
# no mutant earn nothing; maps and shaping stand beside the reward and never change it.
. "$(dirname "$0")/lib.sh"

DATA=$ROOT/tasks/data
CASES=$ROOT/tests/integration/kinds
run 0 assay suite add "$DATA/kinds"
has out "6 instances added"
run 0 assay suite certify kinds --runs 1 --checks lists,gold,empty
has out "6 of 6 instances certified"

run 0 assay eval kinds --predictions "$DATA/kinds-predictions.jsonl" --json --reward-map m1-negative
cp "$WORK/out" "$WORK/verdicts"
/usr/bin/python3 - "$WORK/verdicts" "$DATA/kinds-predictions.expected.json" <<'PY'
import json, sys
verdicts = [json.loads(line) for line in open(sys.argv[1])]
want = json.load(open(sys.argv[2]))
seen = {v["instance_id"]: v for v in verdicts if "instance_id" in v}
assert seen.keys() == want.keys(), seen.keys()
for name, expected in want.items():
    got = seen[name]
    for key in ("kind", "resolved", "reward", "cause", "reward_class", "reward_shaped"):
        assert got[key] == expected[key], (name, key, got[key], expected[key])
    if got["kind"] == "localize":
        assert round(got["localize"]["score"], 6) == expected["score"], (name, got["localize"])
        assert got["localize"]["rank"] == expected["rank"], (name, got["localize"])
    elif "mutants" in expected:
        assert got["write_tests"]["mutants"] == expected["mutants"], (name, got["write_tests"])
    assert got["reward_components"]["outcome"] == expected["reward_shaped"], name
PY

# Judged again from what was kept, without a run: the same. Runs that all answers share are made once.
run 0 assay regrade --json
/usr/bin/python3 - "$WORK/out" "$WORK/verdicts" "$ASSAY_HOME/assay.db" <<'PY'
import json, sqlite3, sys
*rows, told = [json.loads(line) for line in open(sys.argv[1])]
before = {v["instance_id"]: v for v in map(json.loads, open(sys.argv[2])) if "instance_id" in v}
ran = [v for v in before.values() if v["kind"] == "write_tests" and v["usage"]["wall_ms"] > 0]
assert len(ran) >= 2 and told["same"] == len(ran) and told["same"] + told["not_run"] == told["total"] == len(before), told
for v in rows:
    for key in ("resolved", "cause", "reason", "resolution", "evidence", "usage", "key", "write_tests", "localize"):
        assert v.get(key) == before[v["instance_id"]].get(key), (key, v, before[v["instance_id"]])
db = sqlite3.connect(sys.argv[3])
roles = db.execute("SELECT role, count(*) FROM kept_runs GROUP BY role").fetchall()
assert dict(roles)["base"] == len(ran), roles
assert dict(roles)["reference"] >= 1 and dict(roles)["mutant1.reference"] >= 1, roles
PY
kept() {
    /usr/bin/python3 -c "import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*), max(kept_at) FROM kept_runs').fetchone())" "$ASSAY_HOME/assay.db"
}
shared=$(kept)

# case NAME INSTANCE RESOLVED CAUSE WORDS: one answer graded.
case_of() {
    run 0 assay grade kinds "$2" "$CASES/$1.patch" --json
    [ "$(json 'd["resolved"], d["cause"]')" = "$3 $4" ] || fail "$1: $(json d)"
    has out "$5"
}
I=kinds__interval-set-tests
case_of with_product $I True ok '"dropped":["intervals/intervalset.py"]'
case_of vacuous $I False tests_failed "no new test fails on the buggy tree"
case_of import_error $I False tests_failed "a new test fails on the fixed tree"
case_of fails_on_both $I False tests_failed "a new test fails on the fixed tree"
case_of breaks_old $I False tests_failed "a test that passed without the new ones fails"
case_of exits $I False inconsistent "on the fixed tree: the evidence disagrees"
case_of source_reader $I False tests_failed "says one thing and then another"
case_of missing_name kinds__rate-limit-tests False tests_failed "too few"

# None of these answers has run what does not depend on it.
[ "$(kept)" = "$shared" ] || fail "shared runs were made again: $shared, $(kept)"
# Without the cache they are made for this answer alone, and kept with it.
run 0 assay eval kinds --predictions "$DATA/kinds-predictions.jsonl" --instance $I --again --no-cache --json
run 0 assay regrade --json
[ "$(json 'd["total"], d["same"]')" = "1 1" ] || fail "a run without the cache: $(json d)"
[ "$(kept)" = "$shared" ] || fail "a run without the cache was kept for others"
# The evidence speaks, not the verdict that is stored.
/usr/bin/python3 -c "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('UPDATE verdicts SET body = replace(body, ?, ?) WHERE evaluation_number = (SELECT max(evaluation_number) FROM verdicts)',
           ('\"killed\":1', '\"killed\":0'))
db.commit()" "$ASSAY_HOME/assay.db"
run 0 assay regrade --json
has out "mutants killed 0 of 2 -> 1 of 2"

# A stored verdict answers for these kinds too, and shaping is worked out anew for it.
cat >"$WORK/shaping.json" <<'END'
{"schema": 1, "tests": {"weight": 0.5}, "length": {"weight": 1, "max": 1000, "buffer": 1000}}
END
case_of with_product $I True ok '"cached":true'
run 0 assay grade kinds $I "$CASES/with_product.patch" --json --shaping "$WORK/shaping.json"
[ "$(json 'd["cached"], d["reward"], d["reward_components"]["outcome"], d["reward_components"]["tests"], d["reward_components"]["length"]')" \
    = "True 1 1 0.25 -1" ] || fail "shaping: $(json d)"
printf 'src/json_lex.c:number\nsrc/json_lex.c:escape\nsrc/json_lex.c:hex4\n' >"$WORK/answer"
run 0 assay grade kinds kinds__json-lex-where "$WORK/answer" --json
[ "$(json 'd["resolved"], d["cached"]')" = "True False" ] || fail "answer: $(json d)"
run 0 assay grade kinds kinds__json-lex-where "$WORK/answer" --json
[ "$(json 'd["resolved"], d["cached"]')" = "True True" ] || fail "answer again: $(json d)"
printf 'no idea\n' >"$WORK/answer"
run 0 assay grade kinds kinds__json-lex-where "$WORK/answer" --json --reward-map swe-rl
[ "$(json 'd["cause"], d["reward"], d["reward_shaped"]')" = "patch_rejected 0 -1" ] || fail "$(json d)"

# Similarity of a repair, and a finished run told again with another shaping.
run 0 assay suite add "$DATA/quick"
cat >"$WORK/similar.json" <<'END'
{"schema": 1, "similarity": {"weight": 1}, "tests": {"weight": 1}, "regression": {"weight": 1}}
END
one() {
    run 0 assay eval quick --predictions "$DATA/quick-predictions.jsonl" --instance quick__lru-ttl-1 --json "$@"
    grep -v '"schema_version"' "$WORK/out" >"$WORK/one"
}
one
grep -q '"reward_shaped"' "$WORK/one" && fail "shaping is not off by default"
one --shaping "$WORK/similar.json"
has err "executed=0"
/usr/bin/python3 - "$WORK/one" <<'PY'
import json, sys
v = json.loads(open(sys.argv[1]).read().splitlines()[0])
c = v["reward_components"]
assert v["reward"] == 0 and c["tests"] == 0.5, v
assert 0 < c["similarity"] < 1 and v["reward_shaped"] == sum(c.values()), v
PY
run 0 assay grade quick quick__lru-ttl-1 --gold --json --shaping "$WORK/similar.json"
[ "$(json 'd["reward_components"]["similarity"], d["reward_shaped"]')" = "1 3" ] || fail "gold: $(json d)"
run 2 assay grade quick quick__lru-ttl-1 --gold --reward-map
printf '{"schema": 1, "regression": 2}\n' >"$WORK/map.json"
run 1 assay grade quick quick__lru-ttl-1 --gold --reward-map "$WORK/map.json"
has err 'regression: worth more than "resolved"'
no_leftovers
