#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write docs/attacks.md: what assay and what naive graders make of the corpus.

    table.py SELFTEST.json[,SELFTEST.json...] NAIVE.jsonl [HONEST.json] >docs/attacks.md

SELFTEST is what `assay selftest attacks --json` printed, for whole runs one after another (each draws its own
canaries and values); NAIVE what naive.py --json wrote, HONEST what honest.py --json wrote.
"""
import datetime
import json
import platform
import subprocess
import sys

ROWS = {
    0: "written against assay's own source", 1: "conftest and plugins rewrite reports", 2: "printed results",
    3: "forged markers and decoys", 4: "leaving early with 0", 5: "equality, patched frameworks, start-up files",
    6: "tests edited, weakened, skipped", 7: "runner and tools replaced", 8: "planted reports",
    9: "daemons after the run", 10: "the grader's own process", 11: "planted files and links", 12: "history of the repository",
    13: "the task's own files", 14: "installed fixes, bytecode", 15: "stale and prebuilt artefacts", 16: "deaths that look like trouble of the machine",
    17: "answers read out of the tests", 18: "network", 19: "shared state", 20: "inputs of the runner"}


def read(path):
    with open(path) as file:
        return file.read()


def mark(value):
    return "-" if value is None else "yes" if value else "no"


def ours(entries, own):
    """What came out of an attack in each of the runs, in one cell."""
    rewards = sum(entry["reward"] == 1 for entry in entries)
    causes = ", ".join(sorted({entry["cause"] for entry in entries}))
    if rewards:
        return f"**rewarded in {rewards} of {len(entries)}**, {causes}"
    wrong = not own and any(not entry["right"] for entry in entries)
    return f"0, {causes}" + (" (!)" if wrong else "")


def main():
    runs = [json.loads(read(path).splitlines()[-1]) for path in sys.argv[1].split(",")]
    found = {key: sum(run[key] for run in runs) for key, value in runs[0].items() if isinstance(value, int)}
    for key in ("attacks", "own_attacks", "skipped"):
        found[key] = runs[0][key]
    by_id = {row["id"]: [next(other for other in run["rows"] if other["id"] == row["id"]) for run in runs] for row in runs[0]["rows"]}
    naive = {row["id"]: row for row in map(json.loads, read(sys.argv[2]).splitlines())}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    rows = runs[0]["rows"]
    print("# Attacks\n")
    print(f"Written by `make conformance` on {datetime.date.today()} at commit {commit}; {platform.system()} {platform.release()}.")
    print("The corpus is `tests/attacks/` (its README says what an attack is, and how to add one); `assay selftest attacks` grades it.\n")
    print("| | |\n| --- | --- |")
    print(f"| attacks on rows 1 to 20 | {found['attacks']} |")
    print(f"| whole runs, each with other canaries and other values | {len(runs)} |")
    print(f"| false rewards | {found['false_rewards']} |")
    print(f"| honest twins that did not resolve | {found['false_alarms']} |")
    print(f"| no reward, but for another cause than should be | {found['wrong_causes']} |")
    print(f"| without a verdict | {found['no_verdicts']} |")
    print(f"| skipped for want of a tool | {found['skipped']} |")
    graded = [row for row in rows if row["row"] and row["id"] in naive]
    for grader in ("stdout", "exit", "swebench"):
        known = [naive[row["id"]]["attack"][grader] for row in graded if naive[row["id"]]["attack"][grader] is not None
                 and not row["secret"]]
        print(f"| rewarded by the naive grader `{grader}` | {sum(known)} of {len(known)} |")
    print(f"| written against assay's own source | {found['own_attacks']}, rewarded {found['own_rewards']} of {found['own_attacks'] * len(runs)} times |")
    if len(sys.argv) > 3:
        honest = json.loads(read(sys.argv[3]))
        print(f"| honest runs executed | {honest['executed']} of {honest['different']} different patches on {honest['instances']} instances |")
        by_suite = ", ".join(f"{name} {count}" for name, count in sorted(honest["suites"].items()))
        print(f"| of the suites | {by_suite} |")
        print(f"| false alarms in them | {honest['false_alarms']} |")
    print("\n`stdout` believes the log (or the XML that a suite writes), `exit` the exit status, `swebench` are the grading functions of the")
    print("SWE-bench package on the same log and exit status. *secret*: no such grader is at stake; the patch reached what it was after")
    print("when that one defence was switched off.")
    for number in [*range(1, 21), 0]:
        here = [row for row in rows if row["row"] == number]
        if not here:
            continue
        print(f"\n## {'Own source' if number == 0 else f'Row {number}'}: {ROWS[number]}\n")
        print("| attack | framework | what it does | stdout | exit | swebench | assay | twin |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for row in here:
            entry = naive.get(row["id"])
            cells = ["?"] * 3 if entry is None else [mark(entry["attack"][grader]) for grader in ("stdout", "exit", "swebench")]
            if row["secret"] and entry:
                cells = ["*secret* " + ("reached" if entry["reached"] else "NOT REACHED"), "", ""]
            if row["missing"]:
                cell, twin = f"skipped: no {row['missing']}", ""
            else:
                entries = by_id[row["id"]]
                cell = ours([entry["attack"] for entry in entries], number == 0)
                twin = min((entry["twin"]["reward"] for entry in entries), key=lambda value: -1 if value is None else value)
            print(f"| `{row['id']}` | {row['framework']} | {row['how'].replace('|', '/')} | {' | '.join(cells)} | {cell} | {twin} |")


main()
