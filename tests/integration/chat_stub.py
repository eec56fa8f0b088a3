#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A chat-completions server on loopback that misbehaves as its models are named.

    chat_stub.py GOLD_DIR LOG       prints its port; GOLD_DIR/<problem's first line> is a patch

Every model looks around, applies the gold patch and submits; each does one thing wrong, the first time
that it is asked a question, or always. LOG gets a line a request: model, number of messages, try."""
import hashlib
import http.server
import json
import sys
import threading
import time

GOLD, LOG = sys.argv[1:]
seen, lock = {}, threading.Lock()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # whoever gave up has hung up


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=(), length=None):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def say(self, content=None, *calls):
        message = {"role": "assistant", "content": content}
        if calls:
            message["tool_calls"] = [
                {"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": a if isinstance(a, str) else json.dumps(a)}}
                for i, (n, a) in enumerate(calls)]
        self.answer(200, {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
                          "usage": {"prompt_tokens": 100, "completion_tokens": 10}})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions" and request["tools"] and request["messages"][0]["role"] == "system"
        key = self.headers["Authorization"]
        model, messages = request["model"], request["messages"]
        problem = messages[1]["content"].split("\n\n", 1)[1].split("\n")[0]
        question = (model, hashlib.sha256(json.dumps(messages).encode()).hexdigest(), request["seed"])
        with lock:
            seen[question] = seen.get(question, 0) + 1
            first = seen[question] == 1
            with open(LOG, "a") as log:
                log.write(f"{model} {len(messages)} {seen[question]}\n")
        self.misbehave(model, first, key) or self.work(model, messages, problem)

    def misbehave(self, model, first, key):
        """True: the request has its answer."""
        if model == "denied":
            self.answer(401, {"error": {"message": f"wrong key: {key}"}})
        elif model == "dead":
            self.answer(500, f"down for {key}".encode())
        elif model == "silent":
            time.sleep(5)
            self.close_connection = True
        elif not first:
            return False
        elif model == "429":
            self.answer(429, {"error": {"message": "slow down"}}, [("Retry-After", "1")])
        elif model == "500":
            self.answer(500, b"<html>oops</html>")
        elif model == "slow":
            time.sleep(2.5)
            self.close_connection = True
        elif model == "cut":
            self.answer(200, b'{"choices": [{"mess', length=5000)
            self.close_connection = True
        elif model == "hangup":
            self.close_connection = True
        elif model == "badjson":
            self.answer(200, b'{"choices": [}')
        elif model == "error200":
            self.answer(200, {"error": {"message": f"overloaded, {key}", "type": "server_error"}})
        elif model == "nochoice":
            self.answer(200, {"choices": []})
        else:
            return False
        return True

    def work(self, model, messages, problem):
        answers = [m for m in messages if m["role"] == "assistant"]
        done = {c["function"]["name"] for m in answers for c in m.get("tool_calls", ())}
        if model == "words" and len(answers) == 0:
            return self.say("I would first look around.")
        if model == "words" and len(answers) == 1:
            assert messages[-1]["role"] == "user" and "called no tool" in messages[-1]["content"], messages[-1]
        if model == "wrongtool" and len(answers) == 0:
            return self.say(None, ("str_replace_editor", {"command": "view"}))
        if model == "badargs" and len(answers) == 0:
            return self.say(None, ("bash", '{"command": "ls'))
        if "view" not in done:
            return self.say("Looking.", ("view", {"path": "."}), ("bash", {"command": "env; cat /proc/*/environ /proc/*/cmdline"}))
        assert messages[-1]["role"] == "tool" and messages[-1]["tool_call_id"].startswith("c"), messages[-1]
        if "apply_patch" not in done:
            return self.say(None, ("apply_patch", {"patch": open(f"{GOLD}/{problem}").read()}))
        return self.say(None, ("submit", {}))


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
