#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The dashboard in headless Chromium (tests/browser). Appends its rows to the table of
# tests/conformance/run; says why where there is no Chromium.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/browser
python=$work/venv/bin/python
export ASSAY_CHROMIUM=${ASSAY_CHROMIUM:-$(command -v chromium || true)}
if [ -z "$ASSAY_CHROMIUM" ]; then
    echo "| dashboard in Chromium | not run: no chromium | - |" >>"$table"
    exit 0
fi
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q playwright axe-playwright-python
fi
export ASSAY_BUILD_DIR=${ASSAY_BUILD_DIR:-$PWD/build/release}
export ASSAY_HOME=$work/home WORK=$work
assay=$ASSAY_BUILD_DIR/assay
chmod -R u+w "$ASSAY_HOME" 2>/dev/null || true
rm -rf "$ASSAY_HOME" "$work/shots"
{
    "$assay" suite add tasks/data/quick
    "$assay" eval quick --gold --run-id gold
    "$assay" eval quick --empty --run-id empty
    "$assay" run quick --actor noop -n 3 --run-id episodes
    "$assay" run quick --actor gold --run-id turns
    python3 tests/browser/fill.py
} >"$work/fill.log" 2>&1 || {
    tail -n 20 "$work/fill.log" >&2
    exit 1
}
code=0
PYTHONPATH=tests/integration:tests/browser "$python" tests/browser/dashboard.py >"$work/rows" 2>"$work/err" || {
    code=1
    cat "$work/err" >&2
}
cat "$work/rows" >>"$table"
exit "$code"
