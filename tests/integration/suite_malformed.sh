#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a malformed suite or data set is refused whole, with file, line and field, and
# nothing of it stays in the store.
. "$(dirname "$0")/lib.sh"

quick=$ROOT/tasks/data/quick

# break NAME PYTHON EXPECTED: copy two instances, change one's instance.json as a dict `d`, add it.
try() {
    rm -rf "$WORK/suite"
    mkdir "$WORK/suite"
    cp "$quick/suite.json" "$WORK/suite"
    cp -r "$quick/quick__ini-reader-1" "$quick/quick__lru-ttl-1" "$WORK/suite"
    /usr/bin/python3 - "$WORK/suite/quick__lru-ttl-1/instance.json" "$1" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
exec(sys.argv[2])
json.dump(d, open(sys.argv[1], "w"), indent=1)
PY
    run 1 assay suite add "$WORK/suite"
    grep -Eq "instance.json:[0-9]+: .*$2" "$WORK/err" || fail "no file, line and '$2' in: $(cat "$WORK/err")"
    run 0 assay suite list
    has out "no suites yet"
}

try 'd["colour"] = "red"' 'colour'
try 'del d["test_cmd"]' 'test_cmd'
try 'd["test_cmd"] = "make"' 'test_cmd'
try 'd["limits"]["wall_ms"] = -1' 'wall_ms'
try 'd["PASS_TO_PASS"].append(d["FAIL_TO_PASS"][0])' 'PASS_TO_PASS'
try 'd["FAIL_TO_PASS"] *= 2' 'FAIL_TO_PASS'
try 'd["recipe"] = "nosuch"' 'recipe'
try 'd["framework"] = "nosuch"' 'framework'
try 'd["base"] = {"dir": "../quick__ini-reader-1/../../etc"}' 'base'
try 'd["schema"] = 99' 'schema'
try 'd["network"] = "host"' 'network'
try 'd["network"] = "allowlist"' 'hosts'
try 'd["hosts"] = ["a.example"]' 'hosts'
try 'd["network"] = "allowlist"; d["hosts"] = ["a.example", "10.0.0.1:80"]' 'hosts\[1\].*addresses are the user'
try 'd["network"] = "allowlist"; d["hosts"] = ["http://a.example/"]' 'hosts\[0\]'

printf '%s\n' '{"instance_id": "a__b-1", "repo": "a/b"' >"$WORK/rows.jsonl"
run 1 assay suite add "$WORK/rows.jsonl" --repos "$WORK"
grep -Eq 'rows.jsonl:1: ' "$WORK/err" || fail "no file and line in: $(cat "$WORK/err")"
run 0 assay suite list
has out "no suites yet"
