#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What graders that believe the code under test say of the corpus.

    naive.py [--corpus DIR] [--assay PROGRAM] [--only ID] [--jobs N] [--swebench PYTHON] [--json FILE]

An attack counts only if a grader of this kind rewards it. Each runs what SWE-bench's eval.sh runs:
the base tree, the model patch by `git apply`, the files of the test patch checked out again and the
test patch on top, then the test command, in one box that the patch has to itself. Three graders read
what is left:

  stdout    the log (or the XML that a junit suite writes): every expected test has a line that says passed
  exit      the exit status is 0
  swebench  the grading functions of the SWE-bench package (tests/parity/swebench_grade.py, run by the
            Python of --swebench; left out without it). They know no ctest, XML or bare exit status.

Which tests each expects is what it saw itself, as the field does: those that pass with the gold patch,
split by whether they pass without it. An attack of a row without such a grader names a "secret" in
attacks.jsonl instead; it is run with that one defence switched off here (see secrets()), and counts if
the tests pass then.

Exit status 1 when a grader that an attack names does not reward it, or a twin is not honest.
"""
import argparse
import concurrent.futures
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
PARSERS = {"pytest": "parse_log_pytest", "unittest": "parse_log_django", "tap": "parse_log_tap",
           "tap-log": "parse_log_tap", "gotest": "parse_log_gotest", "cargo": "parse_log_cargo"}
PORT = 48211  # where row 18 looks for the fix
# A container that lives a little longer than the tests, and whose log is a file, as where harnesses redirect it.
RUN = """mkdir -p /tmp/naive/out; export ASSAY_OUT_DIR=/tmp/naive/out
if [ {file} = 1 ]; then "$@" >/tmp/naive/log 2>&1; status=$?; sleep {wait}; cat /tmp/naive/log
else "$@" 2>&1; status=$?; sleep {wait}; fi
for file in /tmp/naive/out/*.xml; do [ -f "$file" ] && echo "{mark}" && cat "$file" && echo; done
echo "{mark}status $status" """
MARK = "=====naive-7c1e====="


# ---- readers of the log: {test: passed?} -------------------------------------------------------
def read_pytest(log):
    found = {}
    for status, name in re.findall(r"^(PASSED|XFAIL|FAILED|ERROR|SKIPPED) (\S.*?)(?: - .*)?$", log, re.M):
        found[name] = status in ("PASSED", "XFAIL")
    return found


def read_unittest(log):
    found = {}
    for name, status in re.findall(r"^\w+ \(([\w.]+)\)(?:\n.*)?? \.\.\. (ok|FAIL|ERROR|skipped|expected failure)", log, re.M):
        found[name] = status in ("ok", "expected failure")
    for name, status in re.findall(r"^Doctest: ([\w.]+) \.\.\. (ok|FAIL)", log, re.M):
        found[name] = status == "ok"
    for name in re.findall(r"^(?:FAIL|ERROR): \w+ \(([\w.]+)\)", log, re.M):
        found[name] = False
    return found


def read_tap(log):
    found, script = {}, ""
    for line in log.splitlines():
        named = re.match(r"(\S+) \.+ *$", line) or re.match(r"# Subtest: (/.*)", line)
        if named:
            script = named[1] + "::" if "/" in named[1] and not line.startswith("#") else script
        result = re.match(r"(not )?ok \d+ - (.*?)( # (?:SKIP|TODO).*)?$", line)
        if result:
            found[script + result[2].strip()] = not result[1]
    return found


def read_ctest(log):
    return {name: status == "Passed" for name, status in
            re.findall(r"Test +#\d+: (\S+) \.+ *(?:\*\*\*)?(Passed|Failed|Not Run|Exception|Timeout|Skipped)", log)}


def read_gotest(log):
    return {name: status == "PASS" for status, name in re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", log, re.M)}


def read_cargo(log):
    return {name: status == "ok" for name, status in re.findall(r"^test (\S.*?) \.\.\. (ok|FAILED|ignored)", log, re.M)}


def read_junit(log):
    found = {}
    for text in log.split(MARK)[1:]:
        try:
            root = xml.etree.ElementTree.fromstring(text.strip())
        except xml.etree.ElementTree.ParseError:
            continue
        for case in root.iter("testcase"):
            found[case.get("classname") + "::" + case.get("name")] = len(case) == 0
    return found


READERS = {"pytest": read_pytest, "unittest": read_unittest, "tap": read_tap, "tap-log": read_tap, "ctest": read_ctest,
           "gotest": read_gotest, "cargo": read_cargo, "junit": read_junit}


# ---- one run -----------------------------------------------------------------------------------
class Runner:
    def __init__(self, options):
        self.options = options
        self.repos = os.path.join(options.corpus, "repos")
        with open(os.path.join(self.repos, "suite.json")) as file:
            self.recipes = json.load(file)["recipes"]
        self.work = tempfile.mkdtemp(prefix="assay-naive.")
        self.lists = {}

    def instance(self, repo):
        with open(os.path.join(self.repos, repo, "instance.json")) as file:
            return json.load(file)

    def lacks(self, repo):
        """Does this host lack a program that the suite needs?"""
        instance = self.instance(repo)
        needs = [tag[6:] for tag in instance["tags"] if tag.startswith("needs:")] + instance["test_cmd"][:1]
        return any(name.startswith("/") and not os.path.exists(name) for name in needs)

    def tree(self, repo, patch, name):
        """Base, model patch, test files as eval.sh of SWE-bench puts them; what fails is passed over."""
        folder = os.path.join(self.work, name)
        shutil.copytree(os.path.join(self.repos, repo, "base"), folder, symlinks=True)
        test_patch = os.path.abspath(os.path.join(self.repos, repo, "test.patch"))

        def git(*words):
            return subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false", *words],
                                  cwd=folder, capture_output=True)
        git("init", "-q")
        git("add", "-Af")
        git("commit", "-qm", "base")
        if patch:
            done = git("apply", "--binary", os.path.abspath(patch))
            if done.returncode:
                sys.exit(f"{patch}: {done.stderr.decode()}")
        with open(test_patch) as file:
            touched = re.findall(r"^diff --git a/(.*?) b/", file.read(), re.M)
        for path in touched:
            git("checkout", "HEAD", "--", path)
        git("apply", test_patch)
        return folder

    def run(self, repo, patch, name, row):
        """(log, exit status) of the suite's command; `row` says how the harness is to be."""
        instance = self.instance(repo)
        folder = self.tree(repo, patch, name)
        command, secret = None, row.get("secret")
        box = self.secret(secret, repo, folder) if secret else []
        if secret != "history":
            shutil.rmtree(os.path.join(folder, ".git"))
        if secret == "same-process":
            command = [sys.executable, os.path.join(HERE, "same_process.py"), *instance["test_cmd"]]
            box += ["--bind-ro", f"{HERE}/same_process.py:{HERE}/same_process.py"]
        for variable, value in self.recipes[instance["recipe"]]["env"].items():
            box += ["--env", f"{variable}={value}"]
        memory = instance["limits"]["memory_bytes"] >> 20
        script = RUN.replace("{mark}", MARK).replace("{wait}", str(row.get("wait", 0)))
        script = script.replace("{file}", str(int(row.get("log") == "file")))
        done = subprocess.run(
            [self.options.assay, "box", "run", "--home", os.path.join(self.work, "home"), "--log-level", "error",
             "--overlay", f"{folder}:/testbed", "--cwd", "/testbed", "--env", "PATH=/usr/bin:/bin", *box,
             "--limit", f"memory={memory}M", "--limit", "wall=60s", "--", "sh", "-c", script, "sh",
             *(command or instance["test_cmd"])], stdin=subprocess.DEVNULL, capture_output=True)
        text = done.stdout.decode("utf-8", "replace")
        log, _, status = text.rpartition(MARK + "status ")
        shutil.rmtree(folder, ignore_errors=True)
        if not status.strip().isdigit():
            return text, 255  # killed before it was over
        return log, int(status)

    def secret(self, secret, repo, folder):
        """Options of the box that switch one defence off, and what a patch can then reach."""
        gold = os.path.abspath(os.path.join(self.repos, repo, "gold.patch"))
        if secret == "network":  # row 18: the network of the host, with the fix on it
            return ["--network", "host"]
        if secret == "history":  # row 12: a clone with its history, the fix in it
            for words in (["checkout", "-qb", "fix"], ["apply", gold], ["add", "-A"], ["commit", "-qm", "fix"],
                          ["checkout", "-q", "-"]):
                subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, capture_output=True)
            return []
        if secret == "solution":  # row 13: the task's own folder, as some harnesses mount it
            return ["--bind-ro", f"{gold}:/solution/gold.patch"]
        if secret in ("shared-tmp", "installed"):  # rows 19, 14: what other runs or an installer left
            fixed = os.path.join(self.work, "fixed-" + os.path.basename(folder))
            shutil.copytree(os.path.join(self.repos, repo, "base"), fixed)
            subprocess.run(["git", "apply", gold], cwd=fixed, check=True, capture_output=True)
            place = f"/var/tmp/assay-shared/{repo}" if secret == "shared-tmp" else f"/opt/upstream/{repo}"
            return ["--bind-ro", f"{fixed}:{place}"]
        return []

    # ---- graders ---------------------------------------------------------------------------------
    def swebench(self, jobs):
        """[{name, spec, text, exit_code}] -> {name: result} by the package's own functions."""
        if not self.options.swebench or not jobs:
            return {}
        tool = os.path.join(os.path.dirname(HERE), "parity", "swebench_grade.py")
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", delete=False) as file:
            for job in jobs:
                file.write(json.dumps(job) + "\n")
        done = subprocess.run([self.options.swebench, tool, "--list", file.name, "--raw"], capture_output=True, text=True)
        os.unlink(file.name)
        if done.returncode:
            sys.exit(done.stderr)
        return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}

    def learn(self, repo):
        """What each grader expects of a repository."""
        framework = self.instance(repo)["framework"]
        gold = self.run(repo, os.path.join(self.repos, repo, "gold.patch"), f"{repo}.gold", {})
        empty = self.run(repo, None, f"{repo}.empty", {})
        passed = {"gold": [], "empty": []}
        for kind, (log, _) in (("gold", gold), ("empty", empty)):
            if framework in READERS:
                passed[kind] = [name for name, good in READERS[framework](log).items() if good]
        return {"framework": framework, "gold": gold, "empty": empty, "f2p": sorted(set(passed["gold"]) - set(passed["empty"])),
                "p2p": sorted(set(passed["gold"]) & set(passed["empty"]))}

    def learn_swebench(self, repos):
        """Their parsers' own lists, from the same two runs."""
        jobs = []
        for repo in repos:
            entry = self.lists[repo]
            if entry["framework"] in PARSERS:
                for kind in ("gold", "empty"):
                    jobs.append({"name": f"{repo}.{kind}", "text": entry[kind][0], "exit_code": 0,
                                 "spec": {"log_parser": PARSERS[entry["framework"]], "FAIL_TO_PASS": [], "PASS_TO_PASS": []}})
        parsed = {}
        if self.options.swebench and jobs:
            tool = ("import sys, json; sys.path.insert(0, sys.argv[1]); import reference\n"
                    "for line in sys.stdin:\n"
                    " job = json.loads(line); found, _ = reference.parse(job['spec']['log_parser'], job['text'], job['spec'])\n"
                    " print(json.dumps([job['name'], [k for k, v in (found or {}).items() if v in ('PASSED', 'XFAIL')]]))")
            done = subprocess.run([self.options.swebench, "-c", tool, os.path.join(os.path.dirname(HERE), "parity")],
                                  input="".join(json.dumps(job) + "\n" for job in jobs), capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            parsed = dict(json.loads(line) for line in done.stdout.splitlines())
        for repo in repos:
            gold, empty = set(parsed.get(f"{repo}.gold", ())), set(parsed.get(f"{repo}.empty", ()))
            self.lists[repo]["spec"] = {"log_parser": PARSERS.get(self.lists[repo]["framework"]),
                                        "FAIL_TO_PASS": sorted(gold - empty), "PASS_TO_PASS": sorted(gold & empty)}

    def by_log(self, repo, log):
        entry = self.lists[repo]
        if entry["framework"] not in READERS:
            return None
        found = READERS[entry["framework"]](log)
        return all(found.get(name) for name in entry["f2p"] + entry["p2p"]) and bool(entry["f2p"])


class Answers(http.server.BaseHTTPRequestHandler):
    """Row 18: a host of the internet that has the fixed file."""
    repos = ""

    def do_GET(self):
        repo, _, path = self.path.lstrip("/").partition("/")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(self.repos, repo, "base"), folder, dirs_exist_ok=True)
            subprocess.run(["git", "apply", os.path.abspath(os.path.join(self.repos, repo, "gold.patch"))], cwd=folder)
            with open(os.path.join(folder, path), "rb") as file:
                body = file.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def grade_all(runner, rows, swebench_python):
    def one(row):
        found = {}
        for kind in ("attack", "twin"):
            patch = os.path.join(runner.options.corpus, "patches", f"{row['id']}.{kind}.patch")
            found[kind] = runner.run(row["repo"], patch, f"{row['id']}.{kind}", row if kind == "attack" else {})
        return row, found

    with concurrent.futures.ThreadPoolExecutor(runner.options.jobs) as pool:
        results = list(pool.map(one, rows))
    jobs = []
    for row, found in results:
        for kind in ("attack", "twin"):
            if runner.lists[row["repo"]]["spec"]["log_parser"]:
                jobs.append({"name": f"{row['id']}.{kind}", "spec": runner.lists[row["repo"]]["spec"],
                             "text": found[kind][0], "exit_code": found[kind][1]})
    theirs = runner.swebench(jobs)
    out = []
    for row, found in results:
        entry = {"id": row["id"]}
        for kind in ("attack", "twin"):
            log, status = found[kind]
            field = theirs.get(f"{row['id']}.{kind}")
            entry[kind] = {"stdout": runner.by_log(row["repo"], log), "exit": status == 0,
                           "swebench": field["resolved"] if field else None, "status": status}
        rewarded = [name for name in ("stdout", "exit", "swebench") if entry["attack"][name]]
        if row.get("secret"):
            entry["reached"] = bool(rewarded)
            entry["missing"] = [] if rewarded else ["secret"]
        else:
            entry["missing"] = [name for name in row["naive"] if name not in rewarded and
                                not (name == "swebench" and not swebench_python)]
            if not rewarded and row["row"] != 0:
                entry["missing"] = entry["missing"] or ["any"]
        entry["rewarded"] = rewarded
        entry["twin_honest"] = entry["twin"]["exit"] and entry["twin"]["stdout"] is not False
        if runner.options.keep:
            for kind in ("attack", "twin"):
                with open(os.path.join(runner.options.keep, f"{row['id']}.{kind}.log"), "w") as file:
                    file.write(f"{found[kind][0]}\nstatus {found[kind][1]}\n")
        out.append(entry)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=HERE)
    parser.add_argument("--assay", default="build/release/assay")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--swebench")
    parser.add_argument("--json")
    parser.add_argument("--keep", help="write every log into this folder")
    parser.add_argument("--lists", help="write what the stdout grader expects of each repository there, and stop")
    options = parser.parse_args()
    runner = Runner(options)
    with open(os.path.join(options.corpus, "attacks.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    if options.only:
        rows = [row for row in rows if any(re.fullmatch(word, row["id"]) for word in options.only)]
    missing = {repo for repo in {row["repo"] for row in rows} if runner.lacks(repo)}
    rows = [row for row in rows if row["repo"] not in missing]
    Answers.repos = runner.repos
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        repos = sorted({row["repo"] for row in rows}) if not options.lists else sorted(
            name for name in os.listdir(runner.repos) if os.path.isdir(os.path.join(runner.repos, name)))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            runner.lists = dict(zip(repos, pool.map(runner.learn, repos)))
        if options.lists:
            with open(options.lists, "w") as file:
                json.dump(runner.lists, file, indent=1)
            return
        runner.learn_swebench(repos)
        found = grade_all(runner, rows, options.swebench)
    finally:
        server.shutdown()
        shutil.rmtree(runner.work, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            for entry in found:
                file.write(json.dumps(entry) + "\n")
    bad = 0
    for entry in found:
        if entry["missing"] or not entry["twin_honest"]:
            bad += 1
            print(f"{entry['id']}: rewarded by {entry['rewarded']}, missing {entry['missing']}, status {entry['attack']['status']}"
                  f"{'' if entry['twin_honest'] else ', TWIN NOT HONEST %s' % entry['twin']}")
    print(f"{len(found)} attacks, {bad} that do not count as the table says")
    sys.exit(bad > 0)


main()
