#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: SWE-bench rows over real git repositories (bare and normal, and a tarball) are
# added, evaluated and reported; test lists may be JSON strings or arrays.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip "git is missing"

quick=$ROOT/tasks/data/quick
mkdir "$WORK/repos"
# commit INSTANCE DIR: a repository with some history whose last commit is the instance's base.
commit() {
    mkdir -p "$2"
    git -C "$2" init -q
    git -C "$2" config user.email t@localhost && git -C "$2" config user.name t
    git -C "$2" config core.autocrlf false
    echo first >"$2/first.txt"
    git -C "$2" add -A && git -C "$2" commit -q -m first
    rm "$2/first.txt"
    cp -r "$quick/$1/base/." "$2/"
    git -C "$2" add -A -f && git -C "$2" commit -q -m base
    git -C "$2" rev-parse HEAD >"$WORK/$1.commit"
    echo later >"$2/later.txt"
    git -C "$2" add -A && git -C "$2" commit -q -m later
}
commit quick__ini-reader-1 "$WORK/repos/acme__ini"
commit quick__csv-stream-1 "$WORK/src/csv"
git clone -q --bare "$WORK/src/csv" "$WORK/repos/csv.git"
commit quick__retry-call-1 "$WORK/src/retry"
tar -C "$WORK/src" -czf "$WORK/repos/acme__retry.tar.gz" retry

/usr/bin/python3 - "$quick" "$WORK" <<'PY'
import json, sys
quick, work = sys.argv[1:]
def row(source, repo, as_string, **more):
    d = json.load(open(f"{quick}/{source}/instance.json"))
    read = lambda f: open(f"{quick}/{source}/{f}", newline="").read()
    lists = {k: json.dumps(d[k]) if as_string else d[k] for k in ("FAIL_TO_PASS", "PASS_TO_PASS")}
    return {"repo": repo, "instance_id": repo.replace("/", "__") + "-1", "version": "1.0",
            "base_commit": open(f"{work}/{source}.commit").read().strip(), "patch": read("gold.patch"),
            "test_patch": read("test.patch"), "problem_statement": read("problem.md"), "hints_text": "",
            "created_at": "2026-01-01T00:00:00Z", "environment_setup_commit": "x", **lists, **more}
def cmd(source):
    return json.load(open(f"{quick}/{source}/instance.json"))["test_cmd"]
rows = [
    row("quick__ini-reader-1", "acme/ini", True, test_cmd=" ".join(cmd("quick__ini-reader-1")),
        log_parser="parse_log_unittest"),
    row("quick__csv-stream-1", "acme/csv", False, log_parser="parse_log_pytest",
        eval_script="#!/bin/bash\nset -uxo pipefail\ncd /testbed\nexport FOO=bar\n: '>>>>> Start Test Output'\n"
        + " ".join(cmd("quick__csv-stream-1")) + "\nVAR=$?\n: '>>>>> End Test Output'\ngit checkout x\n"),
    row("quick__retry-call-1", "acme/retry", True,
        install_config={"test_cmd": " ".join(cmd("quick__retry-call-1")), "log_parser": "parse_log_pytest"}),
]
open(f"{work}/rows.jsonl", "w").write("".join(json.dumps(r) + "\n" for r in rows))
json.dump(rows, open(f"{work}/rows.json", "w"))
PY
run 0 assay suite add "$WORK/rows.jsonl" --repos "$WORK/repos" --name acme
has out "3 instances added"
run 0 assay eval acme --gold --json
[ "$(json 'd["resolved_ids"]')" = "['acme__csv-1', 'acme__ini-1', 'acme__retry-1']" ] || fail "gold: $(cat "$WORK/out")"
run 0 assay eval acme --empty --json
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty: $(json d)"
run 0 assay suite add "$WORK/rows.json" --repos "$WORK/repos" --name list
run 1 assay suite add "$WORK/rows.json" --repos "$WORK/nosuch" --name none
has err "repo"
