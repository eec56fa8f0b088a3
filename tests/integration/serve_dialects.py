# SPDX-License-Identifier: MIT
"""OpenEnv and MCP, message by message as their clients send them: see serve_dialects.sh.

The same messages, sent by the unmodified clients, are in tests/conformance/service.py."""
import json
import subprocess
import time

from serve_lib import ASSAY, ONE, TWO, Service, check, gold, tests
from serve_socket import BINARY, CLOSE, PING, PONG, TEXT, WebSocket

SERVICE = Service("quick", "-j", "2", "--episodes", "8")


def nothing_is_open():
    for _ in range(100):
        if SERVICE.get("/v1/episodes").json["open"] == 0:
            return
        time.sleep(0.05)
    check(False, "still open:", SERVICE.get("/v1/episodes"))


def call(socket, tool, **arguments):
    return socket.ask({"type": "step", "data": {"tool": tool, "arguments": arguments}})["data"]


def openenv_over_a_socket():
    socket = WebSocket(SERVICE, "/ws")
    check(socket.ask({"type": "state"})["data"]["episode_id"] is None)
    check(socket.ask({"type": "step", "data": {"tool": "bash"}})["data"]["code"] == "SESSION_ERROR")
    first = socket.ask({"type": "reset", "data": {"instance_id": ONE, "seed": 5}})
    check(first["type"] == "observation" and first["data"]["reward"] is None and not first["data"]["done"], first)
    check(first["data"]["observation"]["instance_id"] == ONE, first)
    seen = call(socket, "bash", command="cd bin 2>/dev/null; pwd")
    check(seen["observation"]["text"].startswith("/testbed") and not seen["done"], seen)
    check(socket.ask({"type": "state"})["data"]["step_count"] == 1)
    for data, code in (({"tool": "bash", "more": 1}, "VALIDATION_ERROR"), ({}, "VALIDATION_ERROR"),
                       ([], "VALIDATION_ERROR"), ({"tool": "bash", "arguments": 5}, "VALIDATION_ERROR")):
        check(socket.ask({"type": "step", "data": data})["data"]["code"] == code, data)
    for text, code in (("{", "INVALID_JSON"), ('{"type": "dance"}', "UNKNOWN_TYPE"), ("5", "VALIDATION_ERROR")):
        socket.frame(TEXT, text)
        answer = json.loads(socket.receive()[1])
        check(answer["type"] == "error" and answer["data"]["code"] == code, answer)
    check(not call(socket, "apply_patch", patch=gold(ONE))["observation"]["failed"])
    last = call(socket, "submit")
    check(last["done"] and last["reward"] == 1 and last["observation"]["terminated"], last)
    check(call(socket, "bash", command="ls")["reward"] == 1, "what it is worth can be asked again")
    # The next episode takes the place of this one.
    socket.ask({"type": "reset", "data": {"seed": 2}})
    check(SERVICE.get("/v1/episodes").json["open"] == 1)
    tools = socket.ask({"type": "step", "data": {"type": "list_tools"}})["data"]["observation"]["tools"]
    check({"bash", "submit"} < {t["name"] for t in tools} and tools[0]["input_schema"]["type"] == "object", tools)
    done = socket.ask({"type": "step", "data": {"type": "call_tool", "tool_name": "bash",
                                                "arguments": {"command": "echo hi"}, "metadata": {}}})["data"]
    check(done["observation"]["result"] == "hi\n" and done["observation"]["error"] is None, done)
    told = socket.ask({"type": "mcp", "data": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "bash", "arguments": {"command": "echo $((6 * 7))"}}}})
    check(told["data"]["result"]["content"][0]["text"] == "42\n", told)
    socket.frame(TEXT, json.dumps({"type": "close"}))
    check(socket.closed_with() == 1000)
    socket.close()
    # Who goes away without a word leaves nothing behind.
    socket = WebSocket(SERVICE, "/ws")
    socket.ask({"type": "reset", "data": {"instance_id": TWO}})
    socket.close()
    nothing_is_open()


def a_socket_lives_while_it_works():
    socket = WebSocket(SERVICE, "/ws")
    socket.ask({"type": "reset", "data": {"instance_id": ONE}})
    socket.frame(TEXT, json.dumps({"type": "step", "data": {"tool": "bash", "arguments": {"command": "sleep 2; echo x"}}}))
    socket.frame(PING, b"are you there")
    check(socket.receive() == (PONG, b"are you there"), "a ping waits for a step")
    check(json.loads(socket.receive()[1])["data"]["observation"]["text"] == "x\n")
    # In pieces, and several ahead of their answers.
    message = json.dumps({"type": "state"})
    socket.frame(TEXT, message[:5], fin=False)
    socket.frame(PING, b"")
    socket.frame(0, message[5:])
    check(socket.receive()[0] == PONG and json.loads(socket.receive()[1])["type"] == "state")
    for _ in range(5):
        socket.frame(TEXT, message)
    for _ in range(5):
        check(json.loads(socket.receive()[1])["type"] == "state")
    socket.close()
    nothing_is_open()


def abuse():
    for headers, key in ((["Sec-WebSocket-Version: 12"], None), (["X: y"], "short")):
        lines = ["GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade", *headers]
        if key:
            lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        check(b" 400 " in SERVICE.raw(("\r\n".join(lines) + "\r\n\r\n").encode(), 2).split(b"\r\n")[0])
    check(SERVICE.get("/ws").status == 400 and SERVICE.get("/mcp").status == 405)
    socket = WebSocket(SERVICE, "/ws", ["Origin: http://evil.example"])
    check(socket.status == 403)
    memory = SERVICE.memory_kib()
    for break_it in (
            lambda s: s.frame(TEXT, "{}", mask=False), lambda s: s.frame(TEXT, b"\xff\xfe"),
            lambda s: s.frame(3, "what"), lambda s: s.frame(PING, b"x" * 126), lambda s: s.frame(0, "goes on"),
            lambda s: s.link.sendall(b"\xf1\x80\0\0\0\0"), lambda s: s.link.sendall(b"\x81\xff" + b"\xff" * 8 + b"\0" * 4),
            lambda s: s.frame(CLOSE, b"\0"), lambda s: s.link.sendall(b"\x81\xfe\0\x05\0\0\0\0hello")):
        socket = WebSocket(SERVICE, "/ws")
        try:
            break_it(socket)
            socket.link.settimeout(5)
            while socket.receive()[0] != CLOSE:
                pass
        except OSError:
            pass
        socket.close()
    socket = WebSocket(SERVICE, "/ws")  # more than may be
    try:
        socket.frame(TEXT, b" " * (20 << 20))
        check(socket.closed_with() in (1009, None))
    except OSError:
        pass
    socket.close()
    socket = WebSocket(SERVICE, "/ws")  # far ahead of its answers
    socket.ask({"type": "reset", "data": {"instance_id": ONE}})
    socket.frame(TEXT, json.dumps({"type": "step", "data": {"tool": "bash", "arguments": {"command": "sleep 1"}}}))
    try:
        for _ in range(64):
            socket.frame(BINARY, json.dumps({"type": "state"}))
    except OSError:
        pass
    while True:
        opcode, data = socket.receive()
        if opcode == CLOSE:
            break
    socket.close()
    check(SERVICE.memory_kib() < memory + 100 * 1024, memory, SERVICE.memory_kib())
    nothing_is_open()
    check(SERVICE.get("/healthz").status == 200)


def openenv_over_http():
    check(SERVICE.get("/health").json == {"status": "healthy"})
    check(SERVICE.get("/metadata").json["name"] == "assay")
    check(set(SERVICE.get("/schema").json) == {"action", "observation", "state"})
    check(SERVICE.get("/state").json == {"episode_id": None, "step_count": 0})
    reset = SERVICE.post("/reset", {"instance_id": TWO, "seed": 0})
    check(reset.status == 200 and not reset.json["done"], reset)
    session = {"X-Session-ID": reset.headers["X-Session-ID"]}
    cookie = {"Cookie": "a=b; " + reset.headers["Set-Cookie"].split(";")[0]}
    patch = {"action": {"tool": "apply_patch", "arguments": {"patch": gold(TWO)}}, "timeout_s": 30}
    check(not SERVICE.post("/step", patch, headers=session).json["observation"]["failed"])
    check(SERVICE.get("/state", headers=cookie).json["step_count"] == 1)
    check(SERVICE.post("/step", {"action": {"tool": "submit"}}).status == 404, "which?")
    for body in ({}, {"action": 5}, {"action": {"no": 1}}):
        reply = SERVICE.post("/step", body, headers=session)
        check(reply.status == 422 and reply.json["detail"], body, reply)
    check(SERVICE.post("/reset", {"seed": -1}).status == 422)
    last = SERVICE.post("/step", {"action": {"tool": "submit"}}, headers=cookie).json
    check(last["done"] and last["reward"] == 1, last)
    SERVICE.ask("DELETE", "/v1/episodes/" + session["X-Session-ID"])
    nothing_is_open()


def rpc(method, params=None, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, **({"params": params} if params is not None else {})}


def an_url_reaches_its_own(ask, other):
    """Through the URL of one episode nothing but that one: no other of the same client, no tool around them, no session."""
    mine = ask(rpc("openenv/session/create", {"instance_id": TWO})).json["result"]["session_id"]
    act = {"name": "bash", "arguments": {"command": "touch /testbed/reached"}}
    for call in ({**act, "arguments": {**act["arguments"], "episode_id": other}}, {**act, "session_id": other}):
        told = ask(rpc("tools/call", call), f"/mcp/{mine}").json["result"]
        check(told["isError"] and "no other episode" in told["content"][0]["text"], told)
    for name, arguments in (("open_episode", {}), ("close_episode", {"episode_id": other}), ("list_tasks", {}),
                            ("fork_episode", {"episode_id": other}), ("grade", {"instance_id": ONE, "answer": ""})):
        told = ask(rpc("tools/call", {"name": name, "arguments": arguments}), f"/mcp/{mine}").json
        check(told["error"]["code"] == -32602, name, told)
    for method in ("openenv/session/create", "openenv/session/close"):
        check(ask(rpc(method, {"session_id": other}), f"/mcp/{mine}").json["error"]["code"] == -32601, method)
    own = {"name": "bash", "arguments": {"command": "pwd", "episode_id": mine}}
    check(not ask(rpc("tools/call", own), f"/mcp/{mine}").json["result"]["isError"])
    check(SERVICE.get(f"/v1/episodes/{other}").json["turns"] == 0, "it was reached")
    check(ask(rpc("openenv/session/close", {"session_id": mine})).json["result"]["closed"])
    for path in (f"/mcp/{mine}", "/mcp/" + "0" * 26):
        check(ask(rpc("tools/list"), path).status == 404, path)


def mcp_over_http():
    def ask(message, path="/mcp"):
        return SERVICE.post(path, message, headers={"Accept": "application/json, text/event-stream"})

    begin = ask(rpc("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t"}}))
    check(begin.json["result"]["protocolVersion"] == "2025-06-18", begin)
    check(ask(rpc("initialize", {"protocolVersion": "1999"})).json["result"]["protocolVersion"] == "2025-11-25")
    note = ask({"jsonrpc": "2.0", "method": "notifications/initialized"})
    check(note.status == 202 and note.body == b"", note)
    check("2026-07-28" in ask(rpc("server/discover")).json["result"]["supportedVersions"])
    tools = ask(rpc("tools/list")).json["result"]["tools"]
    bash = next(t for t in tools if t["name"] == "bash")
    check("episode_id" in bash["inputSchema"]["properties"] and {"open_episode", "grade"} < {t["name"] for t in tools})
    opened = ask(rpc("tools/call", {"name": "open_episode", "arguments": {"instance_id": ONE}})).json["result"]
    episode = opened["structuredContent"]["episode_id"]
    check(not opened["isError"] and episode in opened["content"][0]["text"], opened)
    bound = ask(rpc("tools/list"), f"/mcp/{episode}").json["result"]["tools"]
    check(SERVICE.post("/mcp/" + "0" * 27, json.dumps(rpc("tools/list"))).status == 404)
    check(len(bound) == 8 and "episode_id" not in bound[0]["inputSchema"]["properties"], bound)
    an_url_reaches_its_own(ask, episode)
    ask(rpc("tools/call", {"name": "apply_patch", "arguments": {"patch": gold(ONE)}}), f"/mcp/{episode}")
    many = ask([rpc("tools/call", {"name": "submit", "arguments": {"episode_id": episode}}, "a"), {"jsonrpc": "2.0", "method": "x"},
                rpc("ping", number=2)]).json
    check([m["id"] for m in many] == ["a", 2] and many[0]["result"]["structuredContent"]["reward"] == 1, many)
    lost = ask(rpc("tools/call", {"name": "bash", "arguments": {"command": "ls"}})).json["result"]
    check(lost["isError"] and "open_episode" in lost["content"][0]["text"], lost)
    grade = ask(rpc("tools/call", {"name": "grade", "arguments": {"instance_id": TWO, "answer": gold(TWO)}})).json["result"]
    check(grade["structuredContent"]["reward"] == 1, grade)
    check(ask(rpc("tools/call", {"name": "close_episode", "arguments": {"episode_id": episode}})).status == 200)
    for message, code in ((rpc("nosuch"), -32601), (rpc("tools/call", {"name": "nosuch"}), -32602), (rpc("tools/call", {}), -32602),
                          ({"id": 1, "method": "ping"}, -32600), ([], -32600), (5, -32600), ({"jsonrpc": "2.0", "id": 1}, -32600),
                          ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600)):
        reply = ask(message)
        check(reply.json["error"]["code"] == code, message, reply)
    check(SERVICE.post("/mcp", b"{").json["error"]["code"] == -32700)
    # OpenEnv's sessions.
    session = ask(rpc("openenv/session/create", {})).json["result"]["session_id"]
    seen = ask(rpc("tools/call", {"name": "bash", "arguments": {"command": "pwd"}, "session_id": session})).json
    check(seen["result"]["content"][0]["text"] == "/testbed\n", seen)
    check(ask(rpc("openenv/session/close", {"session_id": session})).json["result"]["closed"])
    check("error" in ask(rpc("openenv/session/close", {"session_id": session})).json)
    nothing_is_open()


def mcp_over_pipes():
    lines = [rpc("initialize", {"protocolVersion": "2025-11-25"}), {"jsonrpc": "2.0", "method": "notifications/initialized"},
             rpc("tools/call", {"name": "open_episode", "arguments": {"instance_id": ONE}}, 2),
             rpc("tools/call", {"name": "bash", "arguments": {"command": "echo $0 | tr a-z A-Z"}}, 3),
             rpc("tools/call", {"name": "apply_patch", "arguments": {"patch": gold(ONE)}}, 4),
             rpc("tools/call", {"name": "submit"}, 5)]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "\nno json\n"
    done = subprocess.run([ASSAY, "mcp", "quick"], input=text, capture_output=True, text=True, timeout=100, check=False)
    check(done.returncode == 0, done)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    check([a["id"] for a in answers] == [1, 2, 3, 4, 5, None], done.stdout)
    check(answers[2]["result"]["content"][0]["text"].strip() == "BASH", answers[2])
    check(answers[4]["result"]["structuredContent"]["reward"] == 1, answers[4])
    check(answers[5]["error"]["code"] == -32700)


if __name__ == "__main__":
    try:
        tests(openenv_over_a_socket, a_socket_lives_while_it_works, abuse, openenv_over_http, mcp_over_http, mcp_over_pipes)
    finally:
        SERVICE.stop()
