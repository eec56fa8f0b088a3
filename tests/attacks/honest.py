#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Honest patches, over and over: not one may be taken for a forgery.

    honest.py [--assay PROGRAM] [--runs 1000] [--suite NAME]... [--more SUITE=PREDICTIONS]... [--corpus DIR] [--json FILE]

Gold patches of the suites (which must have been added to ASSAY_HOME) and of the corpus' repositories, every
honest twin of the corpus, and honest predictions of other suites (defects.py makes some), all executed (--again
--no-cache) round after round until --runs verdicts were reached; stopped by a signal it tells what it has. Gold
is handed in as a model's patch, so that it is put to every test that a model's is; tasks of other kinds than
repair have no such patch, and come as --gold. A false alarm is a verdict that does not resolve; one that is null
is none, and is counted beside them.
"""
import argparse
import collections
import contextlib
import json
import os
import signal
import sqlite3
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


def gold_of(suite):
    """Gold patches of the suite's repairs as rows of predictions; is there anything else in it?"""
    home = os.environ.get("ASSAY_HOME", os.path.expanduser("~/.assay"))
    with contextlib.closing(sqlite3.connect(f"file:{home}/assay.db?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT instance_id, gold_patch, spec FROM instances JOIN suites USING (suite_number) "
                             "WHERE suites.name = ?", (suite,)).fetchall()
    repairs = [{"instance_id": name, "model_name_or_path": "gold", "model_patch": gold.decode("utf-8", "surrogateescape")}
               for name, gold, spec in rows if json.loads(spec).get("task", "repair") == "repair"]
    return repairs, len(repairs) < len(rows)


def twins_of(corpus):
    with open(os.path.join(corpus, "attacks.jsonl")) as file:
        for row in map(json.loads, file):
            with open(os.path.join(corpus, "patches", row["id"] + ".twin.patch"), newline="") as patch:
                yield {"instance_id": row["repo"], "model_name_or_path": row["id"], "model_patch": patch.read()}


def turns_of(rows, folder, suite):
    """Files of predictions, one for each instance in each; what a prediction is called goes by its place."""
    turns = []
    for row in rows:
        turn = next((turn for turn in turns if row["instance_id"] not in turn), None)
        if turn is None:
            turns.append(turn := {})
        turn[row["instance_id"]] = row
    for number, turn in enumerate(turns):
        path = os.path.join(folder, f"{suite}-{number}.jsonl")
        with open(path, "w", errors="surrogateescape") as file:
            for row in turn.values():
                file.write(json.dumps(row) + "\n")
        yield path


def rounds(options, folder):
    """(suite, what, verdicts) of one round after another."""
    sources = []
    for suite in [*options.suite, "attacks"]:
        repairs, others = gold_of(suite)
        sources += [(suite, ["--predictions", path]) for path in turns_of(repairs, folder, suite + "-gold")]
        if others:
            sources.append((suite, ["--gold"]))
    sources += [("attacks", ["--predictions", path]) for path in turns_of(twins_of(options.corpus), folder, "twins")]
    for more in options.more:
        suite, _, path = more.partition("=")
        with open(path) as file:
            sources += [(suite, ["--predictions", turn]) for turn in turns_of(map(json.loads, file), folder, suite)]
    while True:
        for suite, words in sources:
            yield suite, os.path.basename(words[-1]), evaluate(options, suite, *words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", default="build/release/assay")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--more", action="append", default=[])
    parser.add_argument("--corpus", default=HERE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json")
    options = parser.parse_args()
    subprocess.run([options.assay, "suite", "add", os.path.join(options.corpus, "repos"), "--replace"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    total = {"executed": 0, "false_alarms": 0, "no_verdicts": 0}
    different, instances, alarms, by_suite = set(), set(), collections.Counter(), collections.Counter()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        for suite, what, verdicts in rounds(options, folder):
            for verdict in verdicts:
                if verdict["cached"]:
                    sys.exit(f"{verdict['instance_id']}: a cached verdict")
                total["executed"] += 1
                by_suite[suite] += 1
                different.add((what, verdict["instance_id"]))
                instances.add((suite, verdict["instance_id"]))
                total["no_verdicts"] += verdict["reward"] is None
                if verdict["reward"] == 0:
                    total["false_alarms"] += 1
                    alarms[f"{what} {verdict['instance_id']}: {verdict['cause']}: {(verdict['tamper'] or [verdict['reason']])[0]}"] += 1
            print(f"{total['executed']} executed, {total['false_alarms']} false alarms ({what})", file=sys.stderr, flush=True)
            if total["executed"] >= options.runs:
                break
    for alarm, count in alarms.items():
        print(f"{count} x {alarm}")
    total.update(different=len(different), instances=len(instances), wanted=options.runs, suites=by_suite)
    print(json.dumps(total))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(total, file)
    sys.exit(total["false_alarms"] > 0)


main()
