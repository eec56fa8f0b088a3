#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `kill -9` of assay, of the spawner or of a box at any moment loses nothing. The run
# completes when typed again, each instance has exactly one verdict, and nothing is left behind.
# ASSAY_KILLS: how often (3; `make soak` says 50).
. "$(dirname "$0")/lib.sh"

kills=${ASSAY_KILLS:-3}
run 0 assay suite add "$ROOT/tasks/data/quick"
set -- --instance quick__ini-reader-1 --instance quick__csv-stream-1 --instance quick__ring-buffer-1 \
    --instance quick__shell-quote-1 --instance quick__lru-ttl-1 --instance quick__strbuf-1

# The processes below the assay that runs as $1: its spawner, and the inits of its boxes.
children() {
    pgrep -P "$1" || true
}

random_ms() { # below $1
    /usr/bin/python3 -c "import random; print(random.randrange($1) / 1000)"
}

i=0
while [ "$i" -lt "$kills" ]; do
    i=$((i + 1))
    run_id="kill-$i"
    "$ASSAY" eval quick --gold --no-cache --run-id "$run_id" "$@" >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    sleep "$(random_ms 3000)"
    spawner=$(children "$pid" | head -n 1)
    case $((i % 3)) in
    0) victim=$pid ;;
    1) victim=${spawner:-$pid} ;;
    2) victim=$(children "${spawner:-0}" | head -n 1) ;;
    esac
    [ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
    wait "$pid" || true
    tries=0
    until "$ASSAY" eval quick --gold --no-cache --run-id "$run_id" "$@" >"$WORK/out" 2>"$WORK/err"; do
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || fail "round $i does not complete: $(tail -n 5 "$WORK/err")"
    done
    has out "resolved 6 of 6"
    /usr/bin/python3 - "$ASSAY_HOME/assay.db" "$run_id" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
rows = db.execute("SELECT instance_id, count(verdicts.evaluation_number) FROM runs JOIN evaluations USING (run_number) "
                  "JOIN verdicts USING (evaluation_number) WHERE run_id = ? GROUP BY instance_id", (sys.argv[2],)).fetchall()
assert len(rows) == 6 and all(n == 1 for _, n in rows), rows
PY
    run 0 assay report "$run_id" # opening the home clears what a dead process left
    no_leftovers
done
