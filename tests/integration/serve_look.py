# SPDX-License-Identifier: MIT
"""The dashboard's files and routes: see serve_look.sh."""
import gzip
import os
import re
import socket
import sqlite3
import subprocess
import time

from serve_lib import ASSAY, ONE, QUICK, TWO, Service, check, tests

service = None


def the_files():
    page = service.get("/")
    check(page.status == 200 and page.headers["Content-Type"].startswith("text/html"), page)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    check(policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["frame-ancestors"] == "'none'", policy)
    check(not any("unsafe" in word or "http" in word or "*" in word for word in policy.values()), policy)
    names, size, seen = set(re.findall(r'(?:src|href)="(/[^"#]+)"', page.body.decode())), len(gzip.compress(page.body)), set()
    while names - seen:
        name = (names - seen).pop()
        seen.add(name)
        file = service.get(name)
        check(file.status == 200 and file.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"], name, file)
        text = file.body.decode()
        names |= {f"/ui/{n}" for n in re.findall(r'from "\./([^"]+)"', text)}
        size += len(gzip.compress(file.body))
        check("SPDX-License-Identifier: MIT" in text, name)
        check(not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), name, "makes markup of text")
        check(not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name, "names another server")
        again = service.get(name, headers={"If-None-Match": file.headers["ETag"]})
        check(again.status == 304 and not again.body, name, again)
    check({"/ui/app.js", "/ui/style.css", "/ui/list.js"} <= seen, seen)
    check(size <= 120 * 1024, "compressed", size)
    check(service.get("/ui/nosuch.js").status == 404 and service.get("/ui/..%2fapp.js").status == 404)


def runs_and_attempts():
    runs = service.get("/v1/runs").json["runs"]
    check([r["run_id"] for r in runs] == ["episodes", "empty", "gold"], "samples have no rows of their own", runs)
    check([(r["total"], r["done"], r["resolved"]) for r in runs] == [(1, 1, 1), (2, 2, 0), (2, 2, 2)], runs)
    check([r["run_id"] for r in service.get(f"/v1/runs?before={runs[1]['number']}").json["runs"]] == ["gold"])
    one = service.get("/v1/runs/gold").json
    check(one["causes"] == [{"cause": "ok", "scored": True, "resolved": True, "count": 2}], one)
    check(service.get("/v1/runs/episodes").json["causes"][0]["count"] == 2, "both samples count")
    tasks = service.get("/v1/runs/episodes/attempts").json["tasks"]
    check([(a["sample"], a["run_id"], a["resolved"]) for a in tasks[0]["attempts"]] == [(1, "episodes", True), (2, "episodes.2", True)], tasks)
    window = service.get("/v1/runs/gold/attempts?offset=1&limit=1").json
    check(window["total"] == 2 and [t["instance_id"] for t in window["tasks"]] == [TWO], window)
    turns = service.get(f"/v1/trajectories/{tasks[0]['attempts'][0]['trajectory']}").json
    check(turns["instance_id"] == ONE and turns["resolved"] and turns["patch"] and len(turns["turns"]) == turns["turn_count"] > 0, turns)
    for path in ("/v1/runs/nosuch", "/v1/runs/nosuch/attempts", f"/v1/runs/gold/attempt?instance_id={ONE}x", "/v1/trajectories/999999", "/v1/trajectories/x",
                 "/v1/trainings/nosuch", "/v1/compare?a=gold&b=nosuch", "/v1/suites/nosuch/certificates"):
        check(service.get(path).status == 404, path, service.get(path))
    for path in ("/v1/runs?limit=x", "/v1/runs?limit=100000", "/v1/runs?before=-1", "/v1/runs/gold/attempt", "/v1/compare?a=gold", "/v1/runs/gold/attempts?offset=1e3"):
        check(service.get(path).status == 400, path, service.get(path))


def one_answer():
    bad = service.get(f"/v1/runs/empty/attempt?instance_id={ONE}").json
    check(bad["verdict"]["cause"] == "tests_failed" and bad["test_count"] == len(bad["tests"]) > 2, bad)
    check({status for _, status in bad["tests"]} >= {"passed"} and bad["log"], bad)
    good = service.get(f"/v1/runs/gold/attempt?instance_id={ONE}").json
    with open(f"{QUICK}/{ONE}/gold.patch", "rb") as file:  # its lines end in CR LF
        check(good["patch"].encode() == file.read(), good)
    check(good["verdict"]["resolved"], good)
    log = f"/v1/runs/empty/log?instance_id={ONE}"
    whole = service.get(log)
    size = int(whole.headers["Assay-Log-Size"])
    check(whole.headers["Content-Type"].startswith("text/plain") and "sandbox" in whole.headers["Content-Security-Policy"] and len(whole.body) == size > 100, whole)
    part = service.get(f"{log}&offset=10&limit=20")
    check(part.body == whole.body[10:30] and part.headers["Assay-Log-Offset"] == "10", part)
    end = service.get(f"{log}&limit=7")
    check(end.body == whole.body[-7:] and end.headers["Assay-Log-Offset"] == str(size - 7), end)
    check(service.get(f"{log}&offset={size + 99}&limit=5").body == whole.body[-5:], "past the end")
    # What stands where the log stood is read only if it is a file of the store.
    with sqlite3.connect(f"{os.environ['ASSAY_HOME']}/assay.db") as db:
        path = os.path.join(os.environ["ASSAY_HOME"], db.execute("SELECT log_path FROM evaluations JOIN runs USING (run_number) WHERE run_id = 'empty' AND instance_id = ?", (ONE,)).fetchone()[0])
    os.rename(path, path + ".kept")
    check(service.get(log).status == 404, "gone")
    os.symlink("/etc/passwd", path)
    check(service.get(log).status == 500 and b"root:" not in service.get(log).body, "a link")
    os.unlink(path)
    os.mkfifo(path)
    check(service.get(log).status == 500, "a FIFO")
    os.unlink(path)
    os.rename(path + ".kept", path)


def two_runs():
    c = service.get("/v1/compare?a=empty&b=gold").json
    check(c["counts"]["fixed"] == 2 and c["counts"]["broken"] == 0 and [t["change"] for t in c["tasks"]] == ["fixed", "fixed"], c)
    c = service.get("/v1/compare?a=gold&b=episodes").json
    check(c["counts"]["none"] == 1 and c["counts"]["only_a"] == 1 and c["counts"]["only_b"] == 0, c)


def the_rest():
    fleet = service.get("/v1/fleet").json
    check(fleet["gradings"]["slots"] >= 1 and fleet["leases"]["open"] == 0 and fleet["network"]["connections"] >= 1, fleet)
    certificates = service.get("/v1/suites/quick/certificates").json["certificates"]
    check(len(certificates) == 21 and not any(c["certified"] for c in certificates), certificates[0])
    check(service.get("/v1/trainings").json == {"trainings": []})


def another_process_is_seen():
    """An event `changed` at once, and when somebody else writes to the store."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as link:
        link.sendall(b"GET /v1/events?store=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        text, until = b"", time.monotonic() + 60

        def hear(count):
            nonlocal text
            while text.count(b"event: changed") < count:
                piece = link.recv(4096)
                check(piece and time.monotonic() < until, "it was not told", text)
                text += piece

        hear(2)  # when it came, and at the first look at the store
        subprocess.run([ASSAY, "eval", "quick", "--gold", "-i", ONE, "--run-id", "another"], check=True, capture_output=True)
        hear(3)
    check(service.get("/v1/runs?limit=1").json["runs"][0]["run_id"] == "another")


def a_token_is_wanted():
    service.stop()
    path = os.path.join(os.environ["WORK"], "tokens")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write("read " + "r" * 20 + "\n")
    guarded = Service("quick", "--tokens", path)
    check(guarded.get("/").status == 200 and guarded.get("/ui/app.js").status == 200, "the files hold nothing")
    for route in ("/v1/runs", "/v1/runs/gold", f"/v1/runs/gold/log?instance_id={ONE}", "/v1/fleet", "/v1/trainings", "/v1/models"):
        check(guarded.get(route).status == 401, route)
        check(guarded.get(route, headers={"Authorization": "Bearer " + "r" * 20}).status == 200, route)
    guarded.stop()


service = Service("quick")
tests(the_files, runs_and_attempts, one_answer, two_runs, the_rest, another_process_is_seen, a_token_is_wanted)
