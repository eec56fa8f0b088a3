#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Put run logs through the grading functions of SWE-bench, and print what they would have said.

    swebench_grade.py --spec SPEC.json --log LOG [--log LOG ...] [--raw [--exit-code N]]
    swebench_grade.py --list LIST.jsonl [--raw]

SPEC.json  a row of a data set: FAIL_TO_PASS, PASS_TO_PASS (arrays or JSON strings), and optionally
           instance_id, repo, version, log_parser (default parse_log_pytest), eval_type.
LOG        a test_output.txt, with the markers that eval.sh prints. With --raw it is the bare output
           of the test command, and the markers are put around it as eval.sh of version 5 does, with
           the exit status N (default 0) after the end marker.
LIST       one object a line: {"name", "spec": {...}, "log": PATH or "text": TEXT, "exit_code": N}.

One JSON object a log on stdout: {"name", "resolved", "valid" (false: the log was thrown out),
"resolution", "statuses" (how many tests the parser saw), "infra_failure_reason", "error" (the
exception that the reference raised; then nothing is resolved)}. Exit status 0 whatever the verdicts.

Needs a Python >= 3.10 with the package: python3 -m venv V && V/bin/pip install swebench
(--no-deps is enough: what grading does not call is replaced by stand-ins).
"""
import argparse
import contextlib
import io
import json
import os
import sys
import tempfile

import reference


def grade(name, row, path):
    spec = reference.spec_of(row)
    result = {"name": name, "resolved": False, "valid": False, "resolution": None, "statuses": 0,
              "infra_failure_reason": None, "error": None, "swebench": reference.VERSION}
    prediction = {"instance_id": spec.instance_id, "model_name_or_path": "m", "model_patch": "x"}
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            report = reference.grading.get_eval_report(spec, prediction, path, True)[spec.instance_id]
            statuses, _ = reference.grading.get_logs_eval(spec, path)
        except Exception as error:  # noqa: BLE001 - a row of its own in the result
            result["error"] = f"{type(error).__name__}: {error}"
            return result
    result["resolved"] = report["resolved"]
    result["valid"] = report["patch_successfully_applied"]
    result["infra_failure_reason"] = report.get("infra_failure_reason")
    result["statuses"] = len(statuses)
    if "tests_status" in report:
        result["resolution"] = reference.grading.get_resolution_status(report["tests_status"])
        result["tests_status"] = report["tests_status"]
    return result


def grade_text(name, row, text, raw, exit_code):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "test_output.txt")
        with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            file.write(reference.wrap(text, exit_code) if raw else text)
        return grade(name, row, path)


def read(path):
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec")
    parser.add_argument("--log", action="append", default=[])
    parser.add_argument("--list")
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--exit-code", type=int, default=0)
    options = parser.parse_args()
    if bool(options.list) == bool(options.spec):
        parser.error("give either --spec with --log, or --list")
    if options.spec:
        with open(options.spec, encoding="utf-8") as file:
            row = json.load(file)
        jobs = [(path, row, read(path), options.exit_code) for path in options.log]
    else:
        with open(options.list, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file if line.strip()]
        jobs = [(row["name"], row["spec"], row["text"] if "text" in row else read(row["log"]),
                 row.get("exit_code", options.exit_code)) for row in rows]
    for name, row, text, exit_code in jobs:
        print(json.dumps(grade_text(name, row, text, options.raw, exit_code)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
