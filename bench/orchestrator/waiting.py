#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The share of a step of rl that waits for rewards, in turn (rl.staleness 0), at the shape of docs/train-demo.yaml.

    python3 bench/orchestrator/waiting.py [--json] [--updates 600] [--steps 8]

From the root of the repository. $ASSAY_BUILD_DIR names the build (build/release). A short warm start, so that answers are
edits whose tests run; then the steps, whose own clocks (`idle_for_rewards`: rewards against sampling, agreement, updates) are
the figure: medians over steps. A better policy has other answers, so the share is of this warm start.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

ASSAY = os.path.join(os.environ.get("ASSAY_BUILD_DIR", "build/release"), "assay")


def train(home, updates, steps):
    settings = {"name": "waiting", "sft.updates": updates, "sft.whole": updates // 6, "sft.mistaken": updates // 10,
                "rl.steps": steps, "eval.count": 0, "eval.seen": 0, "eval.pass_count": 0}
    command = [ASSAY, "train", "docs/train-demo.yaml"]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    subprocess.run(command, check=True, env={**os.environ, "ASSAY_HOME": home}, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    with open(f"{home}/runs/waiting/metrics.jsonl") as file:
        return [row for row in map(json.loads, file) if row["phase"] == "rl"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rows = train(work + "/home", args.updates, args.steps)
    shares = [row["idle_for_rewards"] for row in rows]
    share = statistics.median(shares)
    if args.json:
        print(json.dumps({
            "bench": "waiting", "metric": f"a step's time that waits for rewards, after {args.updates} updates of sft",
            "value": round(share, 4), "unit": "share", "spread": f"{min(shares):.2f}..{max(shares):.2f}", "peer": None,
            "peer_value": None, "ratio": None, "bound": None, "met": None}))
        return
    parts = {key: statistics.median(row[key] for row in rows)
             for key in ("sample_ms", "agree_ms", "train_ms", "grade_ms", "ran_executed", "executed_per_s")}
    print(f"waiting for rewards: {100 * share:.0f} % of a step ({100 * min(shares):.0f} to {100 * max(shares):.0f}); medians:",
          ", ".join(f"{key} {value:.0f}" for key, value in parts.items()))


main()
