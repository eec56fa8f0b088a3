#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Parity with the swebench package, on demand and as a step of `make conformance`: installs it in a
# venv, compares parsers and grading rules, writes the measured part of docs/parity.md.
#
#     tests/parity/run.sh [TABLE]     TABLE: rows are appended for docs/conformance.md
#
# ASSAY_PARITY_LINES (1000000) and ASSAY_PARITY_CASES (20000) set the size, SWEBENCH a version.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/null}
lines=${ASSAY_PARITY_LINES:-1000000}
cases=${ASSAY_PARITY_CASES:-20000}
work=build/parity
python=$work/venv/bin/python
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q --no-deps "${SWEBENCH:-swebench}" coverage
fi
version=$("$python" -c 'import sys; sys.path.insert(0, "tests/parity"); import reference; print(reference.VERSION)')
build=build/parity-gcov
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DASSAY_COVERAGE=ON -DASSAY_CUDA=OFF >/dev/null
cmake --build "$build" --target parity_tool -- -j2 >/dev/null
tool=$build/tests/parity_tool
find "$build" -name '*.gcda' -delete
rm -f "$work"/.coverage* "$work"/*.md
export COVERAGE_FILE="$PWD/$work/.coverage"
code=0
step() { # NAME ARGS...: a run of parity.py under coverage, its table to NAME.md
    local name=$1
    shift
    "$python" -m coverage run --branch --parallel-mode \
        --include='*/swebench/harness/log_parsers/*,*/swebench/harness/grading.py,*/swebench/harness/infra_failure.py' \
        tests/parity/parity.py --tool "$tool" "$@" --markdown "$work/$name.md" >"$work/$name.log" || code=1
    cat "$work/$name.log"
}
step check check
step mutate mutate --lines "$lines"
step grade grade --cases "$cases"
"$python" tests/parity/parity.py --tool "$tool" classes >"$work/classes.log" || code=1
"$python" -m coverage combine -q
"$python" -m coverage report --precision=1 | sed 's#[^ ]*/harness/##' >"$work/reference.txt"
gcovr --root . --object-directory "$build" --filter 'rewards/(log|compat_swebench)' "$build" 2>/dev/null >"$work/ours.txt" || true

{
    sed '/^<!-- measured/,$d' docs/parity.md
    echo "<!-- measured: written by tests/parity/run.sh -->"
    echo
    echo "## Measured"
    echo
    echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), swebench $version, $("$python" --version), $(uname -sr)."
    echo
    echo "### Real and written logs, each given to every parser"
    echo
    tail -n 1 "$work/check.md" | awk -F'|' '{print "Logs times parsers:" $3 "texts," $4 "lines, raised" $6 "times, agreement" $7 "."}'
    echo
    echo "### Mutations"
    echo
    cat "$work/mutate.md"
    echo
    echo "### Grading functions, on generated logs and lists"
    echo
    cat "$work/grade.md"
    echo
    echo "### Unicode"
    echo
    cat "$work/classes.log"
    echo
    echo "### Coverage of the reference by these texts"
    echo
    echo '```'
    cat "$work/reference.txt"
    echo '```'
    echo
    echo "### Coverage of ours"
    echo
    echo '```'
    cat "$work/ours.txt"
    echo '```'
} >"$work/parity.md"
cp "$work/parity.md" docs/parity.md
result=$([ "$code" = 0 ] && echo met || echo "NOT MET")
all=$(tail -n 1 "$work/mutate.md" | awk -F'|' '{print $4 "lines," $5 "with results, agreement" $7}')
echo "| parity with swebench $version |$all; grading $(grep agree "$work/grade.md" | awk -F'|' '{print $3}')of $cases cases | $result |" >>"$table"
exit "$code"
