#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a Harbor folder runs end to end (gold by its solution scores 1, the unchanged tree
# 0, no reward file is an error and not 0, the agent never sees the tests); rows, native folders and
# Harbor folders come back out byte for byte; a SWE-bench 5 task repository is read; SWE-smith's and
# SWE-bench Pro's rows run by their own rules; what is wrong leaves nothing behind.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip "git is missing"
mkdir "$WORK/in"

# --- Harbor
task=$WORK/harbor/hello
mkdir -p "$task/environment/src" "$task/tests" "$task/solution"
cat >"$task/task.toml" <<'TOML'
schema_version = "1.0"
[task]
name = "demo/hello"
authors = [{ name = "A", email = "a@b" }]
[metadata]
difficulty = "easy"
[verifier]
timeout_sec = 60.0
[verifier.env]
WANTED = "Hello"
SECRET = "${SECRET}"
[environment]
cpus = 1
memory_mb = 512
[[verifier.collect]]
command = "true"
TOML
printf '# canary GUID 1234\n\nMake greet.sh print Hello.\n' >"$task/instruction.md"
cat >"$task/environment/Dockerfile" <<'DOCKER'
# the image
FROM debian:12
WORKDIR /app
ENV LANG=C.UTF-8 MODE="a b"
RUN apt-get update && \
    apt-get install -y bash
COPY src .
COPY --chown=root greet.sh /app/
CMD ["bash"]
DOCKER
echo data >"$task/environment/src/data.txt"
printf '#!/bin/sh\necho Bye\n' >"$task/environment/greet.sh"
chmod +x "$task/environment/greet.sh"
cat >"$task/tests/test.sh" <<'SH'
#!/bin/bash
[ -f quiet ] && exit 1
[ "$(cat data.txt)" = data ] && [ "$MODE" = "a b" ] && . /tests/lib.sh || exit 3
if [ "$(./greet.sh)" = "$WANTED" ]; then reward=1; elif [ -f half ]; then reward=0.5; else reward=0; fi
echo "{\"reward\": $reward, \"lines\": 1}" >/logs/verifier/reward.json
echo log >/logs/agent/x
SH
echo 'true' >"$task/tests/lib.sh"
cat >"$task/solution/solve.sh" <<'SH'
#!/bin/bash
set -e
cat /solution/new.txt >greet.sh
mkdir -p made && echo x >made/by-solution
SH
printf '#!/bin/sh\necho Hello\n' >"$task/solution/new.txt"
run 0 assay suite add "$WORK/harbor" --name terminal
has out "1 instance added"
run 0 assay eval terminal --gold --json
[ "$(json 'd["resolved_ids"]')" = "['demo__hello']" ] || fail "gold: $(cat "$WORK/out")"
run 0 assay suite certify terminal --checks lists,gold,empty --runs 1
run 0 assay eval terminal --empty --json
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty: $(json d)"
# patch NAME FILE TEXT: a patch that adds a file
patch() {
    printf 'diff --git a/%s b/%s\nnew file mode 100644\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1,1 @@\n+x\n' "$2" "$2" "$2" >"$WORK/$1"
}
patch half.patch half
run 0 assay grade terminal demo__hello "$WORK/half.patch" --json
[ "$(json 'd["reward"], d["resolved"], d["evidence"]')" = "0.5 False weak" ] || fail "half: $(cat "$WORK/out")"
patch quiet.patch quiet
run 3 assay grade terminal demo__hello "$WORK/quiet.patch" --json
[ "$(json 'd["reward"], d["resolved"], d["cause"]')" = "None None infra_error" ] || fail "quiet: $(cat "$WORK/out")"
# The agent's box has neither tests nor solution.
cat >"$WORK/agent.jsonl" <<'END'
{"text": "look", "tool": "bash", "arguments": {"command": "ls -d /tests /solution tests solution; cat data.txt"}}
{"text": "done", "tool": "submit", "arguments": {}}
END
run 0 assay run terminal --actor script:"$WORK/agent.jsonl"
run 0 assay episodes show 1
has out "data"
has out "cannot access '/tests'"
has out "cannot access '/solution'"
has out "cannot access 'tests'"
run 0 assay suite export terminal "$WORK/out-harbor" --format harbor
diff -r "$WORK/harbor/hello" "$WORK/out-harbor/demo__hello" || fail "Harbor does not come back as it was"
[ -x "$WORK/out-harbor/demo__hello/environment/greet.sh" ] || fail "modes are lost"
# What cannot be followed is refused with file and line, and nothing of it stays.
cp -r "$WORK/harbor" "$WORK/bad" && echo 'COPY --from=other a b' >>"$WORK/bad/hello/environment/Dockerfile"
run 1 assay suite add "$WORK/bad" --name bad
has err "Dockerfile:10: COPY from another stage"
cp -r "$WORK/harbor" "$WORK/bad2" && echo 'timeout_sec = "x' >>"$WORK/bad2/hello/task.toml"
run 1 assay suite add "$WORK/bad2" --name bad
has err "task.toml:18: the text does not end"
cp -r "$WORK/harbor" "$WORK/bad3" && printf 'echo no >&2; exit 7\n' >"$WORK/bad3/hello/solution/solve.sh"
run 1 assay suite add "$WORK/bad3" --name bad
has err "solution/solve.sh did not end well (status 7)"
run 0 assay suite list
! grep -q '^bad' "$WORK/out" || fail "something bad stayed"

# --- rows
mkdir -p "$WORK/repos/demo__calc"
git -C "$WORK/repos/demo__calc" init -q
git -C "$WORK/repos/demo__calc" config user.email t@localhost
git -C "$WORK/repos/demo__calc" config user.name t
cd "$WORK/repos/demo__calc"
printf 'def add(a, b):\n    return a + b\n' >calc.py
printf 'import unittest\nimport calc\n\n\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(calc.add(1, 2), 3)\n\n    def test_zero(self):\n        self.assertEqual(calc.add(0, 0), 0)\n' >test_calc.py
git add -A && git commit -q -m good
good=$(git rev-parse HEAD)
sed -i 's/a + b/a - b/' calc.py
git diff >"$WORK/bug.patch"
git commit -q -a -m bug
bug=$(git rev-parse HEAD)
cd "$ROOT"
mkdir -p "$WORK/repos/swesmith" "$WORK/scripts/demo__calc-2" "$WORK/sweb/tasks/demo__calc-3"
ln -s ../demo__calc "$WORK/repos/swesmith/demo__calc.01234567"
/usr/bin/python3 - "$WORK" "$good" "$bug" <<'PY'
import json, sys
work, good, bug = sys.argv[1:]
diff = open(f"{work}/bug.patch").read()
fix = diff.replace("-    return a + b", "OLD").replace("+    return a - b", "+    return a + b").replace("OLD", "-    return a - b")
cmd = "/usr/bin/python3 -m unittest -v test_calc"
lists = {"FAIL_TO_PASS": ["test_calc.T.test_add"], "PASS_TO_PASS": ["test_calc.T.test_zero"]}
smith = {"instance_id": "demo__calc.01234567.func_pm__x1", "repo": "swesmith/demo__calc.01234567", "base_commit": good,
         "patch": diff, **lists, "image_name": "x", "problem_statement": "caf\u00e9 \ud83d\ude00", "created_at": 1.50, "odd": {"b": [1, None], "a": 1e3}}
with open(f"{work}/smith.jsonl", "w") as f:
    f.write(json.dumps(smith, ensure_ascii=True, separators=(" , ", ": ")) + "\n")
pro = {"repo": "demo/calc", "instance_id": "demo__calc-2", "base_commit": bug, "patch": fix, "test_patch": "",
       "problem_statement": "p", "requirements": "r", "interface": "", "fail_to_pass": "['test_add']", "pass_to_pass": "['test_zero']",
       "before_repo_set_cmd": "git reset", "selected_test_files_to_run": "['test_calc']"}
with open(f"{work}/pro.jsonl", "w") as f:
    f.write(json.dumps(pro) + "\n")
open(f"{work}/scripts/demo__calc-2/run_script.sh", "w").write("IFS=, ; for t in $1; do /usr/bin/python3 -m unittest -v $t; done\n")
open(f"{work}/scripts/demo__calc-2/parser.py", "w").write('''import json, re, sys
text = open(sys.argv[2]).read()
found = re.findall(r"^(\\w+) \\(.*\\) \\.\\.\\. (ok|FAIL|ERROR)$", text, re.M)
words = {"ok": "PASSED", "FAIL": "FAILED", "ERROR": "ERROR"}
json.dump({"tests": [{"name": n, "status": words[s]} for n, s in found]}, open(sys.argv[3], "w"))
''')
t = f"{work}/sweb/tasks/demo__calc-3"
open(f"{work}/sweb/sweb.yaml", "w").write("datasets:\n- org/data\nsplits:\n- test\n")
open(f"{t}/task.yaml", "w").write(f"base_commit: {bug}\ndatasets:\n- org/data\neval_type: pass_and_fail\ninstance_id: demo__calc-3\nlog_parser: parse_log_unittest\nrepo: demo/calc\nsplit: test\nversion: '1.0'\n")
open(f"{t}/tests.json", "w").write(json.dumps(lists, indent=2))
open(f"{t}/gold.patch", "w").write(fix)
open(f"{t}/test.patch", "w").write("")
open(f"{t}/problem_statement.md", "w").write("p\r\nq\n")
open(f"{t}/eval.sh", "w").write(f"#!/bin/bash\n: '>>>>> Start Test Output'\n{cmd}\n: '>>>>> End Test Output'\n")
PY
run 0 assay suite add "$WORK/smith.jsonl" --repos "$WORK/repos" --framework unittest \
    --test-cmd '/usr/bin/python3 -m unittest -v test_calc'
run 0 assay suite add "$WORK/pro.jsonl" --repos "$WORK/repos" --scripts "$WORK/scripts"
run 0 assay suite add "$WORK/sweb" --repos "$WORK/repos"
for suite in smith pro sweb; do
    run 0 assay eval $suite --gold --json
    [ "$(json 'd["resolved_instances"]')" = 1 ] || fail "$suite gold: $(cat "$WORK/out")"
    run 0 assay eval $suite --empty --json
    [ "$(json 'd["resolved_instances"]')" = 0 ] || fail "$suite empty: $(cat "$WORK/out")"
done
for suite in smith pro; do
    run 0 assay suite export $suite "$WORK/$suite.out.jsonl"
    cmp "$WORK/$suite.jsonl" "$WORK/$suite.out.jsonl" || fail "$suite rows do not come back as they were"
    gzip -c "$WORK/$suite.jsonl" >"$WORK/packed-$suite.jsonl.gz"
done
run 0 assay suite add "$WORK/packed-smith.jsonl.gz" --repos "$WORK/repos" --framework unittest \
    --test-cmd '/usr/bin/python3 -m unittest -v test_calc'
run 0 assay suite export packed-smith "$WORK/x.jsonl"
cmp "$WORK/smith.jsonl" "$WORK/x.jsonl" || fail "packed rows do not come back as they were"
# Native: what is exported is read again as the same, and exported again as the same.
run 0 assay suite export smith "$WORK/native"
run 0 assay suite add "$WORK/native" --name again
run 0 assay suite export again "$WORK/native2"
sed -i 's/"name": "again"/"name": "smith"/' "$WORK/native2/suite.json"
diff -r "$WORK/native" "$WORK/native2" || fail "native folders do not come back as they were"
run 0 assay suite export again "$WORK/again.jsonl"
cmp "$WORK/smith.jsonl" "$WORK/again.jsonl" || fail "rows do not come back through native folders"
run 0 assay eval again --gold --json
[ "$(json 'd["resolved_instances"]')" = 1 ] || fail "again: $(cat "$WORK/out")"
# A wrong row names file, line and field.
sed 's/"base_commit" *: "[0-9a-f]*"/"base_commit": "HEAD"/' "$WORK/smith.jsonl" >"$WORK/bad.jsonl"
run 1 assay suite add "$WORK/bad.jsonl" --repos "$WORK/repos"
has err "bad.jsonl:1: base_commit: expected 40 or 64"
printf 'PAR1xxxx' >"$WORK/bad.parquet"
export ASSAY_PYTHON=/nonexistent/python
run 1 assay suite add "$WORK/bad.parquet" --repos "$WORK/repos"
has err "which reads Parquet"
run 2 assay suite add "$WORK/smith.jsonl" --repos "$WORK/repos" --format nonsense
has err "is not auto, native"

# A suite that was never a Harbor folder becomes one: read back, gold scores 1 and the tree as it is 0.
mkdir "$WORK/three"
cp tasks/data/quick/suite.json "$WORK/three"
for id in quick__csv-stream-1 quick__interval-set-1 quick__conf-merge-1; do
    cp -r "tasks/data/quick/$id" "$WORK/three"
done
run 0 assay suite add "$WORK/three" --name three
run 0 assay suite export three "$WORK/three-harbor" --format harbor
run 0 assay suite add "$WORK/three-harbor" --format harbor --name three-back
has out "3 instances added"
run 0 assay eval three-back --gold --json
[ "$(json 'd["resolved_instances"]')" = 3 ] || fail "Harbor of others, gold: $(tail -n 1 "$WORK/out")"
run 0 assay eval three-back --empty --json
[ "$(json 'd["resolved_instances"], d["infra_failure_instances"]')" = "0 0" ] || fail "Harbor of others, empty: $(tail -n 1 "$WORK/out")"
run 0 assay suite export three-back "$WORK/three-again" --format harbor
diff -r "$WORK/three-harbor" "$WORK/three-again" || fail "Harbor of others does not come back as it was"
