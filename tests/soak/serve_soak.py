# SPDX-License-Identifier: MIT
"""A service at work for long: see serve_soak.sh. It works in rounds and rests between them; at rest it is measured."""
import json
import os
import socket
import statistics
import threading
import time

from serve_kill import below
from serve_lib import ONE, TWO, Service, check, gold
from serve_socket import TEXT, WebSocket

SECONDS = float(os.environ.get("ASSAY_SOAK_SECONDS", "1800"))
WARM_ROUNDS = 3  # zygotes, pools, the store's pages
RSS_SHARE, RSS_KIB = 0.05, 4096  # that the last third of the rests may have over the first


def fill(service):
    """Answers that cost nothing, until the store is larger than the pages of it that a connection keeps: those are not to
    be taken for what is measured."""
    for number in range(40):
        patches = [f"--- a/none-{number}-{i}\n+++ b/none-{number}-{i}\n@@ -1 +1 @@\n-{i}\n+x\n" for i in range(40)]
        many = service.post("/v1/grade", {"items": [{"instance_id": ONE, "patch": patch} for patch in patches]})
        check(all(item["verdict"]["cause"] == "patch_rejected" for item in many.json["items"]), many)


def grade(service, number):
    """Answers that nobody gave before, together with one that everybody gives; some as a stream, some not waited for."""
    fresh = gold(ONE) + f"--- /dev/null\n+++ b/notes-{number}.txt\n@@ -0,0 +1 @@\n+{number}\n"
    items = [{"instance_id": ONE, "patch": fresh}, {"instance_id": TWO, "patch": gold(TWO)}, {"instance_id": ONE, "patch": "no"}]
    many = service.post("/v1/grade", {"items": items}).json["items"]
    check([item["verdict"]["reward"] for item in many] == [1, 1, 0], many)
    stream = service.post("/v1/grade", {"items": items}, headers={"Accept": "text/event-stream"})
    check(stream.body.count(b"event: verdict") == 3, stream)
    service.post("/v1/grade", {"instance_id": TWO, "patch": gold(TWO), "no_cache": True, "wait_s": 0})
    ask = {"completions": [gold(TWO)], "instance_id": [TWO]}
    check(service.post("/v1/reward/trl", ask).json == [1])


def play(service, number):
    """Episodes that end in each way: submitted, given back, forked, cut off by a client that goes."""
    ids = [service.post("/v1/episodes", {"instance_id": TWO, "shell": shell, "idle_s": 5}).json["episode_id"]
           for shell in ("persistent", "fresh")]
    for episode in ids:
        step = service.post(f"/v1/episodes/{episode}/step", {"tool": "bash", "arguments": {"command": f"echo {number}"}})
        check(step.json["observation"]["text"] == f"{number}\n", step)
    ids.append(service.post(f"/v1/episodes/{ids[0]}/fork", {}).json["episode_id"])
    service.post(f"/v1/episodes/{ids[0]}/step", {"tool": "apply_patch", "arguments": {"patch": gold(TWO)}})
    check(service.post(f"/v1/episodes/{ids[0]}/step", {"tool": "submit", "wait_s": 60}).json["reward"] == 1)
    for episode in ids[:2]:
        service.ask("DELETE", f"/v1/episodes/{episode}")
    player = WebSocket(service, "/ws")  # the fork stays, and is reaped
    player.ask({"type": "reset", "data": {"instance_id": ONE}})
    player.frame(TEXT, json.dumps({"type": "step", "data": {"tool": "bash", "arguments": {"command": "sleep 2"}}}))
    player.close()


def bother(service):
    """What no client should send, and watchers that come and go."""
    links = []
    for _ in range(20):
        links.append(socket.create_connection(("127.0.0.1", service.port), timeout=30))
        links[-1].sendall(b"GET /v1/events?store=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for body in (b"{", b"[" * 5000, b'{"instance_id": 007}', b"\xff" * 100000):
        check(service.post("/v1/grade", body).status == 400)
    service.raw(b"\x16\x03\x01" * 50 + b"\r\n\r\n", 5)
    check(service.get("/nosuch").status == 404 and service.get("/metrics").status == 200)
    half = socket.create_connection(("127.0.0.1", service.port))
    half.sendall(b"POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(0.5)  # what is gone while its head is read is noticed by libmicrohttpd 75 s later
    for link in links + [half]:
        link.close()


def at_rest(service):
    """Once nothing is queued, open or connected: resident KiB, descriptors, processes below it."""
    end = time.monotonic() + 120
    while True:
        fleet = service.get("/v1/fleet").json
        busy = (fleet["gradings"]["queued"] + fleet["gradings"]["running"] + fleet["leases"]["open"] + fleet["network"]["streams"]
                + fleet["network"]["sockets"] + max(0, fleet["network"]["connections"] - 1))
        if busy == 0:
            break
        check(time.monotonic() < end, "it does not come to rest:", fleet)
        time.sleep(0.2)
    time.sleep(1)
    return service.memory_kib(), service.descriptors(), len(below(service.process.pid))


def main():
    service = Service("quick", "-j", "2", "--patience", "5")
    fill(service)
    rests, number, began = [], 0, time.monotonic()
    while time.monotonic() - began < SECONDS or number < WARM_ROUNDS + 6:
        number += 1
        work = [threading.Thread(target=act) for act in (
            lambda n=number: grade(service, n), lambda n=number: play(service, n), lambda: bother(service))]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        rest = at_rest(service)
        if number > WARM_ROUNDS:
            rests.append(rest)
        if number % 10 == 1:
            print(f"{time.monotonic() - began:.0f} s, round {number}: {rest[0]} KiB, {rest[1]} descriptors, {rest[2]} processes",
                  flush=True)
    seconds = time.monotonic() - began
    third = len(rests) // 3
    first, last = rests[:third], rests[-third:]
    print(f"{seconds:.0f} s, {number} rounds; at rest first and last: {rests[0][0]} and {rests[-1][0]} KiB,"
          f" {rests[0][1]} and {rests[-1][1]} descriptors, {rests[0][2]} and {rests[-1][2]} processes", flush=True)
    grown = statistics.median(r[0] for r in last) - statistics.median(r[0] for r in first)
    check(grown <= RSS_SHARE * first[0][0] + RSS_KIB, "memory grew by", grown, "KiB")
    for what, name in ((1, "descriptors"), (2, "processes")):
        check(statistics.median(r[what] for r in last) <= max(r[what] for r in first), name, [r[what] for r in rests])
    service.stop()


if __name__ == "__main__":
    main()
