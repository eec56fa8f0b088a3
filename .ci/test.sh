#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run the tests of one preset: every skip with its reason, then ctest's own count as the last line.
#
#     .ci/test.sh PRESET [ctest options]
#
# The build must be there already.
set -uo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
log=build/$preset/Testing/Temporary/LastTest.log
runner=()
case "$preset" in
# Their fixed shadow memory collides with the wide address randomisation of newer kernels.
asan | tsan) ! setarch -R true 2>/dev/null || runner=(setarch -R) ;;
esac

out=$(mktemp)
trap 'rm -f "$out"' EXIT
rm -f "$log"
"${runner[@]}" ctest --preset "$preset" --no-label-summary --output-on-failure "$@" </dev/null |
    tee "$out"
rc=$?

# A skipped program, and a skipped test inside a program that passed, both say "SKIP: reason".
if [ -f "$log" ]; then
    awk '
        /^[0-9]+\/[0-9]+ Test(ing)?: / { name = $NF }
        /^SKIP: / { sub(/^SKIP: /, ""); print "skipped " name ": " $0 }' "$log" | sort -u
fi
count=$(grep -E '^[0-9]+% tests passed' "$out")
if [ -z "$count" ]; then
    echo "no tests were run"
    exit 1
fi
echo "$count"
exit "$rc"
