#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""same_verdicts.py A.jsonl B.jsonl: two `assay eval --json` of one suite must tell the same.

Everything but the run's id, what it used and whether a stored verdict served: per-test vectors,
causes, reasons, tampering, keys. Prints what differs; exit 1 if something does.
"""
import json
import sys

LEAVE = ("run_id", "usage", "cached")


def load(path):
    with open(path) as stream:
        return {v["instance_id"]: v for v in map(json.loads, stream) if "instance_id" in v}


def main():
    left, right = load(sys.argv[1]), load(sys.argv[2])
    differ = sorted(left.keys() ^ right.keys())
    for name in differ:
        print("%s: in one run only" % name)
    for name in sorted(left.keys() & right.keys()):
        for field in sorted(left[name].keys() | right[name].keys()):
            ours, theirs = left[name].get(field), right[name].get(field)
            if field not in LEAVE and ours != theirs:
                differ.append(name)
                print("%s: %s: %s\n    and %s" % (name, field, json.dumps(ours), json.dumps(theirs)))
    print("%d instances, %d differ" % (len(left), len(set(differ))))
    return 1 if differ or not left else 0


if __name__ == "__main__":
    sys.exit(main())
