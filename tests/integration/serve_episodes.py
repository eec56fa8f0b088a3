# SPDX-License-Identifier: MIT
"""Episodes over HTTP in the service's own words: see serve_episodes.sh."""
import json
import os
import sqlite3
import subprocess
import threading
import time

from serve_lib import ASSAY, ONE, TWO, Service, check, gold, tests

WORK = os.environ["WORK"]


def begin(service, instance=ONE, **more):
    reply = service.post("/v1/episodes", {"instance_id": instance, **more})
    check(reply.status == 201, reply)
    return reply.json["episode_id"]


def step(service, episode, tool, **arguments):
    return service.post(f"/v1/episodes/{episode}/step", {"tool": tool, "arguments": arguments})


def wait_until_busy(service, episode):
    for _ in range(1000):
        if service.get(f"/v1/episodes/{episode}").json["busy"]:
            return
        time.sleep(0.01)
    check(False, "no step is under way")


def from_reset_to_reward():
    service = Service("quick")
    reply = service.post("/v1/episodes", {"instance_id": ONE, "seed": 7})
    check(reply.status == 201, reply)
    told = reply.json
    check(told["workdir"] == "/testbed" and told["problem"] and len(told["tools"]) >= 8, told)
    episode = told["episode_id"]
    seen = step(service, episode, "bash", command="cd tests && X=5 && ls").json
    check("test_reader.py" in seen["observation"]["text"] and seen["observation"]["exit_code"] == 0, seen)
    check(seen["reward"] is None and not seen["terminated"] and not seen["truncated"] and seen["turns"] == 1, seen)
    seen = step(service, episode, "bash", command="pwd; echo $X; exit 3").json["observation"]
    check(seen["text"].startswith("/testbed/tests\n5") and seen["exit_code"] == 3, seen)
    seen = step(service, episode, "dance").json["observation"]
    check(seen["failed"] and "dance" in seen["text"], seen)
    check(not step(service, episode, "apply_patch", patch=gold(ONE)).json["observation"]["failed"])
    last = step(service, episode, "submit").json
    check(last["reward"] == 1 and last["terminated"] and not last["truncated"], last)
    check(last["cause"] == "submitted" and last["verdict"]["resolved"] and last["verdict"]["run_id"] == episode, last)
    check(step(service, episode, "bash", command="ls").status == 409)
    again = service.post(f"/v1/episodes/{episode}/grade", {}).json
    check(again["reward"] == 1 and again["verdict"]["key"] == last["verdict"]["key"], again)
    check(service.ask("DELETE", f"/v1/episodes/{episode}").json["closed"])
    check(service.get(f"/v1/episodes/{episode}").status == 404)
    # Recorded like any other.
    shown = subprocess.run([ASSAY, "episodes", "list", episode, "--json"], capture_output=True, text=True, check=True)
    row = json.loads(shown.stdout.splitlines()[-1])
    check(row["instance_id"] == ONE and row["cause"] == "submitted" and row["turns"] == 5, row)
    service.stop()


def forks_and_patches():
    service = Service("quick")
    first = begin(service, shell="fresh")
    step(service, first, "bash", command="echo one >a.txt")
    step(service, first, "bash", command="echo two >b.txt")
    second = service.post(f"/v1/episodes/{first}/fork", {"turn": 1})
    check(second.status == 201 and second.json["turns"] == 1 and second.json["differs"] == 0, second)
    third = service.post(f"/v1/episodes/{first}/fork", None).json["episode_id"]
    second = second.json["episode_id"]
    check(service.ask("DELETE", f"/v1/episodes/{first}").status == 200, "a fork outlives its parent")
    seen = step(service, second, "bash", command="ls *.txt").json["observation"]["text"]
    check("a.txt" in seen and "b.txt" not in seen, seen)
    check("b.txt" in step(service, third, "bash", command="ls *.txt").json["observation"]["text"])
    patch = service.post(f"/v1/episodes/{third}/patch", None).json["patch"]
    check("+++ b/a.txt" in patch and "+two" in patch, patch)
    check(service.post(f"/v1/episodes/{third}/grade", None).json["reward"] == 0)
    check(service.post(f"/v1/episodes/{second}/fork", {"turn": 9}).status == 400)
    check(service.post(f"/v1/episodes/{third}/fork", None).status == 409, "its box is gone")
    check(service.get("/v1/episodes").json["open"] == 2)
    service.stop()


def limits_and_leases():
    service = Service("quick", "--episodes", "3", "--idle", "4", "-j", "2")
    one = begin(service, turns=1)
    last = step(service, one, "bash", command="true").json
    check(last["truncated"] and last["cause"] == "turn_limit" and last["reward"] == 0, last)
    two, three = begin(service), begin(service, TWO)
    full = service.post("/v1/episodes", {"instance_id": ONE})
    check(full.status == 429 and full.headers["Retry-After"], full)
    slow = []
    thread = threading.Thread(target=lambda: slow.append(step(service, two, "bash", command="sleep 6; echo done")))
    thread.start()
    wait_until_busy(service, two)
    check(step(service, two, "bash", command="true").status == 409, "one step at a time")
    thread.join()
    check("done" in slow[0].json["observation"]["text"], "work is no idleness")
    for _ in range(300):
        if service.get("/v1/episodes").json["open"] == 0:
            break
        time.sleep(0.1)
    check(service.get("/v1/episodes").json["open"] == 0, "who is silent loses it")
    check(step(service, three, "bash", command="true").status == 404)
    # Closed in the middle of a step.
    four = begin(service)
    thread = threading.Thread(target=lambda: slow.append(step(service, four, "bash", command="sleep 60")))
    began = time.monotonic()
    thread.start()
    wait_until_busy(service, four)
    check(service.post(f"/v1/episodes/{four}/close", None).status == 200)
    thread.join()
    check(time.monotonic() - began < 55 and slow[1].status == 503, slow[1])
    for body in ({"instance_id": "no"}, {"suite": "no"}, {"instance_id": ONE, "turns": 0}, {"instance_id": ONE, "x": 1},
                 {"instance_id": ONE, "shell": "zsh"}, {"seed": -1}):
        check(service.post("/v1/episodes", body).status in (400, 404), body)
    five = begin(service, instance=None, seed=3)
    for body in ({}, {"tool": 5}, {"tool": "bash", "arguments": []}, {"tool": "bash", "more": 1}):
        check(service.post(f"/v1/episodes/{five}/step", body).status == 400, body)
    service.stop()


def each_has_its_own():
    path = os.path.join(WORK, "tokens")
    with open(path, "w", encoding="ascii") as file:
        file.write("run aaaaaaaaaaaaaaaaaaaa anna\nrun bbbbbbbbbbbbbbbbbbbb bert\nadmin cccccccccccccccccccc\n")
    os.chmod(path, 0o600)
    service = Service("quick", "--tokens", path)
    anna, bert, admin = ({"Authorization": "Bearer " + letter * 20} for letter in "abc")
    episode = service.post("/v1/episodes", {"instance_id": ONE}, headers=anna).json["episode_id"]
    for method, tail in (("POST", "/step"), ("POST", "/fork"), ("POST", "/patch"), ("POST", "/grade"), ("DELETE", "")):
        reply = service.ask(method, f"/v1/episodes/{episode}{tail}", {"tool": "submit"}, headers=bert)
        check(reply.status == 404, method, tail, reply)
    check(service.ask("DELETE", f"/v1/episodes/{episode}", headers=admin).status == 200)
    service.stop()


def a_killed_service_leaves_no_running_episode():
    def cause(episode):
        with sqlite3.connect(f"{os.environ['ASSAY_HOME']}/assay.db") as db:
            return db.execute("SELECT cause, turn_count FROM episodes WHERE graded_in = ?", (episode,)).fetchone()

    first = Service("quick")
    episode = begin(first)
    check(step(first, episode, "bash", command="true").status == 200)
    second = Service("quick")  # the first one lives: what it leads stays as it is
    check(second.get("/healthz").status == 200 and cause(episode)[0] == "running", cause(episode))
    second.stop()
    first.kill()
    with sqlite3.connect(f"{os.environ['ASSAY_HOME']}/assay.db", timeout=60) as db:
        db.execute("UPDATE claims SET expires_ms = 0 WHERE key = ?", (episode,))  # as they do in ten seconds
    third = Service("quick")
    for _ in range(600):
        if cause(episode)[0] != "running":
            break
        time.sleep(0.1)
    check(cause(episode) == ("infra_error", 1), cause(episode))
    third.stop()


def many_at_once():
    service = Service("quick", "-j", "2")
    rewards = []

    def play(number):
        episode = begin(service, TWO if number % 2 else ONE, shell="fresh" if number % 3 else "persistent")
        if number % 4:
            step(service, episode, "apply_patch", patch=gold(TWO if number % 2 else ONE))
        last = step(service, episode, "submit").json
        while last["pending"]:
            last = service.post(f"/v1/episodes/{episode}/grade", None).json
        rewards.append((bool(number % 4), last["reward"]))
        service.ask("DELETE", f"/v1/episodes/{episode}")

    threads = [threading.Thread(target=play, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(len(rewards) == 16 and all(worth == float(solved) for solved, worth in rewards), rewards)
    check(service.get("/v1/episodes").json["open"] == 0)
    # What is open at the end is cut off; a kill leaves no box, which no_leftovers sees.
    begin(service)
    service.stop()
    service = Service("quick")
    begin(service)
    service.kill()
    service = Service("quick")
    check(service.get("/v1/episodes").json["open"] == 0)
    service.stop()


if __name__ == "__main__":
    tests(from_reset_to_reward, forks_and_patches, limits_and_leases, each_has_its_own, a_killed_service_leaves_no_running_episode, many_at_once)
