#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: suites share what they have in common, and `suite du` says so; `store check` finds a
# damaged tree; `store backup` is a database that can be used.
. "$(dirname "$0")/lib.sh"

quick=$ROOT/tasks/data/quick
run 0 assay suite add "$quick"
run 0 assay suite du --json
one=$(/usr/bin/python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["disk_bytes"])' "$WORK/out")
run 0 assay suite add "$quick" --name twice
run 0 assay suite du --json
/usr/bin/python3 - "$WORK/out" "$one" <<'PY' || fail "usage: $(cat "$WORK/out")"
import json, sys
d = json.load(open(sys.argv[1]))
a, b = d["suites"]
assert d["disk_bytes"] == int(sys.argv[2]) == a["disk_bytes"] == b["disk_bytes"] > 0, d
assert a["own_bytes"] == b["own_bytes"] == 0 and a["unpacked_bytes"] >= a["disk_bytes"], d
PY
run 0 assay suite remove twice
run 0 assay suite du
has out "its own MiB"
run 0 assay store check
has out "0 problems"
mkdir "$WORK/backup"
run 0 assay store backup "$WORK/backup/assay.db"
[ "$(ASSAY_HOME=$WORK/backup "$ASSAY" suite list | grep -c '^quick ')" = 1 ] || fail "the backup has no suite"
tree=$(ls "$ASSAY_HOME/trees" | head -n 1)
file=$(find "$ASSAY_HOME/trees/$tree" -type f -size +0 | head -n 1)
chmod u+w "$(dirname "$file")"
rm "$file"
run 1 assay store check
has out "1 problem"
run 0 assay suite add "$quick" --replace
run 0 assay store check

# What tests printed goes when it is old, and the verdict stays.
run 0 assay eval quick --gold --instance quick__ini-reader-1 --run-id old
[ -n "$(find "$ASSAY_HOME/runs" -type f)" ] || fail "no log"
run 0 assay store prune --older-than 30 --json
[ -n "$(find "$ASSAY_HOME/runs" -type f)" ] || fail "a new log went"
find "$ASSAY_HOME/runs" -type f -exec touch -d '40 days ago' {} +
run 0 env ASSAY_KEEP_LOG_DAYS=30 "$ASSAY" store prune --older-than 30
[ -z "$(find "$ASSAY_HOME/runs" -type f)" ] || fail "an old log stayed: $(cat "$WORK/out")"
run 0 assay report old
run 2 env ASSAY_KEEP_DAYS=soon "$ASSAY" store prune
