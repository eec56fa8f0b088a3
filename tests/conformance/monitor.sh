#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prometheus (Debian) scrapes a running service with a token and loads the alert rules that ship; TensorBoard (PyPI)
# reads what a training wrote. Appends its rows to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/monitor
python=$work/venv/bin/python
mkdir -p "$work"
export ASSAY_BUILD_DIR=${ASSAY_BUILD_DIR:-$PWD/build/release}
export ASSAY_HOME=$work/home WORK=$work
chmod -R u+w "$ASSAY_HOME" 2>/dev/null || true
rm -rf "$ASSAY_HOME" "$work/prometheus"
"$ASSAY_BUILD_DIR/assay" suite add tasks/data/quick >/dev/null 2>&1
code=0
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    result=$(PYTHONPATH=tests/integration python3 tests/conformance/prometheus.py "$work" 2>"$work/prometheus.err") || {
        code=1
        tail -n 20 "$work/prometheus.err" >&2
    }
    echo "$result" | tail -n 1 >>"$table"
else
    echo "| Prometheus scrapes \`/metrics\` | skipped: no prometheus (Debian's package of that name) | - |" >>"$table"
fi
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q tensorboard || rm -rf "$work/venv"
fi
if [ -x "$python" ]; then
    result=$("$python" tests/conformance/tensorboard_reads.py "$work" 2>"$work/tensorboard.err") || {
        code=1
        tail -n 20 "$work/tensorboard.err" >&2
    }
    echo "$result" | tail -n 1 >>"$table"
else
    echo "| TensorBoard reads a training's events | skipped: tensorboard cannot be installed here | - |" >>"$table"
fi
exit "$code"
