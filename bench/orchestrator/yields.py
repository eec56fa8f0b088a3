#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What came of the pairs of release plans, as a page: how many are certified tasks, and why the others are not.

    python3 bench/orchestrator/yields.py HOME PLAN... > docs/suites-yields.md

HOME is the home in which `assay suite add PLAN` was run (releases/<suite>.jsonl and the store are read, nothing is written), PLAN a
folder with suite.json and releases.json. A pair that is in no line of its ledger was not measured: its archives could not be had, or
the command has not come to it.
"""
import collections
import json
import os
import re
import sqlite3
import sys

LANGUAGES = {"pytest": "Python", "unittest": "Python", "gotest": "Go", "tap-log": "Perl", "ctest": "C", "minitest": "Ruby", "mocha": "JavaScript"}
# (what a reason begins with, how it is counted)
REASONS = (
    ("changes no tests", "changes no tests"),
    ("changes no source", "changes no source"),
    ("no test fails before", "no test fails before and passes after"),
    ("the run after the change ended with wall_limit", "tests not within the limit"),
    ("the run after the change ended with cpu_limit", "tests not within the limit"),
    ("the run after the change ended with build_failed", "not built here"),
    ("the run after the change ended with none_collected", "no test runs here (something that is not on the host)"),
    ("the run after the change ended with inconsistent", "evidence of the run disagrees"),
    ("the run after the change ended", "the run afterwards fails"),
    ("deaf test", "certification: a test hears nothing"),
    ("vacuous", "certification: vacuous"),
)


def counted(reason, where):
    for begins, name in REASONS:
        if reason.startswith(begins):
            return name
    return f"{where}: {re.split('[:=(]', reason)[0].strip()}" if where else reason


class Plan:
    def __init__(self, home, folder):
        with open(os.path.join(folder, "suite.json")) as file:
            self.name = json.load(file)["name"]
        with open(os.path.join(folder, "releases.json")) as file:
            self.pairs = json.load(file)["pairs"]
        self.ledger, self.certificates = {}, {}
        path = os.path.join(home, "releases", self.name + ".jsonl")
        for line in open(path) if os.path.exists(path) else ():
            try:
                row = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            self.ledger[row["instance_id"]] = row
        store = sqlite3.connect(f"file:{home}/assay.db?mode=ro", uri=True)
        query = ("SELECT instance_id, holds, reason, instance_hash, grader FROM certificates WHERE suite = ?"
                 " ORDER BY certificate_number")
        for row in store.execute(query, (self.name,)):
            self.certificates[row[0]] = row[1:]
        # The suite in the store is of these pairs only if the last `suite add` came to its end.
        held = sum(1 for p in self.pairs if self.outcome(p)[0] == "certified")
        query = "SELECT hash FROM suites WHERE name = ? AND instance_count = ?"
        self.hash = next((r[0] for r in store.execute(query, (self.name, held))), "")

    def outcome(self, pair):
        """("certified" | "fell" | "left out" | "not measured", reason)"""
        row = self.ledger.get(pair["instance_id"])
        if row is None:
            return "not measured", "not measured (its archives are not served, or not come to)"
        if row["reason"]:
            return "left out", counted(row["reason"], "")
        held = self.certificates.get(pair["instance_id"])
        if held is None:
            return "not measured", "not certified yet"
        return ("certified", "") if held[0] else ("fell", counted(held[1] or "", "certification"))


def main():
    home, plans = sys.argv[1], None
    plans = [Plan(home, folder) for folder in sys.argv[2:]]
    counts, reasons, packages, certified = collections.defaultdict(collections.Counter), collections.Counter(), {}, []
    languages = collections.Counter()
    for plan in plans:
        for pair in plan.pairs:
            kind, reason = plan.outcome(pair)
            counts[plan.name][kind] += 1
            package = packages.setdefault((LANGUAGES[pair["framework"]], pair["repo"]), [0, 0, collections.Counter()])
            package[0] += 1
            if kind == "certified":
                package[1] += 1
                languages[LANGUAGES[pair["framework"]]] += 1
                certified.append((pair["instance_id"], plan.name, plan.certificates[pair["instance_id"]]))
            else:
                reasons[reason] += 1
                package[2][reason] += 1
    print("<!-- SPDX-License-Identifier: MIT -->\n<!-- Written by bench/orchestrator/yields.py; do not edit. -->")
    print("# What came of the release pairs\n")
    print(f"{len(certified)} certified instances of {sum(1 for p in packages.values() if p[1])} packages: "
          + ", ".join(f"{n} {name}" for name, n in languages.most_common()) + ". Names, versions and hashes are kept, no code.\n")
    print("| plan | suite hash | pairs | certified | fell to certification | left out before | not measured |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for plan in plans:
        c = counts[plan.name]
        print(f"| `{plan.name}` | `{plan.hash[:16]}` | {len(plan.pairs)} | {c['certified']} | {c['fell']} | {c['left out']} | {c['not measured']} |")
    print("\n## Why the others are not\n\n| reason | pairs |\n| --- | ---: |")
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")
    print("\n## By package\n\n| language | package | pairs | certified | the others |\n| --- | --- | ---: | ---: | --- |")
    for (language, repo), (pairs, good, why) in sorted(packages.items()):
        print(f"| {language} | `{repo}` | {pairs} | {good} | {'; '.join(f'{n} {r}' for r, n in why.most_common())} |")
    print("\n## Certificates\n\nThe hash is the instance's: whatever can change its verdict. The same archives give the same one.\n")
    print("| instance | plan | hash | grader |\n| --- | --- | --- | --- |")
    for instance, plan, (_, _, instance_hash, grader) in sorted(certified):
        print(f"| `{instance}` | {plan} | `{instance_hash[:16]}` | {grader} |")


if __name__ == "__main__":
    main()
