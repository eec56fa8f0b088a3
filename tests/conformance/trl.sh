#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# TRL's GRPOTrainer (PyPI) with a tiny model, on the CPU, with its reward from a running `assay serve` through
# clients/python. Appends its row to the table of tests/conformance/run.
# ASSAY_BENCH_PYTHON: a Python with trl 1.16.0 (and torch).
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/trl
python=${ASSAY_BENCH_PYTHON:-$work/venv/bin/python}
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q trl==1.16.0 || {
        echo "| TRL's GRPOTrainer against /v1/grade | skipped: trl cannot be installed here | - |" >>"$table"
        exit 0
    }
fi
export ASSAY_BUILD_DIR=${ASSAY_BUILD_DIR:-$PWD/build/release}
export ASSAY_HOME=$work/home WORK=$work HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 TRL_EXPERIMENTAL_SILENCE=1 PYTHONDONTWRITEBYTECODE=1
rm -rf "$ASSAY_HOME" "$work/tiny" "$work/out" "$work/out-given"
"$ASSAY_BUILD_DIR/assay" suite add tasks/data/quick >/dev/null
"$python" tests/conformance/tiny_chat_model.py "$work/tiny" docs/*.md 2>"$work/model.err"
code=0
PYTHONPATH=tests/integration:clients/python "$python" tests/conformance/trl_grpo.py "$work" >"$work/said" 2>"$work/err" || {
    code=1
    tail -n 30 "$work/err" >&2
}
tail -n 1 "$work/said" >>"$table"
exit "$code"
