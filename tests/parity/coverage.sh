#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which branches of the reference and of ours the logs and their mutations reach.
#
#     tests/parity/coverage.sh PYTHON [LINES]
#
# PYTHON has swebench and coverage. Builds an instrumented copy of rewards/ in build/parity-gcov.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$1
lines=${2:-200000}
build=build/parity-gcov
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DASSAY_COVERAGE=ON -DASSAY_CUDA=OFF >/dev/null
cmake --build "$build" --target parity_tool -- -j2 >/dev/null
find "$build" -name '*.gcda' -delete
rm -f "$build"/.coverage*
export COVERAGE_FILE="$PWD/$build/.coverage"
run() { "$python" -m coverage run --branch --parallel-mode --include='*/swebench/harness/log_parsers/*,*/swebench/harness/grading.py,*/swebench/harness/infra_failure.py' tests/parity/parity.py --tool "$build/tests/parity_tool" "$@" >/dev/null; }
run check
run mutate --lines "$lines"
run grade --cases 20000
"$python" -m coverage combine -q
echo "## reference"
"$python" -m coverage report -m
echo "## ours"
gcovr --root . --object-directory "$build" --filter 'rewards/(log|compat_swebench)' --branches --exclude-throw-branches \
    --exclude-unreachable-branches "$build" 2>/dev/null || true
gcovr --root . --object-directory "$build" --filter 'rewards/(log|compat_swebench)' "$build" 2>/dev/null || true
