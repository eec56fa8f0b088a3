# SPDX-License-Identifier: MIT
"""The Open Reward Standard: see serve_ors.sh."""
import http.client
import json
import os
import threading

from serve_lib import ONE, TWO, Service, check, gold, tests

RUN, READ, OTHER = "the-token-of-those-who-act-0123456", "the-token-of-those-who-look-012345", "the-token-of-somebody-else-0123456"
TOKENS = os.path.join(os.environ["WORK"], "tokens")
with open(TOKENS, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
    file.write(f"run {RUN} ours\nread {READ}\nrun {OTHER} theirs\n")
SERVICE = Service("quick", "--tokens", TOKENS)


def ask(method, path, body=None, sid=None, key=RUN, deployment="quick"):
    """As the client's session does."""
    headers = {"X-API-Key": key, "X-Deployment": deployment, "Content-Type": "application/json"}
    if sid:
        headers["X-Session-ID"] = sid
    return SERVICE.ask(method, path, body, headers)


def events(reply):
    """The events of a stream, read as the client reads them: a comment is nothing, blanks before data are stripped."""
    name, data, told = None, [], []
    for line in reply.body.decode().split("\n"):
        if not line:
            if name:
                told.append((name, "\n".join(data)))
            name, data = None, []
        elif not line.startswith(":"):
            field, value = line.split(":", 1)
            if field == "event":
                name = value.lstrip()
            else:
                data.append(value.lstrip())
    return told


def stream(path, body, sid=None, **more):
    reply = ask("POST", path, body, sid, **more)
    check(reply.status == 200 and reply.headers["Content-Type"] == "text/event-stream", reply)
    return events(reply)


def begin(**more):
    (first, sid), last = stream("/create_session", {})
    check(first == "task_id" and last == ("end", "") and len(sid) == 26, first, last)
    reply = ask("POST", "/create", more, sid)
    check(reply.status == 200 and reply.json == {"sid": sid}, reply)
    return sid


def result(told):
    check(told[0][0] == "task_id" and told[-1][0] == "end" and all(n == "chunk" for n, _ in told[1:-1]), told)
    return json.loads("".join(data for _, data in told[1:]))


def call(sid, name, **arguments):
    return result(stream("/call", {"name": name, "input": arguments}, sid))


def tasks_and_splits():
    check(ask("GET", "/list_environments").json == ["quick"])
    splits = ask("GET", "/quick/splits").json
    check(splits and all(s["name"] == s["type"] and s["name"] in ("train", "validation", "test") for s in splits), splits)
    seen = []
    for split in (s["name"] for s in splits):
        told = ask("POST", "/quick/tasks", {"split": split}).json
        check(told["env_name"] == "quick" and told == ask("POST", "/tasks", {"split": split}).json, told)
        count = ask("POST", "/quick/num_tasks", {"split": split}).json["num_tasks"]
        check(count == len(told["tasks"]) > 0, count)
        check(ask("POST", "/task", {"split": split, "index": count - 1}).json == {"task": told["tasks"][-1], "env_name": "quick"})
        for start, stop in ((None, None), (0, 1), (-1, None), (1, -1), (5, 2), (0, 10**6), (-(10**6), 2)):
            asked = {k: v for k, v in (("split", split), ("start", start), ("stop", stop)) if v is not None}
            check(ask("POST", "/task_range", asked).json["tasks"] == told["tasks"][start:stop], asked)
        for index in (count, -count - 1):
            check(ask("POST", "/task", {"split": split, "index": index}).status == 400, index)
        seen += [t["instance_id"] for t in told["tasks"]]
    check(len(seen) == len(set(seen)) == 21, seen)
    tools = ask("GET", "/quick/tools", key=READ).json
    check(all(set(t) == {"name", "description", "input_schema"} for t in tools["tools"]), tools)
    check("bash" in [t["name"] for t in tools["tools"]] and tools["terminal_tool"] is None and not tools["supports_score_group"], tools)
    for path, body, status in (("/quick/tasks", {"split": "none"}, 400), ("/quick/tasks", {}, 422), ("/quick/tasks", {"split": 1}, 422),
                               ("/quick/tasks", {"split": "train", "x": 1}, 422), ("/nosuch/tasks", {"split": "train"}, 404),
                               ("/task", {"split": "train", "index": 1.5}, 422), ("/quick/score_group", {}, 404)):
        check(ask("POST", path, body).status == status, path, body)


def an_episode():
    sid = begin(task_spec={"suite": "quick", "instance_id": ONE}, env_name="quick")
    check(ask("POST", "/create", {"task_spec": {"instance_id": ONE}}, sid).status == 400, "a session has one environment")
    blocks = ask("GET", "/quick/prompt", sid=sid).json
    check(len(blocks) == 1 and blocks[0]["type"] == "text" and blocks[0]["text"] and blocks[0]["detail"] is None, blocks)
    check(ask("GET", "/messages", sid=sid).json == [{"role": "user", "blocks": blocks, "detail": None}])
    check(ask("GET", "/quick/task_tools", sid=sid).json == ask("GET", "/tools").json)
    seen = call(sid, "bash", command="pwd; exit 3")
    check(seen["ok"] and seen["output"]["blocks"][0]["text"].startswith("/testbed\n"), seen)
    check(seen["output"]["reward"] is None and not seen["output"]["finished"] and seen["output"]["metadata"]["exit_code"] == 3, seen)
    check(call(sid, "nosuch") == {"ok": False, "error": "is not a valid tool", "reason": "not_found"})
    check(call(sid, "bash", wrong=1)["output"]["metadata"]["failed"], "what makes no sense is said")
    check(ask("POST", "/ping", {}, sid).json == {"status": "ok"})
    call(sid, "apply_patch", patch=gold(ONE))
    last = call(sid, "submit")["output"]
    check(last["finished"] and last["reward"] == 1 and last["metadata"]["verdict_cause"] == "ok", last)
    check(call(sid, "bash", command="ls")["reason"] == "episode_finished")
    check(ask("POST", "/delete", {}, sid).json == {"sid": sid} and ask("POST", "/delete_session", {}, sid).json == {"sid": sid})
    for path in ("/ping", "/quick/call"):
        check(ask("POST", path, {"name": "bash", "input": {}}, sid).status == 404, path)
    check(ask("GET", "/prompt", sid=sid).status == 404)
    check(ask("POST", "/create", {"task_spec": {"instance_id": ONE}}, sid).status == 400, "nor is one given out twice")


def long_texts_come_whole():
    """In pieces, of which none begins with what its reader strips."""
    sid = begin(task_spec={"instance_id": TWO, "observation_bytes": 200000}, env_name="quick")
    script = "import sys; sys.stdout.write(''.join(chr(c) * 3000 for c in (32, 0xa0, 0x2003, 0x3000, 0x4e2d, 34, 92, 0x1f600, 65)) + ' \\n\\t' * 3000)"
    wanted = "".join(chr(c) * 3000 for c in (32, 0xA0, 0x2003, 0x3000, 0x4E2D, 34, 92, 0x1F600, 65)) + " \n\t" * 3000
    told = stream("/call", {"name": "bash", "input": {"command": f'python3 -X utf8 -c "{script}"'}}, sid)
    check(len(told) > 4 and max(len(data.encode()) for _, data in told) <= 32768 + 16, [len(d) for _, d in told])
    check(result(told)["output"]["blocks"][0]["text"].startswith(wanted), "it comes as it was")
    ask("POST", "/delete", {}, sid)


def a_lost_stream_is_taken_up():
    sid = begin(split="train", index=0)
    body = json.dumps({"name": "bash", "input": {"command": "echo x >> /tmp/ran; sleep 4; wc -l < /tmp/ran"}})
    link = http.client.HTTPConnection("127.0.0.1", SERVICE.port, timeout=60)
    link.request("POST", "/call", body, {"X-API-Key": RUN, "X-Session-ID": sid})
    reply = link.getresponse()
    check(reply.readline() == b"event: task_id\n")
    task = reply.readline().decode().removeprefix("data: ").strip()
    check(ask("POST", "/call", {"name": "bash", "input": {"command": "ls"}}, sid).status == 409, "one call at a time")
    link.close()  # the client lost it
    told = [None, None]

    def again(place):
        told[place] = ask("POST", "/call", {"name": "bash", "input": {}, "task_id": task}, sid)

    first = threading.Thread(target=again, args=(0,))
    first.start()
    first.join()
    check(result(events(told[0]))["output"]["blocks"][0]["text"] == "1\n", "done once", told[0])
    again(1)  # and later
    check(events(told[1]) == events(told[0]), told)
    check(stream("/call", {"name": "bash", "input": {}, "task_id": "nosuch"}, sid) == [("error", "unknown task_id")])
    other = begin(task_spec={"instance_id": ONE})
    check(stream("/call", {"name": "bash", "input": {}, "task_id": task}, other) == [("error", "unknown task_id")], "not another's")
    for each in (sid, other):
        ask("POST", "/delete", {}, each)


def who_may():
    check(SERVICE.ask("POST", "/create_session", {}).status == 401)
    check(ask("POST", "/create_session", {}, key=READ).status == 403 and ask("GET", "/list_environments", key="wrong").status == 401)
    sid = begin(task_spec={"instance_id": ONE})
    for method, path in (("GET", "/prompt"), ("POST", "/ping"), ("POST", "/call")):
        check(ask(method, path, {"name": "bash", "input": {}}, sid, key=OTHER).status == 404, path)
    check(ask("POST", "/delete", {}, sid, key=OTHER).status == 200 and ask("POST", "/ping", {}, sid).status == 200, "it is still there")
    ask("POST", "/delete", {}, sid)
    for wrong in (None, "x", "../../../../../etc/passwd.", "A" * 27):
        check(ask("POST", "/create", {"task_spec": {"instance_id": ONE}}, wrong).status == 400, wrong)
    fresh = stream("/create_session", {})[0][1]
    for body, status in (({}, 400), ({"task_spec": {"instance_id": "nosuch"}}, 404), ({"task_spec": []}, 400), ({"split": "train"}, 400),
                         ({"split": "train", "index": 10**6}, 400), ({"split": "nosuch", "index": 0}, 400), ({"env_name": "nosuch", "split": "train", "index": 0}, 404),
                         ({"task_spec": {"instance_id": ONE}, "split": "train", "index": 0}, 400), ({"task_spec": {"instance_id": ONE}, "toolset_name": "codex"}, 400)):
        check(ask("POST", "/create", body, fresh).status == status, body, ask("POST", "/create", body, fresh))


try:
    tests(tasks_and_splits, an_episode, long_texts_come_whole, a_lost_stream_is_taken_up, who_may)
finally:
    SERVICE.stop()
