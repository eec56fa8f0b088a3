#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows in Parquet, read by the pyarrow of PyPI: the integration test with a Python that has it.
# Appends its row to the table of tests/conformance/run.
set -eu
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
build=${ASSAY_BUILD_DIR:-build/release}
python=${ASSAY_PYTHON:-build/conformance/parquet/bin/python}
"$python" -c 'import pyarrow' 2>/dev/null || {
    /usr/bin/python3 -m venv build/conformance/parquet
    build/conformance/parquet/bin/pip install -q pyarrow
}
[ -x "$build/assay" ] || { cmake --preset release >/dev/null; cmake --build --preset release --target assay -- -j2 >/dev/null; }
result="not met" code=1
if ASSAY_PYTHON="$python" ASSAY_BUILD_DIR="$PWD/$build" sh tests/integration/parquet.sh; then
    result=met code=0
fi
echo "| 150 rows of Parquet beside the same in JSON Lines (pyarrow $("$python" -c 'import pyarrow; print(pyarrow.__version__)')) | equal, export included | $result |" >>"$table"
exit $code
