# SPDX-License-Identifier: MIT
# Verdicts are the same with zygotes and without: the bundled suite as gold, as it is and with
# predictions that cheat, and a suite of tasks by which a run could tell the difference.
. "$(dirname "$0")/lib.sh"

both() {
    suite=$1
    shift
    for way in "" --no-zygote; do
        run 0 assay eval "$suite" "$@" $way --again --no-cache --json -j 2 --log-level debug
        mv "$WORK/out" "$WORK/verdicts$way"
        mv "$WORK/err" "$WORK/log$way"
    done
    run 0 /usr/bin/python3 "$ROOT/tests/support/same_verdicts.py" "$WORK/verdicts" "$WORK/verdicts--no-zygote"
    forked=$(grep -c "run from a zygote" "$WORK/log" || true)
    echo "$suite $1: $forked runs from zygotes, $(tail -n 1 "$WORK/out")"
    [ "$forked" -ge "$LEAST" ] || fail "$suite $1: only $forked runs came from a zygote"
    if grep -q "run from a zygote" "$WORK/log--no-zygote"; then
        fail "--no-zygote did not turn them off"
    fi
}

run 0 assay suite add tasks/data/quick
LEAST=6 both quick --gold
LEAST=6 both quick --empty
LEAST=5 both quick -p tasks/data/quick-predictions.jsonl

/usr/bin/python3 "$ROOT/tests/integration/zygote_suite.py" "$WORK/suite"
run 0 assay suite add "$WORK/suite"
LEAST=20 both zygote --gold
LEAST=20 both zygote --empty
