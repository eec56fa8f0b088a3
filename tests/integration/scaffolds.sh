#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: each scaffold leads a model that only answers questions to a patch that resolves: blocks of
# shell, one patch, and localizing, drawing and selecting, where the repair that the tests want is selected
# although it is not drawn first, and the tree is what that repair alone makes of it.
. "$(dirname "$0")/lib.sh"

SUITE=$ROOT/tasks/data/quick
ID=quick__text-table-1
GOLD=$SUITE/$ID/gold.patch
run 0 assay suite add "$SUITE"

# --- blocks of shell ---
/usr/bin/python3 - "$GOLD" >"$WORK/script" <<'PY'
import json, sys
gold = open(sys.argv[1]).read()
block = lambda command, words="So.": json.dumps({"text": f"{words}\n\n```bash\n{command}\n```\n"})
print(block("cd texttable && X=1 && ls"))
print(json.dumps({"text": "Now I know."}))
print(block("ls", "```bash\nls\n```"))
print(block("pwd; echo \"[$X]\"; false"))
print(block(f"cat >/tmp/p <<'EOF'\n{gold}EOF\npatch -p1 </tmp/p"))
print(block("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"))
PY
run 0 assay run quick -i $ID --actor "script:$WORK/script" --dialect bash --json
[ "$(json 'd["resolved"], d["causes"], d["turns"]')" = "1 {'submitted': 1} 7" ] || fail "bash: $(cat "$WORK/out")"
run 0 assay episodes show 1 --json
[ "$(json '[t["tool"] for t in d["turns"]]')" = "['bash', None, None, 'bash', 'bash', 'bash', 'submit']" ] || fail "bash: $(json d)"
[ "$(json 'd["turns"][3]["observation"]')" = "/testbed
[]
[exit code 1]" ] || fail "bash: a process of its own each: $(json 'd["turns"][3]')"
# What is kept of a message without one block is what the model was told, and a replay tells it the same.
[ "$(json '[t["observation"].partition(".")[0] for t in d["turns"][1:3]]')" = \
    "['Your message has no block of shell', 'Your message has more than one block of shell']" ] || fail "bash: $(json 'd["turns"][1:3]')"
run 0 assay episodes replay 1

# A task that asks for places is answered below that line.
run 0 assay suite add "$ROOT/tasks/data/kinds"
printf '%s\n' '{"text": "```bash\necho COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; echo no/such/file.py:f\n```"}' >"$WORK/where"
run 0 assay run kinds -i kinds__shell-quote-where --actor "script:$WORK/where" --dialect bash --run-id where --json
[ "$(json 'd["scored"], d["resolved"], d["causes"]')" = "1 0 {'submitted': 1}" ] || fail "places: $(cat "$WORK/out")"
run 0 assay episodes list where --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
[ "$(json 'd["answer"]')" = no/such/file.py:f ] || fail "places: $(json d)"

# --- one patch ---
cat >"$WORK/model.py" <<'PY'
import json, sys
gold, how = open(sys.argv[1]).read(), sys.argv[2]
reset = json.loads(sys.stdin.readline())
fence = lambda text, mark="": f"I think so.\n```{mark}\n{text}\n```\n"
wrong = "### texttable/cells.py\n<<<<<<< SEARCH\nELLIPSIS = \"\\u2026\"\n=======\nELLIPSIS = \"...\"\n>>>>>>> REPLACE"
breaks = "### texttable/cells.py\n<<<<<<< SEARCH\nELLIPSIS = \"\\u2026\"\n=======\nELLIPSIS = nothing\n>>>>>>> REPLACE"
test = "/usr/bin/python3 - <<'PY'\nfrom texttable.cells import pad\nraise SystemExit(pad('\u6771', 4, 'left') != '\u6771  ')\nPY"
log = open(sys.argv[3], "a")
def answer(system, user, draw):
    if "find where" in system and "outlines" not in system:
        assert "texttable/cells.py\n" in user and "tests/" not in user.split("The files:")[1], user
        return fence("texttable/cells.py\n- `texttable/render.py`\nno/such/file.py")
    if "find where" in system:
        assert "### texttable/cells.py" in user and "def pad(" in user and "def cut(" in user, user
        return fence("texttable/cells.py\nfunction: cut\nfunction: pad\nline: 5\ntexttable/render.py\nfunction: render")
    if "write a test" in system:
        return fence(test, "sh")
    assert "### texttable/cells.py" in user and "def pad(text, width, align):" in user, user
    return fence(gold, "diff") if how == "single" else [fence(wrong), fence(breaks), "No idea.", fence(wrong), fence(gold, "diff")][draw]
for line in sys.stdin:
    question = json.loads(line)
    assert question["type"] == "question" and not question["tools"], question
    system, user = (m["content"] for m in question["messages"])
    assert [m["role"] for m in question["messages"]] == ["system", "user"] and "ideograph" in user
    print(system[:20], question["draw"], file=log, flush=True)
    print(json.dumps({"text": answer(system, user, question["draw"]), "answer_tokens": 3}), flush=True)
PY
model() { # HOW OPTIONS...
    how=$1
    shift
    : >"$WORK/asked"
    run 0 assay run quick -i $ID --actor "command:/usr/bin/python3 '$WORK/model.py' '$GOLD' $how '$WORK/asked'" --json "$@"
}
model single --scaffold single
[ "$(json 'd["resolved"], d["causes"], d["turns"]')" = "1 {'submitted': 1} 2" ] || fail "single: $(cat "$WORK/out")"
model single --dialect patch
[ "$(json 'd["resolved"], d["turns"]')" = "1 2" ] || fail "the dialect has a scaffold: $(cat "$WORK/out")"

# --- localize, draw, select ---
model agentless --scaffold agentless --repairs 5 --run-id agentless
[ "$(json 'd["resolved"], d["causes"], d["answer_tokens"]')" = "1 {'submitted': 1} 24" ] || fail "agentless: $(cat "$WORK/out" "$WORK/asked")"
[ "$(wc -l <"$WORK/asked")" -eq 8 ] || fail "agentless: $(cat "$WORK/asked")"
run 0 assay episodes list agentless --json
number=$(json 'd["episode"]')
run 0 assay episodes show "$number" --json
[ "$(json '[t["tool"] for t in d["turns"]]')" = "$(/usr/bin/python3 -c "
tried = ['bash', 'apply_patch', 'run_tests', 'bash', 'bash']
print(['think'] * 7 + ['bash', 'run_tests'] + tried * 3 + ['apply_patch', 'submit'])")" ] || fail "agentless: $(json 'd')"
[ "$(json 'd["answer"].count("diff --git"), "ELLIPSIS =" in d["answer"].replace(" ELLIPSIS =", "", 1)')" = "3 False" ] || fail "agentless: $(json 'd["answer"]')"
run 0 assay episodes replay "$number" --json
[ "$(json 'd["differing"], d["same_answer"]')" = "0 True" ] || fail "agentless: replay: $(json d)"

# --- a model of our own: it says nothing sensible, and every token of it is known ---
tiny=$ROOT/tests/policy/fixtures/tiny-chat
for options in "--dialect bash --turns 2" "--scaffold single"; do
    # shellcheck disable=SC2086
    run 0 assay run quick -i $ID --actor "embedded:$tiny" --answer-tokens 12 $options --json
    [ "$(json 'd["scored"], set(d["causes"]) <= {"turn_limit", "submitted"}, d["answer_tokens"] > 0')" = "1 True True" ] || fail "embedded: $(cat "$WORK/out")"
done
run 0 assay run quick -i $ID --actor "embedded:$tiny" --answer-tokens 12 --turns 2 --temperature 0 --run-id embedded
run 0 assay episodes list embedded --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
/usr/bin/python3 - "$WORK/out" >"$WORK/prompt" <<'PY'
import json, sys
turns = json.load(open(sys.argv[1]))["turns"]
for turn in turns:
    s = turn["sampled"]
    prompt, answer = turn["prompt_tokens"], turn["answer_tokens"]
    assert len(s["ids"]) == len(s["mask"]) == len(s["logp"]) == prompt + answer and 0 < answer <= 12, turn
    assert s["mask"] == [0] * prompt + [1] * answer and all(p < 0 for p in s["logp"][prompt:]) and len(s["version"]) == 16
print(*turns[-1]["sampled"]["ids"][:turns[-1]["prompt_tokens"]], sep=",")
PY
run 0 assay model generate "$tiny" --ids "$(cat "$WORK/prompt")" --temperature 0 --max 12 --json
cp "$WORK/out" "$WORK/generated"
run 0 assay episodes list embedded --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
/usr/bin/python3 - "$WORK/out" "$WORK/generated" <<'PY' || fail "the actor samples what the model does not"
import json, math, sys
turn, made = json.load(open(sys.argv[1]))["turns"][-1], json.load(open(sys.argv[2]))["answers"][0]
n = turn["prompt_tokens"]
assert turn["sampled"]["ids"][n:] == made["ids"] and math.isclose(sum(turn["sampled"]["logp"][n:]), made["logp"], abs_tol=1e-9), (turn, made)
PY
run 1 assay run quick -i $ID --actor "embedded:$WORK/none"

# --- what does not go together ---
run 2 assay run quick --actor gold --scaffold agent
run 2 assay run quick --actor "script:$WORK/script" --scaffold nosuch
has err "agent, single or agentless"
run 2 assay run quick --actor "script:$WORK/script" --scaffold single --dialect bash
run 2 assay run quick --actor "script:$WORK/script" --dialect nosuch
run 0 assay run quick -i $ID --actor "script:$WORK/script" --scaffold agentless --repairs 9 --json
head -n 1 "$WORK/out" | grep -q '"cause":"actor_failed","reason":"the script has no further answer"' || fail "$(cat "$WORK/out")"
no_leftovers
