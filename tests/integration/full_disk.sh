#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: on a disk that is nearly full nothing new is begun, what has been found out stays
# and is added to once there is room; garbage goes, and nothing that a suite needs.
. "$(dirname "$0")/lib.sh"

quick=$ROOT/tasks/data/quick
# An expression of the one object `d` that was printed.
page() {
    /usr/bin/python3 -c "import json; d = json.load(open('$WORK/out')); print($1)"
}
run 0 assay suite add "$quick"
trees=$(ls "$ASSAY_HOME/trees" | wc -l)
mkdir "$WORK/t"
cp -r "$quick/suite.json" "$quick/quick__ini-reader-1" "$WORK/t"
head -c 300000 /dev/urandom >"$WORK/t/quick__ini-reader-1/base/only-here"
run 0 assay suite add "$WORK/t" --name other
run 0 assay store prune --older-than 0 --json
[ "$(page 'd["collected"]["trees"]')" = 0 ] || fail "a tree that a suite needs: $(cat "$WORK/out")"
run 0 assay suite remove other
run 0 assay store prune --older-than 1 --json
[ "$(page 'd["collected"]["trees"]')" = 0 ] || fail "a young tree: $(cat "$WORK/out")"
run 0 assay store prune --older-than 0 --json
[ "$(page '[d["collected"][k] for k in ("others", "trees", "file_contents")]')" = "[0, 1, 1]" ] || fail "garbage: $(cat "$WORK/out")"
[ "$(page 'd["collected"]["bytes"] >= 300000')" = True ] || fail "bytes: $(cat "$WORK/out")"
[ "$(ls "$ASSAY_HOME/trees" | wc -l)" = "$trees" ] || fail "other trees went, too"
run 0 assay store check

# A small file system of its own.
mkdir "$WORK/small"
mount -t tmpfs -o size=64m none "$WORK/small" 2>/dev/null || skip "no mount of a tmpfs"
unmount() {
    ended=$?
    umount "$WORK/small" || ended=1
    set +e
    (exit "$ended")
    cleanup
}
trap unmount EXIT
ASSAY_HOME=$WORK/small
run 0 assay suite add "$quick"
run 0 assay eval quick --gold -i quick__ini-reader-1 --run-id full --json
left=$(df --output=avail -B1 "$WORK/small" | tail -n 1)
head -c $((left - 1500000)) /dev/zero >"$WORK/small/fill"
run 1 assay eval quick --gold -i quick__json-lex-1 --run-id more --json
has err "disk: "
run 0 assay report full
has out "resolved 1 of 1"
rm "$WORK/small/fill"
run 0 assay eval quick --gold -i quick__json-lex-1 --run-id more --json
[ "$(json 'd["resolved_instances"]')" = 1 ] || fail "after there was room: $(cat "$WORK/out")"
run 0 assay store check
