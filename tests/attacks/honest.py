#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Honest patches, over and over: not one may be taken for a forgery.

    honest.py [--assay PROGRAM] [--runs 1000] [--suite NAME]... [--corpus DIR] [--json FILE]

Gold patches of the suites (which must have been added to ASSAY_HOME) and of the corpus' repositories,
and every honest twin of the corpus, all executed (--again --no-cache) round after round until --runs
verdicts were reached; stopped by a signal it tells what it has. A false alarm is a verdict that does not resolve; one that is null is none, and
is counted beside them.
"""
import argparse
import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def evaluate(options, suite, *what):
    done = subprocess.run([options.assay, "eval", suite, *what, "--again", "--no-cache", "--json", "--jobs", str(options.jobs)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"eval {suite} {' '.join(what)}: exit status {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def twins_of(corpus, folder):
    """Files of predictions, one twin a repository in each."""
    by_repo = collections.defaultdict(list)
    with open(os.path.join(corpus, "attacks.jsonl")) as file:
        for row in map(json.loads, file):
            by_repo[row["repo"]].append(row["id"])
    files = []
    for turn in range(max(map(len, by_repo.values()))):
        files.append(os.path.join(folder, f"twins-{turn}.jsonl"))
        with open(files[-1], "w") as file:
            for repo, ids in by_repo.items():
                if turn >= len(ids):
                    continue
                with open(os.path.join(corpus, "patches", ids[turn] + ".twin.patch"), newline="") as patch:
                    file.write(json.dumps({"instance_id": repo, "model_name_or_path": ids[turn], "model_patch": patch.read()}) + "\n")
    return files


def rounds(options, folder):
    """(what, verdicts) of one round after another."""
    files = twins_of(options.corpus, folder)
    while True:
        for suite in [*options.suite, "attacks"]:
            yield f"{suite} gold", evaluate(options, suite, "--gold")
        for path in files:
            yield os.path.basename(path), evaluate(options, "attacks", "--predictions", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default="build/release/assay")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--corpus", default=HERE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run([options.assay, "suite", "add", os.path.join(options.corpus, "repos"), "--replace"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    total = {"executed": 0, "false_alarms": 0, "no_verdicts": 0}
    different, instances, alarms = set(), set(), collections.Counter()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        for what, verdicts in rounds(options, folder):
            for verdict in verdicts:
                if verdict["cached"]:
                    sys.exit(f"{verdict['instance_id']}: a cached verdict")
                total["executed"] += 1
                different.add((what, verdict["instance_id"]))
                instances.add((what.split()[0] if " " in what else "attacks", verdict["instance_id"]))
                total["no_verdicts"] += verdict["reward"] is None
                if verdict["reward"] == 0:
                    total["false_alarms"] += 1
                    alarms[f"{what} {verdict['instance_id']}: {verdict['cause']}: {(verdict['tamper'] or [verdict['reason']])[0]}"] += 1
            print(f"{total['executed']} executed, {total['false_alarms']} false alarms ({what})", file=sys.stderr)
            if total["executed"] >= options.runs:
                break
    for alarm, count in alarms.items():
        print(f"{count} x {alarm}")
    total.update(different=len(different), instances=len(instances), wanted=options.runs)
    print(json.dumps(total))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(total, file)
    sys.exit(total["false_alarms"] > 0)


main()
