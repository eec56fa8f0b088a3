# SPDX-License-Identifier: MIT
"""Turn the figures of `make bench` (one JSON object a line) into docs/bench.md on stdout."""
import json
import os
import platform
import subprocess
import sys


def first(pattern, path, fallback):
    try:
        with open(path, encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(pattern))
    except (OSError, StopIteration):
        return fallback


def text(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main():
    git = ["git", "log", "-1", "--format=%h, %cs"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    columns = ["bench", "metric", "value", "unit", "spread", "peer", "peer_value", "ratio", "bound",
               "met"]
    print("<!-- SPDX-License-Identifier: MIT -->")
    print("# Benches\n")
    print("Written by `make bench`; do not edit: docs/performance.md is the page for people.")
    print("Each row comes from one program in `bench/`; a peer was measured beside it in the same run, and medians are quoted.\n")
    print(f"- commit: {commit or 'unknown'}")
    print(f"- processor: {first('model name', '/proc/cpuinfo', platform.machine())}, "
          f"{len(os.sched_getaffinity(0))} cores")
    print(f"- memory: {first('MemTotal', '/proc/meminfo', 'unknown')}")
    print(f"- kernel: {platform.release()}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    with open(sys.argv[1], encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                row = json.loads(line)
                print("| " + " | ".join(text(row.get(key)) for key in columns) + " |")


main()
