#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Make many small tasks out of few: repositories that are mended, with one new fault each.

    defects.py --assay PROGRAM --out DIR [--each 10] [--seed 1] SUITE_DIR...

For each instance of native suites: its base with the gold patch, then one operator, number or word of
the files that gold changes is another. What the tests of the instance say of that (assay eval --empty)
are its lists; faults that nobody notices, and those that end a run early, are left out. Every second one has all of its
tests in the test patch. DIR becomes a suite `defects`, with honest.jsonl beside it: for each instance
its gold patch and, where the corpus of attacks has twins of its repository, up to two patches that
mend it in another way, as if a model had written them.
"""
import argparse
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SWAPS = [(r" <= ", " < "), (r" < ", " <= "), (r" >= ", " > "), (r" > ", " >= "), (r" == ", " != "), (r" != ", " == "),
         (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "), (r" and ", " or "), (r" or ", " and "), (r" && ", " || "), (r" \|\| ", " && "),
         (r"\bTrue\b", "False"), (r"\bFalse\b", "True"), (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"\bmin\(", "max("),
         (r"\bmax\(", "min("), (r" not ", " "), (r"\.append\(", ".extend("), (r" -eq ", " -ne "), (r" -lt ", " -le "),
         (r" eq ", " ne "), (r" ne ", " eq "), (r"\[1:\]", "[:]"), (r"\.strip\(\)", ""), (r" %", " +"), (r"\+\+", "--"), (r" \+= ", " = ")]
NUMBER = re.compile(r"(?<![\w.\"'])(\d{1,4})(?![\w.\"'])")
TEST = re.compile(r"(^|/)(tests?|t|spec|testdata)/|(^|/)test_[^/]*$|_test\.go$")


def git(folder, *words):
    done = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false", *words],
                          cwd=folder, capture_output=True)
    if done.returncode:
        sys.exit(f"git {' '.join(words)} in {folder}: {done.stderr.decode()}")
    return done.stdout


def read(path):
    with open(path, encoding="latin-1", newline="") as file:
        return file.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="latin-1", newline="") as file:
        file.write(text)


def tree_of(base, patches, folder):
    shutil.copytree(base, folder, symlinks=True)
    for patch in patches:
        git(folder, "apply", "--binary", os.path.abspath(patch))
    return folder


def diff(old, new, work):
    """The patch from one tree to another."""
    folder = tempfile.mkdtemp(dir=work)
    shutil.copytree(old, folder, symlinks=True, dirs_exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "add", "-Af")
    git(folder, "commit", "-qm", "old", "--allow-empty")
    for name in os.listdir(folder):
        if name != ".git":
            path = os.path.join(folder, name)
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    shutil.copytree(new, folder, symlinks=True, dirs_exist_ok=True)
    os.unlink(os.path.join(folder, ".git/index"))  # git would go by time and size, and both may be as before
    git(folder, "add", "-Af")
    text = git(folder, "diff", "--cached", "--binary", "HEAD").decode("latin-1")
    shutil.rmtree(folder)
    return text


def faults(text):
    """Other versions of a text, each with one line changed."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith(("#", "//", "*", "/*", '"""', "use ", "import ", "from ")):
            continue
        others = [line[:m.start()] + new + line[m.end():] for old, new in SWAPS for m in re.finditer(old, line)]
        others += [line[:m.start()] + str(int(m[1]) + 1) + line[m.end():] for m in NUMBER.finditer(line)]
        for other in others:
            yield at, "\n".join(lines[:at] + [other] + lines[at + 1:])


def choose(fixed, paths, count, rng):
    """[(path, text)], lines spread over the files."""
    by_line = collections.defaultdict(list)
    for path in paths:
        if os.path.isfile(os.path.join(fixed, path)) and not TEST.search(path):
            for at, text in faults(read(os.path.join(fixed, path))):
                by_line[path, at].append((path, text))
    places = sorted(by_line)
    rng.shuffle(places)
    return [rng.choice(by_line[place]) for place in places[:count]]


def move_tests(base, test_patch, work):
    """Take all tests out of `base`; the test patch that brings them, and those of the old one."""
    whole = tree_of(base, [test_patch], tempfile.mkdtemp(dir=work) + "/tree")
    for folder, _, names in os.walk(base):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), base)
            if TEST.search(path):
                os.unlink(os.path.join(folder, name))
    return diff(base, whole, work)


def twins_of(repo):
    with open(os.path.join(HERE, "attacks.jsonl")) as file:
        return [os.path.join(HERE, "patches", row["id"] + ".twin.patch") for row in map(json.loads, file) if row["repo"] == repo]


def evaluate(options, what):
    subprocess.run([options.assay, "suite", "add", options.out, "--replace"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    done = subprocess.run([options.assay, "eval", "defects", what, "--again", "--no-cache", "--json", "--jobs", str(options.jobs)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"eval defects {what}: exit status {done.returncode}")
    return {row["instance_id"]: row for row in map(json.loads, done.stdout.splitlines()[:-1])}


def make(options, source, name, recipes, rng, work):
    """Instances of one repository, with every test in FAIL_TO_PASS; the patches that mend them."""
    home = os.path.join(source, name)
    with open(os.path.join(home, "instance.json")) as file:
        instance = json.load(file)
    if instance.get("task", "repair") != "repair" or instance["base"].get("dir") is None:
        return {}
    base, gold, tests = os.path.join(home, instance["base"]["dir"]), os.path.join(home, "gold.patch"), os.path.join(home, "test.patch")
    fixed = tree_of(base, [gold], tempfile.mkdtemp(dir=work) + "/tree")
    twins = twins_of(name)
    recipe = f"{os.path.basename(source)}-{instance['recipe']}"
    made = {}
    for number, (path, text) in enumerate(choose(fixed, re.findall(r"^\+\+\+ b/(\S+)", read(gold), re.M), options.each, rng)):
        own = dict(instance, instance_id=f"defect__{name.replace('__', '-')}-{number}", recipe=recipe, base={"dir": "base"}, PASS_TO_PASS=[],
                   FAIL_TO_PASS=instance["FAIL_TO_PASS"] + instance["PASS_TO_PASS"], limits=dict(instance["limits"], wall_ms=60000))
        folder = os.path.join(options.out, own["instance_id"])
        shutil.copytree(fixed, os.path.join(folder, "base"), symlinks=True)
        write(os.path.join(folder, "base", path), text)
        mended = [fixed] + [tree_of(base, [twin], tempfile.mkdtemp(dir=work) + "/tree") for twin in rng.sample(twins, min(2, len(twins)))]
        patches = [diff(os.path.join(folder, "base"), tree, work) for tree in mended]
        test_patch = move_tests(os.path.join(folder, "base"), tests, work) if number % 2 else read(tests)
        write(os.path.join(folder, "gold.patch"), patches[0])
        write(os.path.join(folder, "test.patch"), test_patch)
        shutil.copy(os.path.join(home, "problem.md"), folder)
        own["tags"] = instance.get("tags", [])
        recipes[recipe] = instance["recipe"]
        made[own["instance_id"]] = (own, patches)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default="build/release/assay")
    parser.add_argument("--out", required=True)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("suites", nargs="+")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    shutil.rmtree(options.out, ignore_errors=True)
    os.makedirs(options.out)
    suite = {"schema": 1, "name": "defects", "version": str(options.seed), "recipes": {}}
    made = {}
    with tempfile.TemporaryDirectory() as work:
        for source in map(os.path.normpath, options.suites):
            with open(os.path.join(source, "suite.json")) as file:
                known = json.load(file)["recipes"]
            names = {}
            for name in sorted(os.listdir(source)):
                if os.path.isfile(os.path.join(source, name, "instance.json")):
                    made.update(make(options, source, name, names, rng, work))
            suite["recipes"].update({new: known[old] for new, old in names.items()})
    write(os.path.join(options.out, "suite.json"), json.dumps(suite, indent=1))
    for instance, _ in made.values():
        write(os.path.join(options.out, instance["instance_id"], "instance.json"), json.dumps(instance, indent=1))
    verdicts = evaluate(options, "--empty")
    honest = []
    for name, (instance, patches) in made.items():
        tests = verdicts[name]["tests"]["FAIL_TO_PASS"]
        if verdicts[name]["cause"] != "tests_failed" or not tests["failure"]:
            shutil.rmtree(os.path.join(options.out, name))
            continue
        instance.update(FAIL_TO_PASS=sorted(tests["failure"]), PASS_TO_PASS=sorted(tests["success"]))
        write(os.path.join(options.out, name, "instance.json"), json.dumps(instance, indent=1))
        for number, patch in enumerate(dict.fromkeys(patches)):
            honest.append({"instance_id": name, "model_name_or_path": f"honest-{number}", "model_patch": patch})
    with open(os.path.join(options.out, "honest.jsonl"), "w") as file:
        for row in honest:
            file.write(json.dumps(row) + "\n")
    subprocess.run([options.assay, "suite", "add", options.out, "--replace"], check=True, stdout=subprocess.DEVNULL)
    print(f"{len({row['instance_id'] for row in honest})} instances, {len(honest)} honest patches, of {len(made)} faults")


main()
