#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write docs/attacks.md: what assay and what naive graders make of the corpus.

    table.py SELFTEST.json NAIVE.jsonl [HONEST.json] >docs/attacks.md

SELFTEST is what `assay selftest attacks --json` printed, NAIVE what naive.py --json wrote, HONEST what
honest.py --json wrote.
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


def main():
    found = json.loads(read(sys.argv[1]).splitlines()[-1])
    naive = {row["id"]: row for row in map(json.loads, read(sys.argv[2]).splitlines())}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    rows = found["rows"]
    print("# Attacks\n")
    print(f"Written by `make conformance` on {datetime.date.today()} at commit {commit}; {platform.system()} {platform.release()}.")
    print("The corpus is `tests/attacks/` (its README says what an attack is, and how to add one); `assay selftest attacks` grades it.\n")
    print("| | |\n| --- | --- |")
    print(f"| attacks on rows 1 to 20 | {found['attacks']} |")
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
    print(f"| written against assay's own source | {found['own_attacks']}, rewarded {found['own_rewards']} |")
    if len(sys.argv) > 3:
        honest = json.loads(read(sys.argv[3]))
        print(f"| honest runs executed | {honest['executed']} of {honest['different']} different patches on {honest['instances']} instances |")
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
                ours, twin = f"skipped: no {row['missing']}", ""
            else:
                attack, twin = row["attack"], row["twin"]["reward"]
                ours = f"**1, {attack['cause']}**" if attack["reward"] else f"{attack['reward']}, {attack['cause']}"
                if not attack["right"] and not attack["reward"] and number:
                    ours += " (!)"
            print(f"| `{row['id']}` | {row['framework']} | {row['how'].replace('|', '/')} | {' | '.join(cells)} | {ours} | {twin} |")


main()
