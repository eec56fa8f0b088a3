#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `kill -9` of assay, of the spawner or of a box, again and again during ONE run of
# episodes, loses nothing. The same command goes on to the end; each episode counts once, and its
# trajectory is whole.
# ASSAY_KILLS: how often (3; `make soak` says 50); ASSAY_SAMPLES: episodes of each of 4 instances (8; 50).
. "$(dirname "$0")/lib.sh"

kills=${ASSAY_KILLS:-3} samples=${ASSAY_SAMPLES:-8} jobs=4
gap_ms=500 # at most, between two kills
# Nothing but the pauses of its episodes makes the run longer than all the gaps together.
pause=$(/usr/bin/python3 -c "print($kills * $gap_ms * $jobs / (4 * $samples) / 1000)")
suite_begin tiny
for i in 1 2 3 4; do instance "tiny__t-$i" "$PASS"; done
run 0 assay suite add "$SUITE"
cat >"$WORK/agent.py" <<PY
import json, sys, time
MESSAGES = [
    {"tool": "bash", "arguments": {"command": "ls; export A=1"}},
    {"calls": [{"id": "a", "tool": "view", "arguments": {"path": "state"}}, {"id": "b", "tool": "bash", "arguments": {"command": "echo \$A"}}]},
    {"text": "Now I know.", "tool": "edit", "arguments": {"command": "str_replace", "path": "state", "old_str": "no", "new_str": "yes"}},
    {"tool": "run_tests"},
    {"tool": "submit"}]
sys.stdin.readline()
for message in MESSAGES:
    time.sleep($pause / len(MESSAGES))
    print(json.dumps(message), flush=True)
    sys.stdin.readline()
PY
start() { # in the background: $running
    "$ASSAY" run tiny --actor "command:/usr/bin/python3 $WORK/agent.py" -n "$samples" -j $jobs --run-id kills --retry infra --json \
        >"$WORK/out" 2>"$WORK/err" </dev/null &
    running=$!
}

# Only what was killed counts; one that is over by itself before all kills was too short.
killed=0 started=1
start
while [ "$killed" -lt "$kills" ]; do
    sleep "$(/usr/bin/python3 -c "import random; print(random.randrange($gap_ms) / 1000)")"
    spawner=$(pgrep -P "$running" -x assay-box | head -n 1)
    case $((killed % 3)) in
    0) victim=$spawner ;;
    1) victim=$running ;;
    2) victim=$(pgrep -P "${spawner:-0}" | tail -n 1) ;;
    esac
    if [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null; then killed=$((killed + 1)); fi
    [ "$victim" = "$running" ] || case $(ps -o stat= -p "$running") in
    Z* | '') ;;
    *) continue ;;
    esac
    got=0
    wait "$running" || got=$?
    [ "$got" -ne 0 ] || [ "$killed" -ge "$kills" ] || fail "the run was over after $killed kills"
    started=$((started + 1))
    [ "$started" -le $((2 * kills + 2)) ] || fail "it does not go on: $(tail -n 5 "$WORK/err")"
    start
done

tries=0
until wait "$running"; do
    tries=$((tries + 1))
    [ "$tries" -lt 4 ] || fail "it does not complete: $(tail -n 5 "$WORK/err")"
    start
done
[ "$(json 'd["episodes"], d["resolved"], d["causes"]')" = "$((4 * samples)) $((4 * samples)) {'submitted': $((4 * samples))}" ] ||
    fail "$(json d)"
/usr/bin/python3 - "$ASSAY_HOME/assay.db" "$samples" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
rows = db.execute("SELECT episode_number, instance_id, sample, turn_count FROM episodes").fetchall()
assert sorted((i, s) for _, i, s, _ in rows) == [(f"tiny__t-{i}", s) for i in range(1, 5) for s in range(1, int(sys.argv[2]) + 1)]
for number, _, _, count in rows:
    turns = db.execute("SELECT turn, message, tool, observation FROM turns WHERE episode_number = ? ORDER BY turn", (number,)).fetchall()
    assert [t[:3] for t in turns] == [(1, 1, "bash"), (2, 2, "view"), (3, 2, "bash"), (4, 3, "edit"), (5, 4, "run_tests"), (6, 5, "submit")], turns
    assert count == 6 and turns[2][3] == b"1\n" and turns[1][3] == b"     1\tno\n", turns
PY
echo "$NAME: $killed kills during one run of $((4 * samples)) episodes, started $((started + tries)) times"
run 0 assay episodes list kills # opening the home clears what a dead process left
no_leftovers
