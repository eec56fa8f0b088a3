#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# mini-swe-agent from PyPI, unchanged, drives an episode through the command actor; its model's answers are written
# down (mini_agent.py). Appends its row to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/mini
python=$work/venv/bin/python
id=quick__text-table-1
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q mini-swe-agent==2.4.6
fi
assay=${ASSAY_BUILD_DIR:-$PWD/build/release}/assay
export ASSAY_HOME=$work/home MSWEA_SILENT_STARTUP=1
rm -rf "$ASSAY_HOME"
"$assay" suite add tasks/data/quick >/dev/null
code=0
"$assay" run quick -i $id --json \
    --actor "command:'$python' '$PWD/tests/conformance/mini_agent.py' drive '$PWD/tasks/data/quick/$id/gold.patch'" \
    >"$work/out" || code=1
result=$(tail -n 1 "$work/out" | "$python" -c 'import json, sys; d = json.load(sys.stdin); print(d["resolved"], "of", d["episodes"], "resolved,", d["turns"], "turns,", d["causes"])')
version=$("$python" -c 'import minisweagent; print(minisweagent.__version__)')
[[ $result == "1 of 1 resolved, 8 turns, {'submitted': 1}" ]] || code=1
echo "| mini-swe-agent $version drives an episode | $result | 1 of 1, submitted |" >>"$table"
exit "$code"
