# SPDX-License-Identifier: MIT
"""Lay an implementation of the losses beside the golden vectors of tests/golden/loss.

    python3 check_loss.py MODULE:FUNCTION [--tolerance 1e-6] [CASE.json ...]

FUNCTION gets {"name", "config", "rollouts"} of a case and returns a dict with any of "advantages", "loss",
"gradient" (as the case has them) and "statistics" (any of its members), or None for a config that it does not
have. Printed: one line a case that differs, and how many agreed, differed and were not there. Exit 1 if any
differs. Errors are relative to the largest number of the same kind in the case.
"""
import argparse
import glob
import importlib
import json
import os
import sys


def flat(value):
    if isinstance(value, (list, tuple)):
        return [x for item in value for x in flat(item)]
    return [float(value)]


def difference(is_, want):
    is_, want = flat(is_), flat(want)
    if len(is_) != len(want):
        return float("inf")
    scale = max([abs(x) for x in want] + [1e-6])
    return max([abs(a - b) / scale if a == a else float("inf") for a, b in zip(is_, want)] + [0.0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("function")
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--tolerance", type=float, default=1e-6)
    options = parser.parse_args()
    sys.path.insert(0, os.getcwd())
    module, name = options.function.split(":")
    function = getattr(importlib.import_module(module), name)
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loss")
    agreed = differed = absent = 0
    for path in options.cases or sorted(glob.glob(os.path.join(here, "*.json"))):
        with open(path) as file:
            case = json.load(file)
        want = case.pop("expected")
        got = function(case)
        if got is None:
            absent += 1
            continue
        errors = {key: difference(got[key], want[key]) for key in ("advantages", "loss", "gradient") if key in got}
        for key, value in got.get("statistics", {}).items():
            errors["statistics." + key] = difference(value, want["statistics"][key])
        wrong = [f"{key} by {error:.2g}" for key, error in errors.items() if not error <= options.tolerance]
        agreed += not wrong
        differed += bool(wrong)
        if wrong:
            print(f"{case['name']}: {', '.join(wrong)}")
    print(f"{agreed} agree, {differed} differ, {absent} not there")
    return 1 if differed or not agreed else 0


if __name__ == "__main__":
    sys.exit(main())
