#!/bin/sh
# SPDX-License-Identifier: MIT
# The corpus of attacks, whole, through assay and through naive graders; then honest patches until
# 1,000 runs were executed (the suites quick and pypi, which tests/conformance/pypi.sh added, among
# them). Writes docs/attacks.md and appends its rows to the table of tests/conformance/run.
set -eu
cd "$(dirname "$0")/../.."
assay=${ASSAY:-build/release/assay}
table=${1:-/dev/stdout}
work=${ASSAY_CONFORMANCE_DIR:-build/conformance}
export ASSAY_HOME="$PWD/$work/home"
mkdir -p "$work"
code=0

if [ ! -x "$work/swebench/bin/python" ]; then
    /usr/bin/python3 -m venv "$work/swebench"
    "$work/swebench/bin/pip" install -q --no-deps swebench==5.0.1
fi
/usr/bin/python3 tests/attacks/naive.py --assay "$assay" --swebench "$work/swebench/bin/python" \
    --json "$work/naive.jsonl" || code=1
"$assay" selftest attacks --json >"$work/attacks.json" || code=1
"$assay" suite show quick >/dev/null 2>&1 || "$assay" suite add tasks/data/quick
suites="--suite quick"
if "$assay" suite show pypi >/dev/null 2>&1; then
    suites="$suites --suite pypi"
fi
# shellcheck disable=SC2086 # words
/usr/bin/python3 tests/attacks/honest.py --assay "$assay" --runs "${ASSAY_HONEST_RUNS:-1000}" $suites \
    --json "$work/honest.json" || code=1
/usr/bin/python3 tests/attacks/table.py "$work/attacks.json" "$work/naive.jsonl" "$work/honest.json" >docs/attacks.md
/usr/bin/python3 - "$work" >>"$table" <<'PY'
import json, sys
work = sys.argv[1]
found = json.loads(open(f"{work}/attacks.json").read().splitlines()[-1])
honest = json.load(open(f"{work}/honest.json"))
good = found["attacks"] >= 100 and not found["false_rewards"] + found["false_alarms"] + found["no_verdicts"]
print(f"| attack corpus (`docs/attacks.md`) | {found['attacks']} attacks: {found['false_rewards']} false rewards, "
      f"{found['false_alarms']} false alarms, {found['skipped']} skipped | {'met' if good else 'NOT MET'} |")
good = honest["executed"] >= 1000 and honest["different"] >= 200 and not honest["false_alarms"]
print(f"| honest patches | {honest['executed']} executed runs of {honest['different']} patches on {honest['instances']} instances: "
      f"{honest['false_alarms']} false alarms | {'met' if good else 'NOT MET'} |")
PY
exit "$code"
