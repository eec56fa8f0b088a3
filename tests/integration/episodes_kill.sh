#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `kill -9` of assay, of the spawner or of a box during a run of episodes loses nothing.
# The same command goes on to the end; each episode counts once, and its trajectory is whole.
# ASSAY_KILLS: how often (3; `make soak` says 50); ASSAY_SAMPLES: episodes of an instance (8; 50).
. "$(dirname "$0")/lib.sh"

kills=${ASSAY_KILLS:-3} samples=${ASSAY_SAMPLES:-8}
suite_begin tiny
for i in 1 2 3 4; do instance "tiny__t-$i" "$PASS"; done
run 0 assay suite add "$SUITE"
cat >"$WORK/script" <<'END'
{"tool": "bash", "arguments": {"command": "ls; export A=1"}}
{"calls": [{"id": "a", "tool": "view", "arguments": {"path": "state"}}, {"id": "b", "tool": "bash", "arguments": {"command": "sleep 0.02; echo $A"}}]}
{"text": "Now I know.", "tool": "edit", "arguments": {"command": "str_replace", "path": "state", "old_str": "no", "new_str": "yes"}}
{"tool": "run_tests"}
{"tool": "submit"}
END
go() {
    "$ASSAY" run tiny --actor "script:$WORK/script" -n "$samples" -j 4 --run-id "$1" --json >"$WORK/out" 2>"$WORK/err"
}

i=0
while [ "$i" -lt "$kills" ]; do
    i=$((i + 1))
    go "kill-$i" &
    pid=$!
    sleep "$(/usr/bin/python3 -c "import random; print(random.randrange(2000) / 1000)")"
    assay=$(pgrep -P "$pid" -x assay | head -n 1)
    spawner=$(pgrep -P "${assay:-$pid}" | head -n 1)
    case $((i % 3)) in
    0) victim=${spawner:-} ;;
    1) victim=${assay:-$pid} ;;
    2) victim=$(pgrep -P "${spawner:-0}" | tail -n 1) ;;
    esac
    [ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
    wait "$pid" || true
    tries=0
    until go "kill-$i"; do
        tries=$((tries + 1))
        [ "$tries" -lt 3 ] || fail "round $i does not complete: $(tail -n 5 "$WORK/err")"
    done
    [ "$(json 'd["episodes"], d["resolved"], d["causes"]')" = "$((4 * samples)) $((4 * samples)) {'submitted': $((4 * samples))}" ] ||
        fail "round $i: $(json d)"
    /usr/bin/python3 - "$ASSAY_HOME/assay.db" "kill-$i" "$samples" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
rows = db.execute("SELECT episode_number, instance_id, sample, turn_count FROM episodes JOIN runs USING (run_number) "
                  "WHERE run_id = ?", (sys.argv[2],)).fetchall()
assert sorted((i, s) for _, i, s, _ in rows) == [(f"tiny__t-{i}", s) for i in range(1, 5) for s in range(1, int(sys.argv[3]) + 1)]
for number, _, _, count in rows:
    turns = db.execute("SELECT turn, message, tool, observation FROM turns WHERE episode_number = ? ORDER BY turn", (number,)).fetchall()
    assert [t[:3] for t in turns] == [(1, 1, "bash"), (2, 2, "view"), (3, 2, "bash"), (4, 3, "edit"), (5, 4, "run_tests"), (6, 5, "submit")], turns
    assert count == 6 and turns[2][3] == b"1\n" and turns[1][3] == b"     1\tno\n", turns
PY
    run 0 assay episodes list "kill-$i" # opening the home clears what a dead process left
    no_leftovers
done
