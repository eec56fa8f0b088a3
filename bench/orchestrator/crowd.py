#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A whole run with as many episodes alive as it has samples: `assay run ... -n 256 -j 256`.

    python3 bench/orchestrator/crowd.py [--json] [--episodes 256]

Each episode is led by a program of its own (sh). It acts in its box, waits until every other has done so, acts again and submits.
Alive are those that the store calls running and that have acted; seconds are of the whole command. $ASSAY_BUILD_DIR names the
build (build/release).
"""
import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time

ASSAY = os.path.join(os.environ.get("ASSAY_BUILD_DIR", "build/release"), "assay")
AGENT = """read -r reset
echo '{"tool": "bash", "arguments": {"command": "pwd"}}'
read -r seen
while [ ! -e %s ]; do sleep 0.2; done
echo '{"tool": "bash", "arguments": {"command": "echo yes >state"}}'
read -r seen
echo '{"tool": "submit"}'
read -r seen
"""
ALIVE = ("SELECT count(*) FROM episodes AS e WHERE cause = 'running' AND EXISTS "
         "(SELECT 1 FROM turns AS t WHERE t.episode_number = e.episode_number)")


def write_suite(path):
    os.makedirs(f"{path}/crowd__c-1/base")
    recipe = {"base": "host", "setup": [], "env": {}, "workdir": "/testbed"}
    instance = {"schema": 1, "instance_id": "crowd__c-1", "repo": "a/b", "base": {"dir": "base"}, "recipe": "r",
                "test_cmd": ["sh", "run.sh"], "framework": "exit", "FAIL_TO_PASS": ["exit_status"], "PASS_TO_PASS": [],
                "task": "repair", "protected_allowed": [], "tags": [],
                "limits": {"wall_ms": 60000, "cpu_ms": 30000, "memory_bytes": 67108864}}
    files = {"suite.json": json.dumps({"schema": 1, "name": "crowd", "version": "1", "recipes": {"r": recipe}}),
             "crowd__c-1/instance.json": json.dumps(instance), "crowd__c-1/base/state": "no\n",
             "crowd__c-1/base/run.sh": "grep -q yes state\n", "crowd__c-1/problem.md": "problem\n",
             "crowd__c-1/gold.patch": "--- a/state\n+++ b/state\n@@ -1 +1 @@\n-no\n+yes\n",
             "crowd__c-1/test.patch": "--- /dev/null\n+++ b/t.txt\n@@ -0,0 +1 @@\n+t\n"}
    for name, text in files.items():
        with open(f"{path}/{name}", "w") as file:
            file.write(text)


def count_alive(database):
    try:
        db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            return db.execute(ALIVE).fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error:  # not made yet, or busy for a moment
        return 0


def measure(work, episodes, limit_s):
    """Seconds until all are alive, how many were at most, seconds of the whole, its summary."""
    env = {**os.environ, "ASSAY_HOME": f"{work}/home", "CI": "1"}
    write_suite(f"{work}/suite")
    subprocess.run([ASSAY, "suite", "add", f"{work}/suite"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(f"{work}/agent.sh", "w") as file:
        file.write(AGENT % f"{work}/go")
    began, most, full = time.monotonic(), 0, None
    with open(f"{work}/out", "w") as out:
        run = subprocess.Popen([ASSAY, "run", "crowd", "--actor", f"command:sh {work}/agent.sh", "-n", str(episodes), "-j", str(episodes),
                                "--json"], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
        try:
            while full is None and run.poll() is None and time.monotonic() < began + limit_s:
                most = max(most, count_alive(f"{work}/home/assay.db"))
                if most == episodes:
                    full = time.monotonic() - began
                time.sleep(0.1)
            open(f"{work}/go", "w").close()
            run.wait(timeout=limit_s)
        finally:
            run.kill()
            run.wait()
    with open(f"{work}/out") as file:
        lines = file.read().splitlines()
    return full, most, time.monotonic() - began, json.loads(lines[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--episodes", type=int, default=256)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="assay-bench-crowd-")
    try:
        full, most, whole, summary = measure(work, args.episodes, 240)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    n = args.episodes
    fine = summary["resolved"] == summary["episodes"] == n
    rows = [(f"assay run -n {n} -j {n}: alive at once", most, "episodes", f">= {n}", most >= n,
             "not all" if full is None else f"after {full:.1f} s"),
            (f"assay run -n {n} -j {n}: to the last verdict", whole, "s", None, None,
             f"{summary['resolved']} of {summary['episodes']} resolved, {summary['turns']} turns")]
    for metric, value, unit, bound, met, spread in rows:
        if args.json:
            print(json.dumps({"bench": "crowd", "metric": metric, "value": round(value, 2), "unit": unit, "spread": spread, "peer": None,
                              "peer_value": None, "ratio": None, "bound": bound, "met": met}))
        else:
            print(f"{metric:52} {value:10.2f} {unit:10} {spread}{', bound ' + bound if bound else ''}")
    return 0 if fine and most >= n else 1


if __name__ == "__main__":
    raise SystemExit(main())
