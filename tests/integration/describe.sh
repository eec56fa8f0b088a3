#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a model's report takes the place of a problem statement and the template stays beside
# it; a report that shows the change is asked for again and at last not taken; what went wrong for one
# task stops no other and is tried again by the same command; the suite is the same suite as before.
. "$(dirname "$0")/lib.sh"

cat >"$WORK/stub.py" <<'PY'
"""A chat-completions server: what it answers depends on the task that the question names."""
import http.server, json, sys
LEAK = "yes, it holds at last"
GOOD = "State says no\n\nI asked for the state after a change of settings. It says no, though it should hold. Report %d."
asked = {}

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = body["messages"][-1]["content"]
        print(json.dumps(body), file=open(sys.argv[1], "a"))
        task = next(t for t in ("good", "slips", "leaks", "silent", "broken") if "owner/" + t in words)
        asked[task] = asked.get(task, 0) + 1
        text = {"good": "<think>easy</think>\n" + GOOD % 1, "slips": GOOD % 2 if asked[task] > 1 else GOOD % 2 + LEAK,
                "leaks": GOOD % 3 + "\n+" + LEAK, "silent": "", "broken": GOOD % 4}[task]
        if task == "broken" and asked[task] == 1:
            answer, status = {"error": {"message": "no such model"}}, 404
        else:
            answer, status = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}, 200
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PY
/usr/bin/python3 "$WORK/stub.py" "$WORK/requests" >"$WORK/port" 2>"$WORK/stub.err" &
stub=$!
trap 'kill $stub 2>/dev/null; cleanup' EXIT
for i in $(seq 100); do [ -s "$WORK/port" ] && break || sleep 0.05; done
url=http://127.0.0.1:$(cat "$WORK/port")/v1

suite_begin told
for task in good slips leaks silent broken; do
    instance "t__$task" "$PASS" "\"repo\": \"owner/$task\""
    sed -i 's/^+yes/+yes, it holds at last/' "$SUITE/t__$task/gold.patch"
done

run 1 assay suite describe "$SUITE" --actor openai:m --base-url "$url" --json
tr '\n' ' ' <"$WORK/out" >"$WORK/line" && mv "$WORK/line" "$WORK/out"
[ "$(json 'd["described"], d["described_before"], d["leaking"], d["not_described"]')" = "2 0 1 2" ] || fail "$(cat "$WORK/out")"
[ "$(head -n 1 "$SUITE/t__good/problem.md")" = "State says no" ] || fail "the report: $(cat "$SUITE/t__good/problem.md")"
grep -q "Report 2.$" "$SUITE/t__slips/problem.md" || fail "a slip stands in the report: $(cat "$SUITE/t__slips/problem.md")"
for task in good slips; do
    [ "$(cat "$SUITE/t__$task/problem.template.md")" = problem ] || fail "the template of $task is gone"
done
for task in leaks silent broken; do
    [ "$(cat "$SUITE/t__$task/problem.md")" = problem ] || fail "$task lost its template"
done
[ "$(grep -c owner/leaks "$WORK/requests")" = 3 ] || fail "leaks: $(grep -c owner/leaks "$WORK/requests") questions"
grep -q "exit_status" "$WORK/requests" || fail "the failing tests are not named"

# Typed again: what is described is not asked for, what failed is.
run 1 assay suite describe "$SUITE" --actor openai:m --base-url "$url"
has out "1 described, 2 before; 2 keep their template: 1 because every answer showed the change, 1 without a report"
has out "the first of these: the model wrote no report"
[ "$(grep -c owner/good "$WORK/requests")" = 1 ] || fail "a task that was described was asked for again"
grep -q "Report 4.$" "$SUITE/t__broken/problem.md" || fail "what failed was not tried again"

# A folder with templates in it is a suite as before.
run 0 assay suite add "$SUITE"
run 0 assay eval told --gold -i t__good --json
[ "$(json 'd["resolved_instances"]')" = 1 ] || fail "gold: $(cat "$WORK/out")"

run 2 assay suite describe "$SUITE" --actor gold
has err "answers no questions"
run 2 assay suite describe "$SUITE"
has err "--actor"
run 1 assay suite describe "$WORK/nosuch" --actor openai:m --base-url "$url"
kill "$stub"
