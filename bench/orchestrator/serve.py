# SPDX-License-Identifier: MIT
"""The service under load: requests for status, watchers, sessions, equal answers, and what a grading costs on top.

    python3 bench/orchestrator/serve.py [--json] [--watchers N] [--sessions N] [--seconds N]

$ASSAY_BUILD_DIR names the build (build/release); `wrk` makes the load of status requests. Every part has a service of
its own over one home that is made anew.
"""
import argparse
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tests/integration"))
os.environ.setdefault("ASSAY_BUILD_DIR", "build/release")
WORK = tempfile.mkdtemp(prefix="assay-bench-serve-")
os.environ.update(WORK=WORK, ASSAY_HOME=f"{WORK}/home")
from serve_lib import ASSAY, ONE, Service, gold  # noqa: E402

FIGURES = []


def figure(metric, value, unit, bound, met, spread=None, **more):
    FIGURES.append({"bench": "serve", "metric": metric, "value": round(value, 3), "unit": unit, "spread": spread,
                    "peer": None, "peer_value": None, "ratio": None, "bound": bound, "met": met, **more})


def status_requests(seconds):
    if shutil.which("wrk") is None:
        print("wrk is not installed: no figure of status requests", file=sys.stderr)
        return
    service = Service("quick")
    job = service.post("/v1/grade", {"instance_id": ONE, "patch": ""}).headers["Assay-Job"]
    for path, bound in (("/healthz", 40000), ("/v1/version", 40000), (f"/v1/jobs/{job}", None)):
        done = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", service.url + path],
                              capture_output=True, text=True, check=True).stdout
        rate = float(next(line for line in done.splitlines() if line.startswith("Requests/sec")).split()[1])
        p99 = next(line.split()[1] for line in done.splitlines() if line.strip().startswith("99%"))
        name = path.replace(job, "ID")
        figure(f"GET {name}, 64 connections", rate, "requests/s", f">= {bound}" if bound else "-",
               "-" if bound is None else "yes" if rate >= bound else "no", spread=f"p99 {p99}")
    service.stop()


def watchers(count):
    """Every watcher hears each event; how late, and what a watcher costs the service in memory."""
    service = Service("quick")
    before = service.memory_kib()
    selector, links = selectors.DefaultSelector(), []
    for _ in range(count):
        link = socket.create_connection(("127.0.0.1", service.port))
        link.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        links.append(link)
        selector.register(link, selectors.EVENT_READ)
    left = set(links)
    while left:
        for key, _ in selector.select(10):
            if b"retry" in key.fileobj.recv(4096):
                left.discard(key.fileobj)
    each = (service.memory_kib() - before) / count
    late = []
    for number in range(5):
        sent = []
        thread = threading.Thread(target=lambda n=number, s=sent: (
            s.append(time.monotonic()), service.post("/v1/grade", {"instance_id": ONE, "patch": f"event {n}"})))
        thread.start()
        waiting, began = set(links), None
        while waiting:
            for key, _ in selector.select(10):
                if b"event: graded" in key.fileobj.recv(4096):
                    began = began or time.monotonic()
                    late.append((time.monotonic() - began) * 1000)
                    waiting.discard(key.fileobj)
        thread.join()
    late.sort()
    for link in links:
        link.close()
    p99 = late[int(len(late) * 0.99)]
    figure(f"{count} watchers: p99 of the last over the first to hear", p99, "ms", "<= 250", "yes" if p99 <= 250 else "no",
           spread=f"p50 {late[len(late) // 2]:.0f}; the watchers share the processors with the service")
    figure(f"{count} watchers: memory of each", each, "KiB", "<= 5", "yes" if each <= 5 else "no")
    service.stop()


def sessions(count):
    service = Service("quick", "--episodes", str(count))
    took, ids = [], []

    def open_some(number):
        for _ in range(number):
            began = time.monotonic()
            reply = service.post("/v1/episodes", {"instance_id": ONE, "shell": "fresh"})
            took.append((time.monotonic() - began) * 1000)
            ids.append(reply.json["episode_id"])

    threads = [threading.Thread(target=open_some, args=(count // 8,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened = service.get("/v1/episodes").json["open"]
    steps = []
    for episode in ids[::max(1, len(ids) // 64)]:
        began = time.monotonic()
        seen = service.post(f"/v1/episodes/{episode}/step", {"tool": "bash", "arguments": {"command": "echo hi"}})
        steps.append((time.monotonic() - began) * 1000)
        assert seen.json["observation"]["text"] == "hi\n", seen
    figure("episodes open at once", opened, "episodes", f">= {count}", "yes" if opened >= count else "no",
           spread=f"opening: median {statistics.median(took):.0f} ms, eight at a time")
    figure("a step among them: median", statistics.median(steps), "ms", "-", "-", spread=f"most {max(steps):.1f}")
    service.stop()


def equal_answers(count):
    service = Service("quick")
    before = service.get("/metrics").body.decode()
    body = json.dumps({"instance_id": ONE, "patch": gold(ONE), "wait_s": 60}).encode()
    request = (b"POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
    links = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(count)]
    for link in links:
        link.sendall(request)
    good = sum(b'"reward":1' in b"".join(iter(lambda l=link: l.recv(65536), b"")) for link in links)
    value = lambda text: float(next(l for l in text.splitlines() if l.startswith("assay_gradings_executed_total")).split()[1])
    runs = value(service.get("/metrics").body.decode()) - value(before)
    figure(f"runs that {count} equal answers at once cost", runs, "runs", "<= 1", "yes" if runs <= 1 and good == count else "no",
           spread=f"{good} heard their reward")
    service.stop()


def ask(link, body):
    body = json.dumps(body).encode()
    began = time.monotonic()
    link.sendall((b"POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)) + body)
    got = b""
    while not got.endswith(b"}\n"):
        got += link.recv(65536)
    return (time.monotonic() - began) * 1000


def overhead():
    """What the service adds: an answer that was graded before runs nothing and waits for no disk; and one whose verdict
    is known under another job is accepted, looked up and recorded."""
    service = Service("quick")
    answer = {"instance_id": ONE, "patch": gold(ONE)}
    with socket.create_connection(("127.0.0.1", service.port)) as link:
        ask(link, answer)
        known = sorted(ask(link, answer) for _ in range(300))
        # White space around a patch is another answer, and the same edits: the verdict's key is the same.
        fresh = sorted(ask(link, {**answer, "patch": gold(ONE) + "\n" * (i + 1)}) for i in range(60))
    figure("an answer that was graded before: p50", known[150], "ms", "<= 2", "yes" if known[150] <= 2 else "no",
           spread=f"p99 {known[297]:.2f}")
    figure("a new job whose verdict is known: p50", fresh[30], "ms", "-", "-", spread=f"p90 {fresh[54]:.1f}; three commits to disk")
    service.stop()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--json", action="store_true")
    options.add_argument("--watchers", type=int, default=10000)
    options.add_argument("--sessions", type=int, default=512)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--only")
    given = options.parse_args()
    subprocess.run([ASSAY, "suite", "add", "tasks/data/quick"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = {"status": lambda: status_requests(given.seconds), "watchers": lambda: watchers(given.watchers),
             "sessions": lambda: sessions(given.sessions), "equal": lambda: equal_answers(1000), "overhead": overhead}
    try:
        for name, part in parts.items():
            if given.only in (None, name):
                part()
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    for f in FIGURES:
        print(json.dumps(f) if given.json else f"{f['metric']}: {f['value']} {f['unit']} ({f['bound']}: {f['met']}; {f['spread']})")


if __name__ == "__main__":
    main()
