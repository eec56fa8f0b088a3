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
# Their fixed shadow memory collides with the wide address randomisation of newer kernels. A fuzzer
# without it also finds the same things again: it learns from addresses that the code compares.
asan | tsan | fuzz) ! setarch -R true 2>/dev/null || runner=(setarch -R) ;;
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
# The end of what each failed test said, once more where a reader of the log's end finds it.
failed=build/$preset/Testing/Temporary/LastTestsFailed.log
if [ "$rc" -ne 0 ] && [ -f "$log" ] && [ -f "$failed" ]; then
    sed 's/^[0-9]*://' "$failed" | head -n 5 | while read -r name; do
        echo "failed $name, the end of what it said:"
        awk -v name="$name" '/^[0-9]+\/[0-9]+ Test: / { on = $NF == name } on' "$log" |
            tail -n 40 | cut -c 1-300
    done
fi
count=$(grep -E '^[0-9]+% tests passed' "$out")
if [ -z "$count" ]; then
    echo "no tests were run"
    exit 1
fi
echo "$count"
exit "$rc"
