#!/bin/sh
# SPDX-License-Identifier: MIT
# The golden vectors of the losses beside TRL's GRPOTrainer (PyPI). Appends its row to the table of
# tests/conformance/run.
set -eu
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=build/losses
python=$work/venv/bin/python
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q trl==1.16.0
fi
code=0
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests/conformance "$python" tests/golden/check_loss.py loss_trl:solve \
    >"$work/result" || code=1
cat "$work/result" >&2
version=$("$python" -c 'import trl; print(trl.__version__)')
echo "| golden vectors of losses that mean the same in TRL $version | $(tail -n 1 "$work/result") | 0 differ |" >>"$table"
exit "$code"
