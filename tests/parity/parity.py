#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our log parsers and grading rules beside those of the swebench package.

    parity.py --tool build/dev/tests/parity_tool check            the logs of logs/
    parity.py --tool ... mutate --lines 1000000 [--seed 1]        and mutations of them
    parity.py --tool ... grade --cases 20000 [--seed 1]           grading functions
    parity.py write                                               logs/expected.json from the package
    parity.py classes                                             Unicode classes, for the record

--markdown FILE appends a table. Exit status 1 when anything differs; each difference is printed.
Needs the package, see reference.py.
"""
import argparse
import collections
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile

import mutate
import reference

HERE = os.path.dirname(os.path.abspath(__file__))
LOGS = os.path.join(HERE, "logs")
SHOWN_MAX = 20


def load():
    with open(os.path.join(LOGS, "index.json"), encoding="utf-8") as file:
        rows = json.load(file)
    for row in rows:
        with open(os.path.join(LOGS, row["file"]), newline="", encoding="utf-8") as file:
            row["text"] = file.read()
        row.setdefault("instance_id", "owner__repo-1")
        row.setdefault("version", "1.0")
    return rows


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, header, text, ids=()):
        data = text.encode("utf-8")
        out = [f"{header[0]} {header[1]} {len(data)} {' '.join(header[2:])}\n".encode(), data, b"\n"]
        for test in ids:
            data = test.encode("utf-8")
            out += [str(len(data)).encode(), b"\n", data, b"\n"]
        self.process.stdin.write(b"".join(out))
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the tool died")
        return json.loads(line)


def normal(result, raised):
    """The reference's answer as ours looks. An id that is no text raises in ours, and half a
    character in it is U+FFFD: no data set can name such a test."""
    if raised or any(not isinstance(key, str) for key in result):
        return "raised"
    whole = {}
    for key, value in result.items():
        whole["".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in key)] = value
    return [[key, value] for key, value in whole.items()]


def ours(answer):
    if answer.get("costly"):
        return "costly"
    return "raised" if answer["raised"] else answer["map"]


class Tally:
    def __init__(self):
        self.rows = collections.defaultdict(collections.Counter)
        self.differences = 0

    def add(self, parser, text, reference_says, we_say, row):
        count = self.rows[parser]
        count["texts"] += 1
        count["lines"] += text.count("\n") + 1
        count["raised"] += reference_says == "raised"
        count["nonempty"] += reference_says not in ("raised", [])
        if reference_says == we_say:
            count["same"] += 1
            return
        self.differences += 1
        if self.differences <= SHOWN_MAX:
            print(f"--- {parser} {row['instance_id']} {row['version']}\n{text!r}\nreference: "
                  f"{json.dumps(reference_says, ensure_ascii=False)}\nours:      "
                  f"{json.dumps(we_say, ensure_ascii=False)}")

    def table(self):
        yield "| parser | texts | lines | of these with results | raise | agree |"
        yield "| --- | --- | --- | --- | --- | --- |"
        total = collections.Counter()
        for parser in sorted(self.rows):
            total.update(self.rows[parser])
            yield self.line(parser, self.rows[parser])
        yield self.line("**all**", total)

    @staticmethod
    def line(name, c):
        share = 100 * c["nonempty"] // max(1, c["texts"])
        agree = "100 %" if c["same"] == c["texts"] else f"{c['same']} of {c['texts']}"
        return f"| {name} | {c['texts']} | {c['lines']} | {share} % | {c['raised']} | {agree} |"


def compare(tool, tally, parser, text, row):
    tool.send(("parse", parser, row["instance_id"], row["version"]), text)
    said = normal(*reference.parse(parser, text, row))
    tally.add(parser, text, said, ours(tool.answer()), row)


def check(options):
    tool, tally = Tool(options.tool), Tally()
    for row in load():
        for parser in reference.PARSER_REGISTRY:  # all: what one prints, another must pass over
            compare(tool, tally, parser, row["text"], row)
    return tally


def run_mutate(options):
    tool, tally = Tool(options.tool), Tally()
    random_ = random.Random(options.seed)
    rows = load()
    by_parser = collections.defaultdict(list)
    for row in rows:
        for name in row["parsers"]:
            by_parser["parse_log_" + name].append(row)
    missing = sorted(set(reference.PARSER_REGISTRY) - set(by_parser))
    if missing:
        sys.exit(f"no log for {missing}")
    pool = [line for row in rows for line in row["text"].split("\n")]
    lines, names = 0, sorted(by_parser)
    while lines < options.lines:
        for parser in names:
            choice = by_parser[parser]  # longer logs more often
            row = random_.choices(choice, [len(one["text"]) + 100 for one in choice])[0]
            text = mutate.mutate(random_, row["text"], pool)
            compare(tool, tally, parser, text, row)
            lines += text.count("\n") + 1
    return tally


def write(_):
    expected = []
    for row in load():
        for name in row["parsers"]:
            parser = "parse_log_" + name
            said = normal(*reference.parse(parser, row["text"], row))
            expected.append({"file": row["file"], "parser": parser, "instance_id": row["instance_id"],
                             "version": row["version"], "expected": said})
    with open(os.path.join(LOGS, "expected.json"), "w", encoding="utf-8") as file:
        json.dump({"made_by": f"parity.py write, swebench {reference.VERSION}", "rows": expected}, file,
                  ensure_ascii=False, indent=0)
        file.write("\n")


# --- grading -------------------------------------------------------------------------------------

MARKS = [">>>>> Start Test Output", ">>>>> End Test Output", ">>>>> Test Exit Code: 0",
         ">>>>> Test Exit Code: 1", ">>>>> Test Exit Code: -9", ">>>>> Test Exit Code: 00",
         ">>>>> Patch Apply Failed", ">>>>> Reset Failed", ">>>>> Tests Errored", ">>>>> Tests Timed Out",
         ">>>>> Applied Patch", ">>>>> Some Tests Failed", ">>>>> All Tests Passed",
         "Executed 3 of 4", "Executed 0 of 0", "TOTAL: 2 SUCCESS", "TOTAL: 0 SUCCESS", "TOTAL: 12 FAILED",
         "12 passing", "0 passing", "10 passing", "Tests:  1 failed, 3 total", "Tests: 0 total",
         "Test Suites: 1 failed, 0 total", "Test Suites: 1 failed, 12 passed, 13 total", "# tests 4", " # tests 4",
         "# tests 0", "3 specs, 0 failures", "1 spec, 1 failure", "0 specs, 0 failures", "case x': ok",
         "case x': ok ", "Failed to launch", "Failed to connect to the bus", "cannot open display",
         "Missing X server", "unable to open X display", "Cannot allocate memory", "OutOfMemoryError",
         "Killed", "Killed: 9", " Killed", "Error response from daemon", "Cannot connect to the Docker daemon",
         "Could not resolve host", "Temporary failure in name resolution", "Cannot find module",
         "MODULE_NOT_FOUND", "ModuleNotFoundError", "no tests ran", "collected 0 items",
         "Timeout error: 1800 seconds exceeded", "Timeout error:  seconds exceeded", "", "\r"]
IDS = ["t::a", "t::b", "t::c[x-1]", "t::c[x-2]", "t::c[x", "t::c[", "t::c[y", "t::d[[z]", "t::e", "t.py::f - g",
       "t::c[x-1", "[100%]", "[2]"]
STATUSES = ["PASSED", "FAILED", "SKIPPED", "ERROR", "XFAIL", "XPASS", "ERRORS", "PASSEDX"]


def grade_case(random_, rows):
    if random_.random() < 0.7:
        parser, context = "parse_log_pytest", {}
        body = [f"{random_.choice(STATUSES)} {random_.choice(IDS)}" for _ in range(random_.randrange(8))]
        ids = IDS
    else:
        row = random_.choice(rows)
        parser = "parse_log_" + random_.choice(row["parsers"])
        context = {"instance_id": row["instance_id"], "version": row["version"]}
        body = random_.sample(row["text"].split("\n"), k=min(12, row["text"].count("\n") + 1))
        said, _ = reference.parse(parser, row["text"], row)
        ids = [key for key in (said or {}) if isinstance(key, str) and "\0" not in key and
               not any("\ud800" <= c <= "\udfff" for c in key)] or IDS
    body = ["+ : '>>>>> Start Test Output'"] + body + ["+ : '>>>>> End Test Output'"]
    if random_.random() < 0.7:
        body.append(f">>>>> Test Exit Code: {random_.choice([0, 0, 1, 2, 137])}")
    for _ in range(random_.choice([0, 0, 1, 1, 2, 3])):
        body.insert(random_.randrange(len(body) + 1), random_.choice(MARKS))
    if random_.random() < 0.1:
        body.pop(random_.randrange(len(body)))
    text = random_.choice(["\n", "\n", "\n", "\r\n", "\r"]).join(body)
    pick = lambda: random_.sample(ids, k=min(len(ids), random_.choice([0, 1, 1, 2, 3])))  # noqa: E731
    return dict(context, log_parser=parser, FAIL_TO_PASS=pick(), PASS_TO_PASS=pick(),
                eval_type=random_.choice(["pass_and_fail", "pass_and_fail", "fail_only"])), text


def reference_grade(spec, path):
    prediction = {"instance_id": spec.instance_id, "model_name_or_path": "m", "model_patch": "x"}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            report = reference.grading.get_eval_report(spec, prediction, path, True)
        report = report[spec.instance_id]
    except Exception:  # noqa: BLE001
        return {"raised": True}
    said = {"raised": False, "found": report["patch_successfully_applied"], "resolved": report["resolved"]}
    if said["found"]:
        status = report["tests_status"]
        said["resolution"] = reference.grading.get_resolution_status(status)
        said["lists"] = [status[name][side] for name in ("FAIL_TO_PASS", "PASS_TO_PASS")
                         for side in ("success", "failure")]
    else:
        reason = report.get("infra_failure_reason")
        said["infra"] = reason and [reason, "environment" if report["infra_failure"] else "ambiguous"]
    return said


def our_grade(answer):
    if answer["raised"]:
        return {"raised": True}
    said = {"raised": False, "found": answer["found"],
            "resolved": answer["found"] and answer["resolution"] == "RESOLVED_FULL"}
    if said["found"]:
        said["resolution"] = answer["resolution"]
        said["lists"] = [answer[name] for name in ("f2p_success", "f2p_failure", "p2p_success", "p2p_failure")]
    else:
        said["infra"] = answer["infra"]
    return said


def grade(options):
    tool = Tool(options.tool)
    random_ = random.Random(options.seed)
    rows = load()
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        for _ in range(options.cases):
            row, text = grade_case(random_, rows)
            spec = reference.spec_of(row)
            tool.send(("grade", spec.log_parser, spec.instance_id, spec.version, spec.eval_type,
                       str(len(spec.FAIL_TO_PASS)), str(len(spec.PASS_TO_PASS))), text,
                      spec.FAIL_TO_PASS + spec.PASS_TO_PASS)
            with open(path, "w", newline="", encoding="utf-8") as file:
                file.write(text)
            said, we_say = reference_grade(spec, path), our_grade(tool.answer())
            counts["cases"] += 1
            counts["raised" if said["raised"] else "invalid" if not said["found"] else said["resolution"]] += 1
            counts["infra label"] += bool(said.get("infra"))
            counts["agree"] += said == we_say
            if said != we_say and counts["cases"] - counts["agree"] <= SHOWN_MAX:
                print(f"--- {row}\n{text!r}\nreference: {said}\nours:      {we_say}")
    return counts


# --- Unicode classes -----------------------------------------------------------------------------

def classes(options):
    """Every character, as Python's re classes it, against ours: lines of one of our parsers that
    only a space, a digit or a word character makes match."""
    tool, wrong = Tool(options.tool), 0
    probes = {"space": ("parse_log_jest", "✓{}x"), "digit": ("parse_log_tap", "ok {} x"),
              "word": ("parse_log_phpunit", "{}x (y)\n✔ a"), "strip": ("parse_log_rspec_transformed_json", "x{} - passed\n{}y - failed")}
    count = 0
    for parser, form in probes.values():
        row = {"instance_id": "a-1", "version": "1"}
        for code in range(0x110000):
            if 0xD800 <= code < 0xE000 or (code > 0x33FF and not 0x10000 <= code < 0x20000 and code % 7):
                continue
            text = form.replace("{}", chr(code))
            tool.send(("parse", parser, "a-1", "1"), text)
            said = normal(*reference.parse(parser, text, row))
            count += 1
            if said != ours(tool.answer()):
                wrong += 1
                if wrong <= SHOWN_MAX:
                    print(f"U+{code:04X} in {parser}: {said}")
    print(f"classes: {count} probes, {wrong} differ")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "mutate", "grade", "write", "classes"])
    parser.add_argument("--tool", default="build/dev/tests/parity_tool")
    parser.add_argument("--lines", type=int, default=1000000)
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown")
    options = parser.parse_args()
    if options.what == "write":
        write(options)
        return 0
    if options.what == "classes":
        return int(classes(options) > 0)
    if options.what == "grade":
        counts = grade(options)
        table = ["| cases | " + " | ".join(counts) + " |", "| --- |" + " --- |" * len(counts),
                 f"| {options.seed} | " + " | ".join(str(n) for n in counts.values()) + " |"]
        table = ["| what | count |", "| --- | --- |"] + [f"| {name} | {n} |" for name, n in counts.items()]
        failed = counts["agree"] != counts["cases"]
    else:
        tally = check(options) if options.what == "check" else run_mutate(options)
        table, failed = list(tally.table()), tally.differences > 0
        print(f"{options.what}: {tally.differences} differences")
    if options.markdown:
        with open(options.markdown, "a", encoding="utf-8") as file:
            file.write("\n".join(table) + "\n")
    else:
        print("\n".join(table))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
