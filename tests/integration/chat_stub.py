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
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        finish = "tool_calls" if calls else "stop"
        logprobs = {"content": [{"token": t, "logprob": -0.25 * i, "bytes": list(t.encode()), "top_logprobs": []}
                                for i, t in enumerate(["Lo", "ok"])]} if self.logprobs else None
        if not self.stream:
            return self.answer(200, {"choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}],
                                     "usage": usage})
        deltas = [{"role": "assistant"}] + [{"content": c} for c in content or ""]
        for i, call in enumerate(message.get("tool_calls", ())):
            half = len(call["function"]["arguments"]) // 2
            first, rest = call["function"]["arguments"][:half], call["function"]["arguments"][half:]
            deltas.append({"tool_calls": [{"index": i, **call, "function": {**call["function"], "arguments": first}}]})
            deltas.append({"tool_calls": [{"index": i, "function": {"arguments": rest}}]})
        chunks = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
        chunks[0]["choices"][0]["logprobs"] = logprobs
        self.events([*chunks, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": usage}, "[DONE]"])

    def events(self, events, pause=0):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for event in events:
            self.wfile.write(b"data: " + (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n\n")
            self.wfile.flush()
            time.sleep(pause)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions" and request["tools"] and request["messages"][0]["role"] == "system"
        key = self.headers["Authorization"]
        self.stream, self.logprobs = request["stream"], request.get("logprobs", False)
        assert not self.stream or request["stream_options"] == {"include_usage": True}
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
        elif model == "drip":  # longer than anybody waits for silence, and never silent
            self.events([{"choices": [{"index": 0, "delta": {"content": c}}]} for c in "....."] +
                        [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"], pause=0.4)
        elif not first:
            return False
        elif model == "streamcut":
            self.events([{"choices": [{"index": 0, "delta": {"content": c}}]} for c in "I would"])
        elif model == "streamerror":
            self.events([{"choices": [{"index": 0, "delta": {"content": "I"}}]}, {"error": {"message": f"died of {key}"}}])
        elif model == "hush":
            self.events([{"choices": [{"index": 0, "delta": {"content": "I"}}]}] * 2, pause=2.5)
        elif model == "pieces":  # the key, a letter an event
            self.events([{"choices": [{"index": 0, "delta": {"content": c}}]} for c in f"It is {key}."] +
                        [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"])
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
