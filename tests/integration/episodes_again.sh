#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: an episode is done again with the limits and the shell that it was recorded with; a
# run that was exported as chat messages is read back as what it was, and its verdicts are the same; a
# report tells of all samples; instances take turns; `episodes show` leaves nothing out without a word;
# what cannot be told is an error.
. "$(dirname "$0")/lib.sh"

run 0 assay suite add "$ROOT/tasks/data/quick"
ONE=quick__ini-reader-1 TWO=quick__text-table-1
episode_of() { # RUN: the number of its first episode
    run 0 assay episodes list "$1" --json
    number=$(head -n 1 "$WORK/out" | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["episode"])')
}

# --- again, with what it was recorded with ---
cat >"$WORK/script" <<'EOF'
{"tool": "bash", "arguments": {"command": "f() { echo kept; }; seq 500"}}
{"tool": "bash", "arguments": {"command": "f; printf 'a\\0b\\n'; printf 'x%.0s' $(seq 5000); echo"}}
{"tool": "bash", "arguments": {"command": "kill -9 $$"}}
{"tool": "think", "arguments": {"thought": "never"}}
EOF
run 0 assay run quick --actor "script:$WORK/script" -i $ONE --run-id limits --shell fresh --observation 9000 --turns 3 --json
[ "$(json 'd["causes"]')" = "{'turn_limit': 1}" ] || fail "limits: $(json d)"
episode_of limits
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"], d["same_answer"]')" = "3 0 True" ] || fail "replay: $(json d) $(cat "$WORK/err")"
run 0 assay episodes fork "$number" --turn 2 --json
[ "$(json 'd["turns"], d["differing"], d["cause"]')" = "3 0 turn_limit" ] || fail "fork: $(json d)"
run 1 assay episodes replay "$number" --observation 300 --json # a flag says otherwise
[ "$(json 'd["first_differing"]')" = 1 ] || fail "replay with a flag: $(json d)"
run 1 assay episodes fork "$number" --turn 3
has err "it may take 3 turns"
run 0 assay episodes fork "$number" --turn 3 --turns 9 --json
[ "$(json 'd["turns"], d["cause"]')" = "3 stopped" ] || fail "a fork with more turns: $(json d)"

# What was killed has no exit status; a NUL is shown, and what is left out is counted.
run 0 assay episodes show "$number" --json
[ "$(json '[(t["cause"], t["exit_code"], t["signal"]) for t in d["turns"]][1:]')" = "[('exited', 0, None), ('signalled', None, 9)]" ] ||
    fail "how they ended: $(json 'd["turns"][1:]')"
run 0 assay episodes show "$number"
has out 'a\0b'
has out "[1000 bytes of this line are left out; --json has them]"
has out "signalled by signal 9"

echo '{"tool": "bash", "arguments": {"command": "sleep 600"}}' >"$WORK/slow"
run 0 assay run quick --actor "script:$WORK/slow" -i $ONE --run-id slow --command-timeout 1
episode_of slow
run 0 assay episodes show "$number" --json
[ "$(json '[(t["cause"], t["exit_code"], t["signal"]) for t in d["turns"]]')" = "[('wall_limit', None, None)]" ] || fail "slow: $(json 'd["turns"]')"
run 0 assay episodes replay "$number" --json
[ "$(json 'd["differing"]')" = 0 ] || fail "slow again: $(json d)"

# --- out as chat messages, and in ---
run 0 assay run quick --actor gold -i $ONE -i $TWO -n 2 -j 1 --run-id gold --json
[ "$(head -n 4 "$WORK/out" | /usr/bin/python3 -c 'import json,sys; print([(d["instance_id"][7:10], d["sample"]) for d in map(json.loads, sys.stdin)])')" = \
    "[('ini', 1), ('tex', 1), ('ini', 2), ('tex', 2)]" ] || fail "instances take turns: $(cat "$WORK/out")"
run 0 assay episodes export gold --format messages
cp "$WORK/out" "$WORK/gold.jsonl"
run 0 assay episodes import "$WORK/gold.jsonl" --suite quick --grade --json
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert [(r["instance_id"][7:10], r["sample"], r["format"], r["turns"], r["cause"], r["resolved"]) for r in rows] == [
    (i, s, "messages", 2, "submitted", True) for i in ("ini", "tex") for s in (1, 2)], rows
assert len({r["run_id"] for r in rows}) == 1, rows
PY
imported=$(json 'd["run_id"]') number=$(json 'd["episode"]')
run 0 assay episodes show "$number" --json
[ "$(json '[t["tool"] for t in d["turns"]], d["episode"]["actor"]')" = "['apply_patch', 'submit'] gold" ] || fail "what was read: $(json d)"
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"], d["same_answer"]')" = "2 0 True" ] || fail "replay of what was read: $(json d)"
run 0 assay episodes export "$imported" --format messages
cmp "$WORK/out" "$WORK/gold.jsonl" || fail "exported otherwise"
run 0 assay episodes import "$WORK/gold.jsonl" --suite quick --json # once more is the same
[ "$(json 'd["run_id"], d["episode"]')" = "$imported $number" ] || fail "imported twice: $(json d)"
run 0 assay episodes export limits --format messages
cp "$WORK/out" "$WORK/one.jsonl"
run 0 assay episodes import "$WORK/one.jsonl" --suite quick --json
[ "$(json 'd["instance_id"], d["turns"], d["cause"], d["resolved"]')" = "$ONE 3 turn_limit None" ] || fail "one line: $(json d)"
# Another's conversation: results by id in any order, a message without a call, a call that has a command.
cat >"$WORK/$ONE.traj" <<'EOF'
{"messages": [{"role": "user", "content": "do"}, {"role": "assistant", "content": [{"type": "text", "text": "hm"}], "tool_calls": [{"id": "a", "type": "function", "function": {"name": "execute", "arguments": {"command": "ls"}}}, {"id": "b", "type": "function", "function": {"name": "think", "arguments": "{\"thought\": \"so\"}"}}]}, {"role": "tool", "tool_call_id": "b", "content": "B"}, {"role": "tool", "tool_call_id": "a", "content": "A"}, {"role": "assistant", "content": "done?"}, {"role": "user", "content": "yes"}]}
EOF
run 0 assay episodes import "$WORK/$ONE.traj" --suite quick --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
[ "$(json '[(t["message"], t["text"], t["tool"], t["arguments"], t["observation"]) for t in d["turns"]]')" = \
    "[(1, 'hm', 'bash', '{\"command\":\"ls\"}', 'A'), (1, None, 'think', '{\"thought\": \"so\"}', 'B'), (2, 'done?', None, None, 'yes')]" ] ||
    fail "another's: $(json 'd["turns"]')"
printf '%s\n%s\n' "$(head -n 1 "$WORK/gold.jsonl")" '{"messages": 1}' >"$WORK/bad.jsonl"
run 1 assay episodes import "$WORK/bad.jsonl" --suite quick
has err "bad.jsonl, line 2"

# --- a group: every sample begins in the same box, to the byte ---
cat >"$WORK/same" <<'EOF'
{"tool": "bash", "arguments": {"command": "pwd; ls -ln --time-style=full-iso . inireader; id; env | sort; umask; ulimit -a; cut -d' ' -f2,3 /proc/mounts | sort"}}
{"tool": "view", "arguments": {"path": "inireader/reader.py"}}
{"tool": "search", "arguments": {"pattern": "def "}}
EOF
run 0 assay run quick --actor "script:$WORK/same" -i $ONE -n 6 -j 3 --run-id same
/usr/bin/python3 - "$ASSAY_HOME/assay.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
rows = db.execute("SELECT turn, group_concat(DISTINCT failed), count(*), count(DISTINCT observation), max(length(observation)) FROM turns JOIN episodes "
                  "USING (episode_number) JOIN runs USING (run_number) WHERE run_id = 'same' GROUP BY turn ORDER BY turn").fetchall()
assert [r[:4] for r in rows] == [(t, "0", 6, 1) for t in (1, 2, 3)] and rows[0][4] > 500, rows
PY

# --- a report of all samples ---
/usr/bin/python3 - "$ROOT/tasks/data/quick" >"$WORK/agent.py" <<'PY'
import sys
print(f'''import json, sys
reset = json.loads(sys.stdin.readline())
print("history", json.dumps(reset.get("history")), file=open(sys.argv[1], "a"))
def do(**message):
    print(json.dumps(message), flush=True)
    sys.stdin.readline()
if reset["sample"] == 2 and "ini" in reset["instance_id"]:
    do(tool="apply_patch", arguments=dict(patch=open("{sys.argv[1]}/" + reset["instance_id"] + "/gold.patch").read()), answer_tokens=7)
do(tool="think", arguments=dict(thought="so"))
do(tool="submit")''')
PY
agent="command:/usr/bin/python3 '$WORK/agent.py' '$WORK/told'"
run 0 assay run quick --actor "$agent" -i $ONE -i $TWO -n 3 -j 2 --run-id three
run 0 assay report three
has out "resolved 1 of 6 episodes"
has out "pass@1 16.7 %"
has out "pass@3 50.0 %"
has out "7 answer tokens"
has out "resolved 0 of 2 selected"
run 0 assay report three --json --html "$WORK/page.html"
[ "$(/usr/bin/python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); e = d["episodes"]; print(d["resolved_instances"], e["resolved"], e["episodes"], e["causes"], [p["k"] for p in e["pass_at"]])' "$WORK/out")" = \
    "0 1 6 {'submitted': 6} [1, 2, 3]" ] || fail "report --json: $(cat "$WORK/out")"
for text in '<strong>1 of 6</strong> episodes resolved' 'pass@3</th><td class="n">50.0' 'resolved by their first sample' 'href="#samples"'; do
    grep -F -q -e "$text" "$WORK/page.html" || fail "the page lacks: $text"
done
run 0 assay report gold.2 # a sample's own evaluations have no episodes
! grep -q pass@ "$WORK/out" || fail "a sample's own report: $(cat "$WORK/out")"

# A program that goes on from a fork is told what was done.
episode_of three
rm "$WORK/told"
run 0 assay episodes fork "$number" --turn 1 --actor "$agent" --json
[ "$(sed 's/^history //' "$WORK/told" | /usr/bin/python3 -c 'import json,sys; print([(t["tool"], t["arguments"], t["failed"], bool(t["observation"])) for t in json.load(sys.stdin)])')" = \
    "[('think', '{\"thought\":\"so\"}', False, True)]" ] || fail "history: $(cat "$WORK/told")"


# --- what cannot be told ---
run 1 assay episodes fork "$number" --turn 2
has err "turn 2, which submits"
run 1 assay episodes list nosuch --json
has err "nosuch"
run 1 assay episodes export three --format predictions --sample 9
has err "1 to 3"
run 0 assay episodes export "$number" --format predictions
[ "$(json 'd["instance_id"]')" = $ONE ] || fail "an episode's prediction: $(json d)"
run 1 assay episodes export "$number" --format predictions --sample 2
run 2 assay demo nosuch
has err "demo cispo"
no_leftovers
