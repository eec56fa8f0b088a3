# SPDX-License-Identifier: MIT
"""The service as its clients meet it: see serve.sh."""
import json
import os
import socket
import subprocess
import threading
import time

from serve_lib import ASSAY, ONE, TWO, Service, check, gold, tests

WORK = os.environ["WORK"]


def count(query):
    import sqlite3
    with sqlite3.connect(f"file:{os.environ['ASSAY_HOME']}/assay.db?mode=ro", uri=True) as db:
        return db.execute(query).fetchone()[0]


def the_gate():
    path = os.path.join(WORK, "tokens")
    words = {"read": "r" * 20, "run": "u" * 20, "admin": "a" * 20}
    with open(path, "w", encoding="ascii") as file:
        file.write("# who\n" + "".join(f"{role} {word}\n" for role, word in words.items()))
    refused = subprocess.run([ASSAY, "serve", "--listen", "127.0.0.1:0", "--tokens", path],
                             capture_output=True, text=True, check=False)
    check(refused.returncode == 1 and "0600" in refused.stderr, refused)
    open_door = subprocess.run([ASSAY, "serve", "--listen", "0.0.0.0:0"], capture_output=True,
                               text=True, check=False)
    check(open_door.returncode == 2 and "--tokens" in open_door.stderr, open_door)
    os.chmod(path, 0o600)
    service = Service("quick", "--tokens", path, "--host-name", "grader.example")
    bearer = {role: {"Authorization": f"Bearer {word}"} for role, word in words.items()}
    check(service.get("/healthz").json == {"status": "ok"})
    check(service.get("/readyz").status == 200)
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic " + words["run"]}):
        reply = service.get("/v1/version", headers=headers)
        check(reply.status == 401 and reply.headers["WWW-Authenticate"] == "Bearer", reply)
    for role in words:
        check(service.get("/v1/version", headers=bearer[role]).json["role"] == role)
    body = {"instance_id": ONE, "patch": ""}
    check(service.post("/v1/grade", body, headers=bearer["read"]).status == 403)
    check(service.post("/v1/grade", body, headers=bearer["run"]).status == 200)
    episode = service.post("/v1/episodes", {"instance_id": ONE}, headers=bearer["admin"]).json["episode_id"]
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "bash", "arguments": {"command": "ls"}}}
    for role, status in (("run", 404), ("read", 404), ("admin", 200)):
        check(service.post(f"/mcp/{episode}", call, headers=bearer[role]).status == status, role)
    # A page of another site, by whatever name it reaches this port.
    for name, status in (("grader.example", 200), ("grader.example:99", 200), ("[::1]:8", 200),
                         ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403)):
        reply = service.get("/v1/version", headers={**bearer["read"], "Host": name})
        check(reply.status == status, name, reply)
    for origin, status in (("http://evil.example", 403), ("null", 403), (service.url, 200)):
        reply = service.get("/v1/version", headers={**bearer["read"], "Origin": origin})
        check(reply.status == status, origin, reply)
    reply = service.get("/v1/version", headers={**bearer["read"], "X-Request-ID": "mine-1"})
    check(reply.headers["X-Request-ID"] == "mine-1")
    reply = service.get("/v1/version", headers={**bearer["read"], "X-Request-ID": "a b\tc"})
    check(len(reply.headers["X-Request-ID"]) == 26)
    service.stop()
    with open(os.path.join(WORK, "serve.log"), "rb") as file:
        log = file.read()
    check(not any(word.encode() in log for word in words.values()), "a token is in the log")


def bad_input():
    service = Service("quick")
    good = json.dumps({"instance_id": ONE, "patch": ""})
    for body in ("", "[]", "null", "{", good[:-1], good + "x", good + good, '{"instance_id": 007}',
                 '{"a": 1, "a": 2}', '{"instance_id": "\\u0000", "patch": ""}', "\ufeff" + good,
                 '{"instance_id": "x", "patch": ' + "[" * 5000 + "]" * 5000 + "}",
                 '{"patch": ""}', '{"instance_id": 5, "patch": ""}',
                 json.dumps({"instance_id": ONE}), json.dumps({"instance_id": ONE, "patch": 5}),
                 json.dumps({"instance_id": ONE, "patch": "", "answer": ""}),
                 json.dumps({"instance_id": ONE, "patch": "", "format": "nosuch"}),
                 json.dumps({"instance_id": ONE, "patch": "", "wait_s": -1}),
                 json.dumps({"instance_id": ONE, "patch": "", "wait_s": 1e999}),
                 json.dumps({"items": {}}), json.dumps({"items": [5]}),
                 json.dumps({"items": [{"instance_id": ONE, "patch": ""}, {"instance_id": ONE}]})):
        reply = service.post("/v1/grade", body.encode())
        check(reply.status == 400 and reply.json["error"]["message"], body[:80], reply)
    check(service.post("/v1/grade", b'{"instance_id": "\xff", "patch": ""}').status == 400)
    check(service.post("/v1/grade", {"instance_id": "../../etc", "patch": ""}).status == 404)
    check(service.post("/v1/grade", {"suite": "no", "instance_id": ONE, "patch": ""}).status == 404)
    for path in ("/v1/jobs/", "/v1/jobs/..%2f..%2fetc", "/v1/jobs/%00", "/../etc/passwd", "//", "/v1/jobs/x/y",
                 "/v1/jobs/" + "x" * 300, "/v1/suites/nosuch", "/v1/verdicts/0"):
        check(service.get(path).status == 404, path, service.get(path))
    reply = service.get("/v1/grade")
    check(reply.status == 405 and reply.headers["Allow"] == "POST", reply)
    check(service.post("/v1/version", {}).status == 405)
    # No HTTP, half of it, too much of it.
    check(service.raw(b"\x16\x03\x01\x00\x00" * 20 + b"\r\n\r\n", 5)[9:12] in (b"", b"400", b"505"))
    check(b" 431 " in service.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000, 5))
    memory = service.memory_kib()
    head = b"POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    check(b" 413 " in service.raw(head, 5))
    pieces = b"POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as link:
        link.sendall(pieces)
        try:
            for _ in range(300):
                link.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
            check(False, "300 MiB were taken")
        except OSError:
            pass
    check(service.memory_kib() < memory + 150 * 1024, "memory:", memory, service.memory_kib())
    check(service.get("/healthz").status == 200)
    service.stop()


def one_answer_one_run():
    service = Service("quick", "-j", "2")
    before = count("SELECT count(*) FROM jobs")
    replies = []
    body = {"instance_id": TWO, "patch": gold(TWO), "suite": "quick"}

    def ask():
        replies.append(service.post("/v1/grade", body))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(len(replies) == 64 and all(r.status == 200 and r.json["reward"] == 1 for r in replies), replies[0])
    check(len({r.headers["Assay-Job"] for r in replies}) == 1, "more than one job")
    check(count("SELECT count(*) FROM jobs") == before + 1, "more than one row")
    check(count("SELECT count(*) FROM verdicts WHERE cacheable = 1 AND resolved = 1") == 1, "more than one run")
    job = replies[0].headers["Assay-Job"]
    told = service.get(f"/v1/jobs/{job}").json
    check(told["state"] == "finished" and told["verdict"]["resolved"] and told["tries"] == 1, told)
    verdict = service.get(f"/v1/verdicts/{told['verdict']['key']}").json
    check(verdict["key"] == told["verdict"]["key"] and verdict["cached"], verdict)
    # Many at once: in order, equal ones together; as they come; and without waiting.
    items = {"suite": "quick", "items": [body, {"instance_id": ONE, "completion": "I give up."}, body]}
    many = service.post("/v1/grade", items).json["items"]
    check([i["verdict"]["cause"] for i in many] == ["ok", "patch_rejected", "ok"], many)
    check(many[0]["job_id"] == many[2]["job_id"] == job, many)
    stream = service.post("/v1/grade", items, headers={"Accept": "text/event-stream"})
    events = [line[7:] for line in stream.body.decode().split("\n") if line.startswith("event: ")]
    check(events == ["verdict"] * 3 + ["end"], stream)
    later = service.post("/v1/grade", {**body, "no_cache": True, "wait_s": 0})
    check(later.status == 202 and later.json["state"] == "queued", later)
    for _ in range(300):
        told = service.get(f"/v1/jobs/{later.json['job_id']}").json
        if told["state"] == "finished":
            break
        time.sleep(0.1)
    check(told["verdict"]["reward"] == 1 and not told["verdict"]["cached"], told)
    check(service.post("/v1/grade", {"items": []}).json == {"items": []})
    check(len(service.get("/v1/suites/quick").json["instances"]) == 21)
    service.stop()


def metrics_add_up():
    service = Service("quick")
    for _ in range(3):
        service.post("/v1/grade", {"instance_id": ONE, "patch": "metrics"})
    service.get("/nosuch")
    reply = service.get("/metrics")
    check(reply.headers["Content-Type"].startswith("text/plain; version=0.0.4"), reply.headers)
    types, values = {}, {}
    for line in reply.body.decode().splitlines():
        if line.startswith("# TYPE "):
            name, kind = line[7:].split()
            check(name not in types, "twice:", name)
            types[name] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            check(name not in values, "twice:", name)
            values[name] = float(value)
            base = name.split("{")[0]
            check(base in types or base.rsplit("_", 1)[0] in types, "without a type:", name)
    check(values["assay_jobs_accepted_total"] == 1 and values["assay_jobs_remembered_total"] == 2, values)
    check(values['assay_gradings_total{outcome="unresolved"}'] == values["assay_grading_seconds_count{}"] == 1, values)
    check(values['assay_http_responses_total{class="4xx"}'] == 1, values)
    route = 'assay_http_request_seconds_bucket{method="POST",route="/v1/grade",le="%s"}'
    buckets = [v for k, v in values.items() if k.startswith(route.split("le=")[0])]
    check(buckets == sorted(buckets) and values[route % "+Inf"] == 3, buckets)
    service.stop()


def watchers_hear():
    service = Service("quick")
    seen = []
    heard = threading.Event()

    def watch(link):
        text = b""
        while b"event: graded" not in text:
            piece = link.recv(4096)
            if not piece:
                break
            text += piece
        seen.append(text)
        heard.set()

    with socket.create_connection(("127.0.0.1", service.port)) as link:
        link.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        hello = b""
        while b"retry:" not in hello:
            piece = link.recv(4096)
            check(piece, "no stream:", hello)
            hello += piece
        threading.Thread(target=watch, args=(link,)).start()
        service.post("/v1/grade", {"instance_id": ONE, "patch": "nothing to see"})
        check(heard.wait(30), "nothing was told")
    check(b'"cause":"patch_rejected"' in seen[0], seen)
    service.stop()


def until(condition, *what):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    check(False, *what)


def watchers_come_and_go():
    """A watcher's connection is not libmicrohttpd's any more: whoever goes is noticed without an event, and costs nothing."""
    service = Service("quick")
    before = service.descriptors()

    def watch(head=b""):
        link = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        link.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n")
        hello = b""
        while b"retry:" not in hello:
            piece = link.recv(4096)
            check(piece, "no stream:", hello)
            hello += piece
        check(hello.startswith(b"HTTP/1.1 200 OK\r\n") and b"Content-Type: text/event-stream\r\n" in hello, hello)
        return link, hello

    def streams():
        return service.get("/v1/fleet").json["network"]["streams"]

    links = [watch()[0] for _ in range(50)]
    check(b"X-Request-ID: mine\r\n" in watch(b"X-Request-ID: mine\r\n")[1])
    until(lambda: streams() == 50 and service.descriptors() <= before + 51, "open:", streams(), service.descriptors())
    for link in links[10:]:
        link.close()
    until(lambda: streams() == 10 and service.descriptors() <= before + 11, "they are gone:", streams(), service.descriptors())
    try:  # one that talks is no listener
        for _ in range(64):
            links[0].sendall(b"x" * 65536)
        check(links[0].recv(1) == b"", "it goes on")
    except OSError:
        pass
    until(lambda: streams() == 9, "it is cut:", streams())
    service.post("/v1/grade", {"instance_id": ONE, "patch": "and still"})
    check(all(b"event: graded" in link.recv(4096) for link in links[1:10]))
    service.stop()
    check(all(link.recv(4096) == b"" for link in links[1:10]), "their end")


def one_client_is_held_back():
    path = os.path.join(WORK, "rates")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write("".join(f"read {name * 20} {name}\n" for name in "pq"))
    service = Service("quick", "--tokens", path, "--rate", "1")
    of = {name: {"Authorization": "Bearer " + name * 20} for name in "pq"}
    got = [service.get("/v1/version", headers=of["p"]) for _ in range(20)]
    check({r.status for r in got} == {200, 429} and got[0].status == 200, got)
    check(all(r.headers["Retry-After"] and r.json["error"]["code"] == "rate" for r in got if r.status == 429), got)
    check(service.get("/v1/version", headers=of["q"]).status == 200, "the other one is not")
    check(all(service.get("/healthz").status == 200 for _ in range(5)), "what needs no token has no limit")
    service.stop()


def a_full_queue_says_so():
    service = Service("quick", "-j", "1", "--queue", "1")
    statuses = []

    def ask(number):
        statuses.append(service.post("/v1/grade", {"instance_id": ONE, "patch": gold(ONE), "no_cache": True,
                                                   "model": f"m{number}"}))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = sorted(r.status for r in statuses)
    check(set(got) <= {200, 429} and got[0] == 200 and got[-1] == 429, got)
    check(all(r.headers["Retry-After"] for r in statuses if r.status == 429))
    service.stop()


def slow_clients_are_cut():
    service = Service("quick", "--patience", "1")
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as link:
        cut = False
        for letter in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 100:
            try:
                link.sendall(bytes([letter]))
                time.sleep(0.05)
            except OSError:
                cut = True
                break
        check(cut or link.recv(10) == b"", "it may take for ever")
    check(service.get("/healthz").status == 200)
    service.stop()


def a_stop_keeps_what_is_left():
    service = Service("quick", "-j", "1", "--drain", "0")
    body = {"items": [{"instance_id": ONE, "patch": gold(ONE), "timeout_s": 900 + i} for i in range(16)], "wait_s": 600}
    replies = []
    thread = threading.Thread(target=lambda: replies.append(service.post("/v1/grade", body)))
    thread.start()
    while count("SELECT count(*) FROM jobs WHERE state = 'queued'") == 0:
        time.sleep(0.01)
    service.stop()
    thread.join()
    check(replies[0].status == 202, replies)
    states = {item["state"] for item in replies[0].json["items"]}
    check("stopped" in states, states)
    service = Service("quick")
    check(all(i["verdict"]["reward"] == 1 for i in service.post("/v1/grade", body).json["items"]))
    service.stop()
    check(count("SELECT count(*) FROM jobs WHERE state = 'queued'") == 0)


if __name__ == "__main__":
    tests(the_gate, bad_input, one_answer_one_run, metrics_add_up, watchers_hear, watchers_come_and_go,
          one_client_is_held_back, a_full_queue_says_so, slow_clients_are_cut, a_stop_keeps_what_is_left)
