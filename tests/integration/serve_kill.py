# SPDX-License-Identifier: MIT
"""A service that is killed while it grades and leads episodes: see serve_kill.sh."""
import http.client
import os
import random
import sqlite3
import threading
import time

from serve_lib import ONE, TWO, Service, check, gold, tests

KILLS = int(os.environ.get("ASSAY_KILLS", "3"))


def rows(query):
    with sqlite3.connect(f"file:{os.environ['ASSAY_HOME']}/assay.db?mode=ro", uri=True, timeout=60) as db:
        return db.execute(query).fetchall()


def until(condition, seconds, *what):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, *what)
        time.sleep(0.1)


def below(pid):
    """Every process under this one, with the moment of its start: a number alone may come again."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                parents[int(entry)] = int(fields[1]), fields[19]
            except (FileNotFoundError, ProcessLookupError):
                pass
    found, more = set(), {pid}
    while more:
        more = {child for child, (parent, _) in parents.items() if parent in more} - {child for child, _ in found}
        found |= {(child, parents[child][1]) for child in more}
    return found


def alive(processes):
    left = set()
    for pid, start in processes:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[19] == start:
                    left.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return left


class Load:
    """Clients that go on asking until nobody answers, and a watcher."""

    def __init__(self, service, episodes):
        self.over = threading.Event()
        self.told = []  # of the episode that submits
        self.threads = [threading.Thread(target=self.until_cut, args=job) for job in (
            (self.look, service), (self.look, service), (self.grade, service), (self.watch, service),
            (self.work, service, episodes[0]), (self.submit, service, episodes[1]))]
        for thread in self.threads:
            thread.start()

    def until_cut(self, act, *arguments):
        try:
            act(*arguments)
        except (OSError, http.client.HTTPException):
            pass

    def look(self, service):
        while not self.over.is_set():
            service.get("/v1/fleet")

    def grade(self, service):
        while not self.over.is_set():
            service.post("/v1/grade", {"instance_id": ONE, "patch": "no patch"})

    def watch(self, service):
        service.get("/v1/events")

    def work(self, service, episode):
        service.post(f"/v1/episodes/{episode}/step", {"tool": "bash", "arguments": {"command": "sleep 300 & sleep 60"}})

    def submit(self, service, episode):
        service.post(f"/v1/episodes/{episode}/step", {"tool": "apply_patch", "arguments": {"patch": gold(TWO)}})
        self.told.append(service.post(f"/v1/episodes/{episode}/step", {"tool": "submit"}).json)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def one_kill(number, accepted, opened, worth):
    service = Service("quick", "-j", "2", "--episodes", "8")
    episodes = [service.post("/v1/episodes", {"instance_id": TWO, "shell": shell}).json["episode_id"]
                for shell in ("persistent", "fresh", "persistent", "fresh")]
    load = Load(service, episodes)
    time.sleep(random.random() / 4)
    items = [{"instance_id": i, "patch": gold(i), "timeout_s": 600 + number, "model": f"kill-{number}"} for i in (ONE, TWO)]
    reply = service.post("/v1/grade", {"items": items, "wait_s": 0})
    check(reply.status in (200, 202), reply)
    accepted |= {item["job_id"] for item in reply.json["items"]}
    opened += episodes
    time.sleep(random.random())
    boxes = below(service.process.pid)
    check(boxes, "it has a spawner")
    service.kill()
    load.end()
    worth += [(episodes[1], told["reward"]) for told in load.told if told["terminated"] and not told["pending"]]
    until(lambda: not alive(boxes), 20, "they live on:", alive(boxes))


def a_kill_loses_nothing():
    accepted, opened, worth = set(), [], []
    for number in range(KILLS):
        one_kill(number, accepted, opened, worth)
        if number % 10 == 9:
            print(f"{number + 1} kills, {len(worth)} submissions told", flush=True)
    check(len(accepted) == 2 * KILLS and len(opened) == 4 * KILLS)
    service = Service("quick", "-j", "2")
    check(service.get("/v1/episodes").json["open"] == 0, "what was open is closed")
    check(all(service.get(f"/v1/episodes/{episode}").status == 404 for episode in opened), "a session leaked")
    until(lambda: not rows("SELECT 1 FROM jobs WHERE state = 'queued'"), 300, "jobs wait")
    for job in accepted:
        told = service.get(f"/v1/jobs/{job}").json
        check(told["state"] == "finished" and told["verdict"]["reward"] == 1, told)
    # What a client was told stays so, and an episode has one row and one end.
    for episode, reward in worth:
        check(reward == 1 and service.get(f"/v1/jobs/{episode}").json["verdict"]["reward"] == 1, episode)
    until(lambda: not rows("SELECT 1 FROM episodes WHERE cause = 'running'"), 60, "episodes are led by nobody")
    ended = dict(rows("SELECT graded_in, cause FROM episodes"))
    check(set(ended) == set(opened) and set(ended.values()) <= {"infra_error", "submitted"}, ended)
    jobs = rows("SELECT job_id, count(verdicts.evaluation_number) FROM jobs JOIN runs ON run_id = job_id"
                " LEFT JOIN evaluations USING (run_number) LEFT JOIN verdicts USING (evaluation_number) GROUP BY job_id")
    check(all(count == 1 for _, count in jobs), "a verdict each:", [job for job in jobs if job[1] != 1])
    service.stop()
    print(f"{KILLS} kills: {len(jobs)} jobs, a verdict each; {len(opened)} episodes closed,"
          f" {sum(cause == 'submitted' for cause in ended.values())} of them submitted before", flush=True)


if __name__ == "__main__":
    tests(a_kill_loses_nothing)
