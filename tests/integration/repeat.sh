#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the quick suite gives the same verdict for every test, byte for byte, however often it is graded
# and however busy the CPUs are: four boxes wanted for each CPU, and three burners beside them on each. Gold, 2
# rounds; with ASSAY_SOAK=1 gold and the unchanged trees, 20.
. "$(dirname "$0")/lib.sh"

rounds=2 kinds=gold
[ -z "${ASSAY_SOAK:-}" ] || rounds=20 kinds="gold empty"
cpus=$(nproc)
burners=""
stop_burners() {
    ended=$?
    for pid in $burners; do kill "$pid" 2>/dev/null || true; done
    (exit "$ended") || cleanup # which looks at the status before it
    cleanup
}
trap stop_burners EXIT

run 0 assay suite add "$ROOT/tasks/data/quick"
for _ in $(seq $((cpus * 3))); do
    sh -c 'while :; do :; done' &
    burners="$burners $!"
done

# What each verdict says, without what names or times this one run.
vector() {
    /usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
for verdict in sorted((json.loads(line) for line in open(sys.argv[1])), key=lambda v: v.get("instance_id", "~")):
    if "instance_id" in verdict:
        for key in ("run_id", "usage", "cached"):
            verdict.pop(key, None)
        print(json.dumps(verdict, sort_keys=True))
PY
}
for kind in $kinds; do
    for round in $(seq "$rounds"); do
        run 0 assay eval quick --$kind --again --no-cache --jobs $((cpus * 4)) --json
        vector >"$WORK/$kind.$round"
        [ -s "$WORK/$kind.$round" ] || fail "no verdicts"
        cmp "$WORK/$kind.1" "$WORK/$kind.$round" || {
            diff "$WORK/$kind.1" "$WORK/$kind.$round" | head -n 20 >&2
            fail "round $round of $kind differs"
        }
    done
done
no_leftovers
echo "repeat: $rounds rounds of $kinds, each the same"
