#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a model behind a server that misbehaves in every way that servers do, and a program
# that speaks JSON Lines, drive episodes to their end: none is lost, none hangs, each failure has a
# cause; and the key is in nothing that was written.
. "$(dirname "$0")/lib.sh"

SUITE=$ROOT/tasks/data/quick
ONE=quick__ini-reader-1 TWO=quick__shell-quote-1
run 0 assay suite add "$SUITE"
mkdir "$WORK/gold"
for id in $ONE $TWO; do cp "$SUITE/$id/gold.patch" "$WORK/gold/$(head -n 1 "$SUITE/$id/problem.md")"; done

# --- openai ---
STUB_KEY=sk-planted-7hQ2wLx9Vb
export STUB_KEY
/usr/bin/python3 "$ROOT/tests/integration/chat_stub.py" "$WORK/gold" "$WORK/requests" >"$WORK/port" 2>"$WORK/stub.err" &
stub=$!
trap 'code=$?; set +e; kill $stub 2>/dev/null; (exit $code); cleanup' EXIT
for _ in $(seq 100); do [ -s "$WORK/port" ] || sleep 0.1; done
URL=http://127.0.0.1:$(cat "$WORK/port")/v1
openai() { # STATUS MODEL OPTIONS...
    status=$1 model=$2
    shift 2
    run "$status" assay run quick --actor "openai:$model" --base-url "$URL" --key-env STUB_KEY --request-timeout "${patience:-60}" --json "$@"
    cat "$WORK/out" "$WORK/err" >>"$WORK/written"
}
patience=1 openai 0 slow -i $ONE -i $TWO -j 2
[ "$(json 'd["resolved"], d["causes"]')" = "2 {'submitted': 2}" ] || fail "slow: $(cat "$WORK/out")"
for model in good 429 500 cut hangup badjson error200 nochoice words wrongtool badargs; do
    openai 0 $model -i $ONE -i $TWO -j 2
    [ "$(json 'd["resolved"], d["causes"]')" = "2 {'submitted': 2}" ] || fail "$model: $(cat "$WORK/out")"
    [ "$(json 'd["prompt_tokens"] >= 600 and d["answer_tokens"] >= 60')" = True ] || fail "$model: tokens: $(json d)"
done
[ "$(grep -c '^429 ' "$WORK/requests")" -eq 12 ] || fail "every question was asked twice: $(cat "$WORK/requests")"
[ "$(grep -c '^good ' "$WORK/requests")" -eq 6 ] || fail "no question twice: $(cat "$WORK/requests")"
# The same in pieces, with what was sampled; and what goes wrong in streams alone.
for model in good cut error200 badargs streamcut streamerror; do
    openai 0 $model --stream -i $ONE --logprobs --run-id "stream-$model"
    [ "$(json 'd["resolved"], d["causes"]')" = "1 {'submitted': 1}" ] || fail "$model, streamed: $(cat "$WORK/out")"
    [ "$(json 'd["prompt_tokens"] >= 300 and d["answer_tokens"] >= 30')" = True ] || fail "$model, streamed: tokens: $(json d)"
done
run 0 assay episodes list stream-good --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
[ "$(json '[t.get("sampled") for t in d["turns"]][:2]')" = "[{'pieces': ['Lo', 'ok'], 'logp': [0, -0.25]}, None]" ] || fail "logprobs: $(json d)"
patience=1 openai 0 hush --stream -i $ONE
[ "$(json 'd["resolved"]')" = 1 ] || fail "hush: $(cat "$WORK/out")"
patience=1 openai 0 drip --stream -i $ONE --turns 1
[ "$(json 'd["causes"]')" = "{'turn_limit': 1}" ] || fail "drip: $(cat "$WORK/out")"
[ "$(grep -c '^drip ' "$WORK/requests")" -eq 1 ] || fail "a stream that goes on was given up"
openai 0 pieces --stream -i $ONE --run-id pieces
run 0 assay episodes list pieces --json
run 0 assay episodes show "$(json 'd["episode"]')" --json
[ "$(json 'd["turns"][0]["text"]')" = "It is Bearer $(printf %s "$STUB_KEY" | tr -c '' '*')." ] || fail "pieces: $(json 'd["turns"][0]')"
cat "$WORK/out" >>"$WORK/written"

openai 0 denied -i $ONE
head -n 1 "$WORK/out" | grep -q '"cause":"actor_failed","reason":"HTTP 401' || fail "denied: $(cat "$WORK/out")"
[ "$(grep -c '^denied ' "$WORK/requests")" -eq 1 ] || fail "asked again what was denied"
openai 0 dead -i $ONE --request-tries 2
head -n 1 "$WORK/out" | grep -q '"cause":"actor_failed","reason":"after 2 tries: HTTP 500: down for Bearer \*' || fail "dead: $(cat "$WORK/out")"
openai 0 silent -i $ONE --timeout 1
head -n 1 "$WORK/out" | grep -q '"cause":"wall_limit"' || fail "silent: $(cat "$WORK/out")"
openai 0 good -i $ONE -n 2 --tokens 150
[ "$(json 'd["causes"]')" = "{'token_limit': 2}" ] || fail "tokens: $(json d)"
run 0 assay run quick --actor openai:x --base-url http://127.0.0.1:1/v1 --request-tries 2 -i $ONE --json
[ "$(json 'd["causes"]')" = "{'actor_failed': 1}" ] || fail "nobody there: $(json d)"

# A rate is of all episodes together: six requests, the last of them a second behind the first.
began=$(date +%s%N)
openai 0 good -i $ONE -i $TWO -j 2 --request-rate 5 --again
[ "$(json 'd["resolved"]')" = 2 ] || fail "rate: $(cat "$WORK/out")"
[ $(($(date +%s%N) - began)) -ge 1000000000 ] || fail "faster than --request-rate allows"
openai 2 good --request-rate 0

# A fork goes on in the conversation.
run 0 assay episodes list --json
openai 0 good -i $ONE --again
number=$(head -n 1 "$WORK/out" | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["episode"])')
run 0 assay episodes fork "$number" --turn 2 --actor openai:good --base-url "$URL" --key-env STUB_KEY --json
[ "$(json 'd["resolved"], d["cause"]')" = "True submitted" ] || fail "fork: $(json d)"
run 0 assay episodes show "$(json 'd["episode"]')" --json
cat "$WORK/out" >>"$WORK/written"
[ "$(json '[t["tool"] for t in d["turns"]]')" = "['view', 'bash', 'apply_patch', 'submit']" ] || fail "fork: $(json d)"

# Keys: from a file that nobody else reads, never from a flag or a URL; and nowhere to be found.
printf '%s\n' "$STUB_KEY" >"$WORK/key"
chmod 644 "$WORK/key"
openai 2 good --key-file "$WORK/key"
run 1 assay run quick --actor openai:good --base-url "$URL" --key-file "$WORK/key" -i $ONE
has err "0600"
chmod 600 "$WORK/key"
run 0 assay run quick --actor openai:good --base-url "$URL" --key-file "$WORK/key" -i $ONE
run 2 assay run quick --actor openai:good --base-url "http://me:$STUB_KEY@127.0.0.1/v1"
! grep -q "$STUB_KEY" "$WORK/out" "$WORK/err" || fail "the key is in a message"
for tail in "?api_key=$STUB_KEY" "#$STUB_KEY"; do
    run 2 assay run quick --actor openai:good --base-url "$URL$tail" -i $ONE --again
    ! grep -q "$STUB_KEY" "$WORK/out" "$WORK/err" || fail "the key is in a message"
done
run 2 assay run quick --actor openai:good --key-env NO_SUCH_VARIABLE
! grep -rqa "$STUB_KEY" "$ASSAY_HOME" "$WORK/written" || fail "the key was written: $(grep -rla "$STUB_KEY" "$ASSAY_HOME" "$WORK/written")"
[ ! -s "$WORK/stub.err" ] || fail "the server did not like a request: $(cat "$WORK/stub.err")"

# --- command ---
cat >"$WORK/agent.py" <<'PY'
import json, os, sys, time
how, gold = sys.argv[1:]
reset = json.loads(sys.stdin.readline())
assert reset["type"] == "reset" and reset["instance_id"] and reset["workdir"] == "/testbed" and reset["seed"].isdigit()
assert {t["function"]["name"] for t in reset["tools"]} >= {"bash", "submit"}
def ask(message):
    print(json.dumps(message), flush=True)
    line = sys.stdin.readline()
    return json.loads(line)["results"] if line else []
if how == "exit": sys.exit(3)
if how == "garbage": print("hello", flush=True)
if how == "hang": time.sleep(1000)
if how == "orphan": os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "4321")
if how == "many": ask({"calls": [{"tool": "think", "arguments": {"thought": str(i)}} for i in range(33)]})
seen = ask({"text": "hm", "calls": [{"id": "x", "tool": "bash", "arguments": {"command": "ls"}}, {"tool": "nosuch"}]})
assert seen[0]["id"] == "x" and "README" in seen[0]["text"] and not seen[0]["failed"] and seen[1]["failed"], seen
problem = reset["problem"].split("\n")[0]
ask({"tool": "apply_patch", "arguments": {"patch": open(f"{gold}/{problem}").read()}, "prompt_tokens": 5, "answer_tokens": 7})
if how == "stop": ask({"type": "stop"})
ask({"tool": "submit"})
PY
command() { # HOW OPTIONS...
    how=$1
    shift
    run 0 assay run quick --actor "command:/usr/bin/python3 '$WORK/agent.py' $how '$WORK/gold'" --json "$@"
}
command good -i $ONE -i $TWO -j 2
[ "$(json 'd["resolved"], d["causes"], d["answer_tokens"]')" = "2 {'submitted': 2} 14" ] || fail "command: $(json d)"
command orphan -i $ONE
[ "$(json 'd["resolved"]')" = 1 ] || fail "orphan: $(json d)"
! pgrep -f "sleep 4321" >/dev/null || fail "a process of the program lives on"
command stop -i $ONE
[ "$(json 'd["resolved"], d["causes"]')" = "1 {'stopped': 1}" ] || fail "stop: $(json d)"
for row in "exit:ended with exit status 3" "garbage:the program's line:1" "many:at most 32 calls"; do
    command "${row%%:*}" -i $ONE
    head -n 1 "$WORK/out" | grep -q "\"cause\":\"actor_failed\",\"reason\":\"[^\"]*${row#*:}" || fail "$row: $(cat "$WORK/out")"
done
command hang -i $ONE --request-timeout 1
head -n 1 "$WORK/out" | grep -q '"cause":"actor_failed","reason":"the program took longer' || fail "hang: $(cat "$WORK/out")"
no_leftovers
