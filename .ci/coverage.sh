#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Line coverage of the rooms by all tests: build/coverage/index.html, and the total as the last line.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
bash .ci/test.sh coverage
gcovr --root . --object-directory build/coverage --exclude 'tests/' --exclude 'bench/' \
    --exclude-unreachable-branches --html-details build/coverage/index.html --print-summary |
    grep -E '^(lines|branches)'
