#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The models of ATIF from PyPI read what assay exports. Appends its row to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/atif
python=$work/venv/bin/python
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q atif==1.8.0
fi
assay=${ASSAY_BUILD_DIR:-$PWD/build/release}/assay
export ASSAY_HOME=$work/home
rm -rf "$ASSAY_HOME"
"$assay" suite add tasks/data/quick >/dev/null
"$assay" run quick --actor gold -n 2 --run-id gold >/dev/null
"$assay" episodes export gold --format atif >"$work/exported.jsonl"
code=0
result=$("$python" - "$work/exported.jsonl" <<'PY'
import sys
import atif
count = steps = 0
for line in open(sys.argv[1]):
    steps += len(atif.Trajectory.model_validate_json(line).steps)
    count += 1
print(f"{count} trajectories, {steps} steps valid")
PY
) || code=1
[[ $result == "42 trajectories, "* ]] || code=1
echo "| ATIF documents, read by the models of atif 1.8.0 | $result | all of 42 |" >>"$table"
exit "$code"
