#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a test run that misbehaves ends with its own cause and reward 0, leaves nothing behind and does
# not touch its neighbours; odd but honest runs resolve.
. "$(dirname "$0")/lib.sh"

py='/usr/bin/python3 -c'
junit='"framework": "junit", "FAIL_TO_PASS": ["a::b"]'
RECIPES='"odd": {"base": "host", "setup": [], "env": {"A": "a b'"'"'c$HOME", "EMPTY": ""}, "workdir": "/some/where else/é"}'
suite_begin limits
instance ok__plain-1 "$PASS"
instance ok__dots.and-dashes.1-2 "$PASS"
instance "ok__$(printf 'x%.0s' $(seq 196))" "$PASS"
instance ok__daemon-holds-pipes "(setsid sleep 1000 &); $PASS"
instance ok__binary-output "head -c 100000 /dev/urandom; printf 'a\\0\\377'; $PASS"
instance ok__recipe "test \"\$(pwd)\" = '/some/where else/é' -a \"\$A\" = \"a b'c\\\$HOME\" -a \"\${EMPTY-x}\" = '' && $PASS" '"recipe": "odd"'
instance ok__junit "$PASS && echo '<testsuites><testsuite><testcase classname=\"a\" name=\"b\"/></testsuite></testsuites>' >\$ASSAY_OUT_DIR/x.xml" "$junit"
instance tests_failed__command-unknown "$PASS" '"test_cmd": ["nosuchprogram"]'
instance tests_failed__command-missing "$PASS" '"test_cmd": ["./nosuch.sh"]'
instance tests_failed__not-executable "$PASS" '"test_cmd": ["./run.sh"]'
instance tests_failed__127 nosuchprogram
instance output_limit__500-mb "head -c 500000000 /dev/zero | tr '\\0' x; $PASS"
instance output_limit__files "$PASS && head -c 80000000 /dev/zero >\$ASSAY_OUT_DIR/x.xml" "$junit"
instance output_limit__many-files "cd \$ASSAY_OUT_DIR && for i in \$(seq 5000); do : >\$i.xml; done" "$junit"
instance wall_limit__sleeps "sleep 1000" '' '"wall_ms": 2000'
instance cpu_limit__burns "while :; do :; done" '' '"cpu_ms": 1000'
instance memory_limit__hogs "$py 'x = bytearray(1 << 30)'; $py '
x = bytearray(1 << 30)
for i in range(0, 1 << 30, 4096): x[i] = 1'"
instance cpu_limit__fork-bomb "$py '
import os
while True:
    try: os.fork()
    except OSError: pass'" '' '"cpu_ms": 2000, "wall_ms": 30000'
instance disk_limit__fills "head -c 900000000 /dev/zero >/tmp/x && $PASS"
run 0 assay suite add "$SUITE"
run 0 assay eval limits --gold --json
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert len(rows) == 20, len(rows)
for v in rows[:-1]:
    want = v["instance_id"].split("__")[0]
    assert v["cause"] == want and v["reward"] == (1 if want == "ok" else 0), v
PY
# --timeout goes before the instance's own limit, and is part of what a verdict is kept under.
run 0 assay eval limits --gold --json --timeout 1 -i wall_limit__sleeps -i ok__plain-1
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
v = {x["instance_id"]: x for x in map(json.loads, list(open(sys.argv[1]))[:-1])}
assert v["wall_limit__sleeps"]["cause"] == "wall_limit" and v["wall_limit__sleeps"]["usage"]["wall_ms"] < 1900, v
assert v["ok__plain-1"]["resolved"] and not any(x["cached"] for x in v.values()), v
PY
no_leftovers
