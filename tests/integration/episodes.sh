#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the gold actor resolves every instance of the bundled suite and the actor that does
# nothing none; each sample is an episode that is kept whole, shown, done again with the same
# observations, and forked at any turn to the same verdict; the same command goes on or reports.
. "$(dirname "$0")/lib.sh"

run 0 assay suite add "$ROOT/tasks/data/quick"
count=$(find "$ROOT/tasks/data/quick" -mindepth 2 -maxdepth 2 -name instance.json | wc -l)

run 0 assay run quick --actor gold --json --predictions "$WORK/gold.jsonl"
[ "$(json 'd["resolved"], d["episodes"], d["pass_at"][0]["value"]')" = "$count $count 1" ] || fail "gold: $(json d)"
[ "$(json 'd["causes"], d["verdicts"]')" = "{'submitted': $count} {'ok': $count}" ] || fail "gold: $(json d)"
[ "$(wc -l <"$WORK/out")" -eq $((count + 1)) ] || fail "a line an episode"
run 0 assay run quick --actor noop --json
[ "$(json 'd["resolved"], d["scored"]')" = "0 $count" ] || fail "noop: $(json d)"
has err "suite is not fully certified"
has err "certified=\"0 of $count\""

# The same command reports; --again starts over. Predictions of a run are what eval reads.
run 0 assay run quick --actor noop
has err "episodes=0"
has out "resolved 0 of $count episodes"
run 0 assay run quick --actor noop --again -i quick__ini-reader-1
has err "episodes=1"
run 0 assay eval quick -p "$WORK/gold.jsonl" --json
[ "$(json 'd["resolved_instances"]')" -eq "$count" ] || fail "gold's predictions: $(json d)"

# Samples: each has a verdict of its own in a run that can be reported.
cat >"$WORK/script" <<'EOF'
{"text": "I look around.", "tool": "bash", "arguments": {"command": "ls; export A=1; cd inireader"}}
{"calls": [{"id": "a", "tool": "view", "arguments": {"path": "reader.py"}}, {"id": "b", "tool": "bash", "arguments": "{\"command\": \"pwd; echo $A\"}"}]}

{"tool": "nosuch"}
{"text": "no tool"}
{"tool": "edit", "arguments": {"command": "insert", "path": "reader.py", "insert_line": 0, "new_str": "# x"}}
{"instance_id": "quick__other", "tool": "bash", "arguments": {"command": "rm -rf /testbed/*"}}
{"tool": "run_tests"}
EOF
run 0 assay run quick --actor "script:$WORK/script" -i quick__ini-reader-1 -n 3 -j 2 --run-id three --json
[ "$(json 'd["samples"], [p["k"] for p in d["pass_at"]], d["causes"]')" = "3 [1, 2, 3] {'stopped': 3}" ] || fail "$(json d)"
run 0 assay report three.3
run 0 assay episodes list three --json
[ "$(wc -l <"$WORK/out")" -eq 3 ] || fail "three episodes"
number=$(json 'd["episode"]')
run 0 assay episodes show "$number" --json
[ "$(json '[(t["turn"], t["message"], t["tool"], t["failed"]) for t in d["turns"]]')" = \
    "[(1, 1, 'bash', False), (2, 2, 'view', False), (3, 2, 'bash', False), (4, 3, 'nosuch', True), (5, 4, None, True), (6, 5, 'edit', False), (7, 6, 'run_tests', False)]" ] ||
    fail "turns: $(json 'd["turns"]')"
[ "$(json 'd["turns"][2]["observation"]')" = "/testbed/inireader
1" ] || fail "state: $(json 'd["turns"][2]')"
run 0 assay episodes show "$number"
has out "I look around."

# Done again, and forked at every turn, it is the same.
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"], d["same_answer"]')" = "7 0 True" ] || fail "replay: $(json d)"
for turn in 0 3 7; do
    run 0 assay episodes fork "$number" --turn $turn --json
    [ "$(json 'd["turns"], d["differing"], d["same_answer"], d["resolved"]')" = "7 0 True False" ] || fail "fork at $turn: $(json d)"
done
run 0 assay episodes fork "$number" --turn 3 --actor gold --json
[ "$(json 'd["resolved"], d["cause"]')" = "True submitted" ] || fail "gold goes on: $(json d)"

# Trajectories of others: in, graded, done again here, and out as they were.
/usr/bin/python3 - "$ROOT/tasks/data/quick/quick__ini-reader-1/gold.patch" "$WORK" <<'PY'
import json, sys
gold, work = open(sys.argv[1], newline="").read(), sys.argv[2]
steps = [("ls", "README.md\ninireader\ntests\n"), ("echo here", "elsewhere\n"), ("", "no command")]
swe = {"environment": "swe_main", "trajectory": [
    {"action": a, "observation": o, "response": f"I do {a}", "thought": "so", "execution_time": 0.5, "state": {"x": "1"},
     "query": [{"role": "user"}], "extra_info": {}} for a, o in steps],
    "history": [{"role": "system", "content": "s"}],
    "info": {"exit_status": "submitted", "submission": gold, "model_stats": {"instance_cost": 0.25}}, "replay_config": None}
mini = {"info": {"model_stats": {"instance_cost": 0.1, "api_calls": 3}, "mini_version": "1.14.2", "exit_status": "Submitted",
                 "submission": gold, "config": {"model": {"model_name": "m-1"}}},
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "task"},
                     {"role": "assistant", "content": "THOUGHT: look\n\n```bash\nls\n```\n"},
                     {"role": "user", "content": "README.md\ninireader\ntests\n"},
                     {"role": "assistant", "content": "", "extra": {"actions": [{"command": "echo here"}]}},
                     {"role": "user", "content": [{"type": "text", "text": "elsewhere\n"}]},
                     {"role": "assistant", "content": "nothing"}, {"role": "user", "content": "no command"}],
        "trajectory_format": "mini-swe-agent-1.1"}
json.dump(swe, open(f"{work}/quick__ini-reader-1.traj", "w"), indent=2)
json.dump(mini, open(f"{work}/quick__ini-reader-1.traj.json", "w"))
PY
for row in swe-agent:traj:swe-agent mini-swe-agent:traj.json:m-1; do
    apart='' # each command of mini-swe-agent is a shell of its own
    [ "${row#mini}" = "$row" ] || apart=',"apart":true'
    format=${row%%:*} file=$WORK/quick__ini-reader-1.$(echo "$row" | cut -d: -f2)
    run 0 assay episodes import "$file" --suite quick --grade --json
    [ "$(json 'd["turns"], d["cause"], d["resolved"], d["format"]')" = "3 submitted True $format" ] || fail "import: $(json d)"
    number=$(json 'd["episode"]')
    run 0 assay episodes import "$file" --suite quick --json # once more is the same
    [ "$(json 'd["episode"]')" = "$number" ] || fail "imported twice"
    run 0 assay episodes show "$number" --json
    [ "$(json 'd["episode"]["actor"], d["turns"][1]["arguments"], d["turns"][2]["tool"]')" = "${row##*:} {\"command\":\"echo here\"$apart} None" ] ||
        fail "what was read: $(json d)"
    # What a message without a call was told is no action, and nothing to do again.
    run 1 assay episodes replay "$number" --json
    [ "$(json 'd["turns"], d["differing"], d["first_differing"]')" = "3 1 2" ] || fail "replay: $(json d)"
    run 0 assay episodes export "$number" --format $format
    /usr/bin/python3 -c 'import json,sys; a, b = [json.load(open(f)) for f in sys.argv[1:]]; assert a == b' "$file" "$WORK/out" ||
        fail "exported otherwise"
    for other in messages atif swe-agent mini-swe-agent; do # of ours and theirs, in every format
        run 0 assay episodes export three --format $other
        head -n 1 "$WORK/out" >"$WORK/quick__ini-reader-1.traj.other"
        [ $other = messages ] || run 0 assay episodes import "$WORK/quick__ini-reader-1.traj.other" --suite quick --json
    done
done
[ "$(json 'd["turns"], d["cause"]')" = "7 stopped" ] || fail "ours through theirs: $(json d)"
# One that SWE-agent 0.0.1 recorded (tests/conformance/swe_agent.sh): nothing differs, its own submit is ours.
swe=$ROOT/tests/integration/fixtures/quick__text-table-1.traj
run 0 assay episodes import "$swe" --suite quick --grade --json
[ "$(json 'd["turns"], d["cause"], d["resolved"]')" = "5 submitted True" ] || fail "SWE-agent: $(json d)"
number=$(json 'd["episode"]')
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"]')" = "5 0" ] || fail "SWE-agent: replay: $(json d)"
run 0 assay episodes export "$number" --format swe-agent
/usr/bin/python3 -c 'import json, sys; assert json.load(open(sys.argv[1])) == json.load(open(sys.argv[2]))' "$WORK/out" "$swe" ||
    fail "SWE-agent: exported as something else"
run 0 assay episodes export three --format messages
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line)
    roles = [m["role"] for m in d["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "tool", "assistant", "tool", "assistant", "user",
                     "assistant", "tool", "assistant", "tool"], roles
    asked = [c["id"] for m in d["messages"] for c in m.get("tool_calls", ())]
    assert asked == [m["tool_call_id"] for m in d["messages"] if m["role"] == "tool"] and len(set(asked)) == 6, asked
    assert len(d["tools"]) == 8 and d["resolved"] is False
PY
# ATIF: what was written is read as what it was; another agent's commands are done here.
run 0 assay episodes list three --json
ours=$(head -n 1 "$WORK/out" | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["episode"])')
run 0 assay episodes show "$ours" --json
cp "$WORK/out" "$WORK/ours"
run 0 assay episodes export "$ours" --format atif
cp "$WORK/out" "$WORK/quick__ini-reader-1.traj.atif"
run 0 assay episodes import "$WORK/quick__ini-reader-1.traj.atif" --suite quick --json
[ "$(json 'd["format"], d["turns"], d["cause"]')" = "atif 7 stopped" ] || fail "atif: $(json d)"
number=$(json 'd["episode"]')
run 0 assay episodes show "$number" --json
/usr/bin/python3 - "$WORK/ours" "$WORK/out" "$WORK/quick__ini-reader-1.traj.atif" <<'PY'
import json, sys
ours, read, atif = (json.load(open(f)) for f in sys.argv[1:])
for a, b in zip(ours["turns"], read["turns"], strict=True):
    for key in ("turn", "message", "tool", "observation", "prompt_tokens", "answer_tokens"):
        assert a[key] == b[key], (key, a, b)
    assert (a["text"] or "") == (b["text"] or "")
    assert a["arguments"] is None or json.loads(a["arguments"]) == json.loads(b["arguments"])
assert [s["step_id"] for s in atif["steps"]] == list(range(1, len(atif["steps"]) + 1))
for step in atif["steps"]:
    ids = {c["tool_call_id"] for c in step.get("tool_calls", ())}
    assert all(r.get("source_call_id") in ids | {None} for r in step.get("observation", {}).get("results", ()))
json.dump({"schema_version": "ATIF-v1.7", "session_id": "s", "agent": {"name": "terminus-2", "version": "2.0", "model_name": "m-2"}, "steps": [
    {"step_id": 1, "source": "user", "message": "do it"},
    {"step_id": 2, "source": "agent", "message": [{"type": "text", "text": "Look."}], "metrics": {"prompt_tokens": 9, "completion_tokens": 2,
     "completion_token_ids": [4, 5], "logprobs": [-0.5, -1]},
     "tool_calls": [{"tool_call_id": "a", "function_name": "bash_command", "arguments": {"keystrokes": "ls", "duration": 0.1}},
                    {"tool_call_id": "b", "function_name": "mark_task_complete", "arguments": {}}],
     "observation": {"results": [{"source_call_id": "b", "content": "done"},
                                 {"source_call_id": "a", "content": [{"type": "text", "text": "README.md\ninireader\ntests\n"}]}]}},
    {"step_id": 3, "source": "agent", "message": "No more.", "observation": {"results": [{"content": "ok"}]}}]},
    open(sys.argv[3] + ".theirs", "w"))
PY
run 0 assay episodes export "$number" --format atif
/usr/bin/python3 -c 'import json,sys; a, b = [json.load(open(f)) for f in sys.argv[1:]]; assert a == b' "$WORK/quick__ini-reader-1.traj.atif" "$WORK/out" ||
    fail "atif: exported otherwise"
run 0 assay episodes import "$WORK/quick__ini-reader-1.traj.atif.theirs" --suite quick --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
[ "$(json '[(t["text"], t["tool"], t["arguments"], t["observation"]) for t in d["turns"]]')" = \
    "[('Look.', 'bash', '{\"command\":\"ls\"}', 'README.md\\ninireader\\ntests\\n'), (None, 'mark_task_complete', '{}', 'done'), ('No more.', None, None, 'ok')]" ] ||
    fail "atif of another: $(json 'd["turns"]')"
[ "$(json 'd["turns"][0]["sampled"], d["turns"][0]["prompt_tokens"]')" = "{'ids': [4, 5], 'logp': [-0.5, -1]} 9" ] || fail "atif: tokens: $(json d)"

# The page of a run has its episodes, and nothing in them is markup.
echo '{"text": "<script>x</script>", "tool": "bash", "arguments": {"command": "echo \"<b>\"; false"}}' >"$WORK/markup"
run 0 assay run quick --actor "script:$WORK/markup" -i quick__ini-reader-1 -n 2 --run-id markup
run 0 assay report markup --html "$WORK/page.html"
[ "$(grep -c '<details class="episode">' "$WORK/page.html")" -eq 2 ] || fail "episodes of the page"
[ "$(grep -c '<details class="turn bad"><summary><b>1</b> <code>bash</code> echo &#34;&lt;b&gt;&#34;; false' "$WORK/page.html")" -eq 2 ] || fail "turns of the page"
! grep -q -e '<script' -e '<b>"' "$WORK/page.html" || fail "markup in the page"

# A demonstration of SWE-agent has a history alone.
/usr/bin/python3 - "$WORK/quick__ini-reader-1.traj" <<'PY'
import json, sys
json.dump({"history": [{"role": "system", "content": "s", "agent": "main", "message_type": "system_prompt"},
    {"role": "user", "content": "demo", "is_demo": True}, {"role": "user", "content": "issue", "message_type": "observation"},
    {"role": "assistant", "content": "I look.", "thought": "I look.", "action": "ls", "tool_calls": [{"id": "c", "type": "function",
     "function": {"name": "bash", "arguments": "{\"command\":\"ls\"}"}}], "message_type": "action"},
    {"role": "tool", "content": "README.md\ninireader\ntests\n", "tool_call_ids": ["c"], "message_type": "observation"}]}, open(sys.argv[1], "w"))
PY
run 0 assay episodes import "$WORK/quick__ini-reader-1.traj" --suite quick --json
number=$(json 'd["episode"]')
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"]')" = "1 0" ] || fail "a history alone: $(json d)"
run 0 assay episodes export "$number" --format swe-agent
/usr/bin/python3 -c 'import json,sys; a, b = [json.load(open(f)) for f in sys.argv[1:]]; assert a == b' "$WORK/quick__ini-reader-1.traj" "$WORK/out" ||
    fail "a history alone: exported otherwise"

# One that mini-swe-agent itself recorded (tests/conformance/mini_agent.py) shows here what it showed there.
mini=$ROOT/tests/integration/fixtures/quick__text-table-1.traj.json
run 0 assay episodes import "$mini" --suite quick --grade --json
[ "$(json 'd["turns"], d["cause"], d["resolved"]')" = "7 submitted True" ] || fail "mini-swe-agent: $(json d)"
number=$(json 'd["episode"]')
run 0 assay episodes replay "$number" --json
[ "$(json 'd["turns"], d["differing"]')" = "7 0" ] || fail "mini-swe-agent again: $(json d) $(cat "$WORK/err")"
run 0 assay episodes export "$number" --format mini-swe-agent
/usr/bin/python3 -c 'import json,sys; a, b = [json.load(open(f)) for f in sys.argv[1:]]; assert a == b' "$mini" "$WORK/out" ||
    fail "mini-swe-agent's came out otherwise"

run 0 assay episodes export three --format predictions --sample 2
[ "$(json 'd["instance_id"], d["model_patch"][:10]')" = "quick__ini-reader-1 diff --git" ] || fail "predictions: $(json d)"
run 2 assay episodes export three --format nosuch
echo '{"a": 1}' >"$WORK/quick__ini-reader-1.traj"
run 1 assay episodes import "$WORK/quick__ini-reader-1.traj" --suite quick
has err "none of"
run 1 assay episodes import "$WORK/script" --suite quick

# What is wrong is told.
run 2 assay run quick
run 2 assay run quick --actor nobody
has err "script:FILE"
run 1 assay run quick --actor "script:$WORK/nosuch"
printf '{"tool": 1}\n' >"$WORK/bad"
run 1 assay run quick --actor "script:$WORK/bad"
has err "bad:1: "
run 1 assay episodes show 999999
run 2 assay episodes show x
run 2 assay episodes fork "$number"
no_leftovers
