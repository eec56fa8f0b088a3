#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What suites take: disk of 500 instances over 25 commits each of 20 repositories, and the time of one more; how fast a history is mined.

    python3 bench/orchestrator/suites.py [--json] [--repositories 20] [--commits 25] [--files 120] [--mined 24]

Repositories are made of the host's own Python modules, some of which change with each commit. $ASSAY_BUILD_DIR names the
build (build/release). Bytes are blocks of the home as `du` counts them, folders of trees and the database included, against the
bytes of every different content once; seconds are whole commands, process start included. What is mined is a history of which every
commit changes a module and its test, so each is a candidate and costs four runs of pytest (two before, two after), as `suite mine` has it.
"""
import argparse
import glob
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time

ASSAY = os.path.join(os.environ.get("ASSAY_BUILD_DIR", "build/release"), "assay")


def git(repo, *args):
    command = ["git", "-C", repo, "-c", "user.name=b", "-c", "user.email=b@localhost", *args]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def blocks(path):
    return 512 * int(subprocess.run(["du", "-s", "-B512", path], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[0])


class Repository:
    """Modules of the host, of which four change with each commit; `contents` is what there ever was."""

    def __init__(self, work, number, sources, contents):
        self.name, self.path, self.contents = f"r{number}", f"{work}/repos/bench__r{number}", contents
        self.rng, self.commits = random.Random(number), []
        for i, source in enumerate(sources):
            target = f"{self.path}/pkg{i % 12}/m{i}.py"
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
        subprocess.run(["git", "init", "-q", self.path], check=True)

    def commit(self):
        files = sorted(glob.glob(f"{self.path}/*/*.py"))
        for path in self.rng.sample(files, 4):
            with open(path, "a") as file:
                file.write(f"\n# change {len(self.commits)} of {self.name} {self.rng.random()}\n")
        git(self.path, "add", "-A")
        git(self.path, "commit", "-q", "-m", f"change {len(self.commits)}")
        self.commits.append(git(self.path, "rev-parse", "HEAD").strip())
        for path in files:
            with open(path, "rb") as file:
                data = file.read()
            self.contents[hashlib.sha256(data).digest()] = len(data)

    def row(self, commit):
        patch = "--- a/pkg0/m0.py\n+++ b/pkg0/m0.py\n@@ -1,0 +1,1 @@\n+# gold\n"
        return {"repo": f"bench/{self.name}", "instance_id": f"bench__{self.name}-{self.commits.index(commit)}", "base_commit": commit,
                "patch": patch, "test_patch": "", "problem_statement": "p", "version": "1", "FAIL_TO_PASS": ["t.py::t"], "PASS_TO_PASS": []}


def add(work, name, rows):
    path = f"{work}/{name}.jsonl"
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    began = time.monotonic()
    subprocess.run([ASSAY, "suite", "add", path, "--name", name, "--repos", f"{work}/repos", "--test-cmd", "pytest", "--framework",
                    "pytest"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def mine(work, count):
    """Candidates a minute and core, of a history in which every commit is one that is kept."""
    repo = f"{work}/history"
    os.makedirs(f"{repo}/tests")
    git(work, "init", "-q", repo)
    for i in range(count + 1):
        with open(f"{repo}/thing.py", "a") as file:
            file.write(f"def f{i}(x):\n    return x + {i}\n\n\n")
        with open(f"{repo}/tests/test_thing.py", "a") as file:
            head = "" if i else "import os\nimport sys\nsys.path.insert(0, os.getcwd())\nimport thing\n\n\n"
            file.write(f"{head}def test_f{i}():\n    assert thing.f{i}(1) == {i + 1}\n\n\n")
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "-m", f"Add f{i}")
    began = time.monotonic()
    out = subprocess.run([ASSAY, "suite", "mine", repo, f"{work}/mined", "--framework", "pytest", "--test-cmd", "/usr/bin/python3 -m pytest -q",
                          "--commits", str(count), "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    minutes = (time.monotonic() - began) / 60
    if json.loads(out)["kept"] != count:
        raise SystemExit(f"mining kept not {count}: {out}")
    return count / minutes / len(os.sched_getaffinity(0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    for option, value in (("repositories", 20), ("commits", 25), ("files", 120), ("mined", 24)):
        parser.add_argument(f"--{option}", type=int, default=value)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="assay-bench-suites-")
    os.environ["ASSAY_HOME"] = f"{work}/home"
    sources = sorted(path for path in glob.glob("/usr/lib/python3*/**/*.py", recursive=True) if 500 < os.path.getsize(path) < 200000)
    random.Random(0).shuffle(sources)
    try:
        contents, repositories = {}, []
        for number in range(args.repositories):
            own = [sources[(number * args.files + i) % len(sources)] for i in range(args.files)]
            repositories.append(Repository(work, number, own, contents))
            for _ in range(args.commits):
                repositories[-1].commit()
        unique = sum(contents.values())
        seconds = add(work, "all", [r.row(c) for r in repositories for c in r.commits])
        home = blocks(os.environ["ASSAY_HOME"])
        one_more = []
        for i in range(5):
            repositories[i % args.repositories].commit()
            one_more.append(add(work, f"one{i}", [repositories[i % args.repositories].row(repositories[i % args.repositories].commits[-1])]))
        mined = mine(work, args.mined)
    finally:
        shutil.rmtree(work)
    figures = (("bytes of the home, times those of unique contents", home / unique, "x", 2, f"{home / 1e6:.1f} of {unique / 1e6:.1f} MB"),
               ("adding one instance of a known repository", 1000 * statistics.median(one_more), "ms", 100,
                f"{1000 * min(one_more):.0f} to {1000 * max(one_more):.0f}"),
               (f"adding {args.repositories * args.commits} instances", seconds, "s", None, ""),
               ("mining: candidates a minute and core", mined, "", None, f"{args.mined} commits, four runs of pytest each"))
    for metric, value, unit, bound, spread in figures:
        if args.json:
            print(json.dumps({"bench": "suites", "metric": metric, "value": round(value, 3), "unit": unit, "spread": spread, "peer": None,
                              "peer_value": None, "ratio": None, "bound": bound, "met": None if bound is None else value <= bound}))
        else:
            print(f"{metric:52} {value:9.2f} {unit:3} {spread} {'' if bound is None else f'(bound {bound})'}")


if __name__ == "__main__":
    main()
