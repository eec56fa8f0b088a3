#!/bin/sh
# SPDX-License-Identifier: MIT
# The corpus of attacks, whole and three times, through assay, and through naive graders; then honest patches until
# 1,000 runs were executed: the bundled suites, what defects.py makes of them and of the corpus' repositories, tasks
# about zygotes, and the suite pypi if tests/conformance/pypi.sh added it. Writes docs/attacks.md and appends its rows
# to the table of tests/conformance/run.
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
for seed in 1 2 3; do
    "$assay" selftest attacks --json >"$work/attacks-$seed.json" || code=1
done
/usr/bin/python3 tests/attacks/defects.py --assay "$assay" --out "$work/defects" --each 6 tests/attacks/repos tasks/data/quick
/usr/bin/python3 tests/integration/zygote_suite.py "$work/zygote"
# Gold of these is told from a start, or ends the run early: the suite wants it so.
for name in shadow-late shadow-stdlib shadow-path warnings z-exit-at-del z-exits-early; do
    rm -r "$work/zygote/zygote__$name"
done
"$assay" suite add "$work/zygote" --replace
suites="--suite quick --suite kinds --suite zygote"
for name in quick kinds; do
    "$assay" suite show "$name" >/dev/null 2>&1 || "$assay" suite add "tasks/data/$name"
done
if "$assay" suite show pypi >/dev/null 2>&1; then
    suites="$suites --suite pypi"
fi
# shellcheck disable=SC2086 # words
/usr/bin/python3 tests/attacks/honest.py --assay "$assay" --runs "${ASSAY_HONEST_RUNS:-1000}" $suites \
    --more "defects=$work/defects/honest.jsonl" --json "$work/honest.json" || code=1
/usr/bin/python3 tests/attacks/table.py "$work/attacks-1.json,$work/attacks-2.json,$work/attacks-3.json" "$work/naive.jsonl" \
    "$work/honest.json" >docs/attacks.md
/usr/bin/python3 - "$work" >>"$table" <<'PY'
import json, sys
work = sys.argv[1]
runs = [json.loads(open(f"{work}/attacks-{seed}.json").read().splitlines()[-1]) for seed in (1, 2, 3)]
found = {key: sum(run[key] for run in runs) for key, value in runs[0].items() if isinstance(value, int)}
honest = json.load(open(f"{work}/honest.json"))
good = runs[0]["attacks"] >= 100 and not found["false_rewards"] + found["false_alarms"] + found["no_verdicts"]
print(f"| attack corpus (`docs/attacks.md`) | {found['attacks']} attacks in {len(runs)} runs: {found['false_rewards']} false rewards, "
      f"{found['false_alarms']} false alarms, {found['skipped']} skipped | {'met' if good else 'NOT MET'} |")
good = honest["executed"] >= 1000 and honest["instances"] >= 200 and not honest["false_alarms"]
print(f"| honest patches | {honest['executed']} executed runs of {honest['different']} patches on {honest['instances']} instances: "
      f"{honest['false_alarms']} false alarms | {'met' if good else 'NOT MET'} |")
PY
exit "$code"
