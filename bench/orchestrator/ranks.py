#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What ranks cost and gain on one host: rows a second of updates, by one process with all processors and by ranks that share them.

    python3 bench/orchestrator/ranks.py [--json] [--ranks 2] [--rounds 3] [--updates 60]

$ASSAY_BUILD_DIR names the build (build/release). A policy of 0.8 million parameters learns demonstrations whose rows are all
different; both sides sum the same shards and end in the same weights, which is checked. A B A B; a run is warmed by its first
step (ten updates), which does not count.
"""
import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import tempfile

ASSAY = os.path.join(os.environ.get("ASSAY_BUILD_DIR", "build/release"), "assay")
CONFIG = """
seed: 3
tasks: {source: file, path: tasks.jsonl, tokens_max: 128}
model: {layers: 4, width: 128, heads: 4, kv_heads: 2, head_dim: 32, ffn: 384, vocab: 300}
sft: {batch: 32}
eval: {count: 0}
checkpoint: {every: 1000000}
"""


def write(work):
    rng = random.Random(1)
    with open(f"{work}/tasks.jsonl", "w") as file:
        for _ in range(2000):
            text = " ".join(str(rng.randrange(1000)) for _ in range(16))
            file.write(json.dumps({"split": "sft", "prompt": text[:20], "answer": text[20:]}) + "\n")
    with open(f"{work}/config.yaml", "w") as file:
        file.write(CONFIG)


def train(work, ranks, shards, updates, name):
    """Median rows a second of the steps but the first, and the hash of the weights."""
    command = [os.path.abspath(ASSAY), "train", "config.yaml", "--set", f"name={name}", "--set", f"batch.shards={shards}",
               "--set", f"sft.updates={updates}"] + (["--ranks", str(ranks)] if ranks > 1 else [])
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env=dict(os.environ, ASSAY_HOME=f"{work}/home"))
    run = f"{work}/home/runs/{name}"
    with open(f"{run}/metrics.jsonl") as file:
        rows = [row["rows_per_s"] for row in map(json.loads, file) if row["phase"] == "sft"]
    with open(f"{run}/final/model.safetensors", "rb") as file:
        return statistics.median(rows[1:]), hashlib.sha256(file.read()).hexdigest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=60)
    options = parser.parse_args()
    sides, weights = {1: [], options.ranks: []}, set()
    with tempfile.TemporaryDirectory() as work:
        write(work)
        for number in range(options.rounds):
            for ranks in sides:
                rate, digest = train(work, ranks, options.ranks, options.updates, f"r{ranks}-{number}")
                sides[ranks].append(rate)
                weights.add(digest)
    if len(weights) != 1:
        raise SystemExit("one process and ranks end in different weights")
    one, many = (statistics.median(rates) for rates in sides.values())
    spread = max(max(rates) / min(rates) - 1 for rates in sides.values())
    if options.json:
        print(json.dumps({"bench": "ranks", "metric": f"{options.ranks} ranks beside one process", "value": many, "unit": "rows/s",
                          "spread": spread, "peer": "one process", "peer_value": one, "ratio": many / one, "bound": None, "met": None}))
    else:
        print(f"one process, all processors   {one:9.0f} rows/s\n{options.ranks} ranks that share them       {many:9.0f} rows/s"
              f"   {many / one:.2f} times; the same weights; spread {spread:.0%}")


if __name__ == "__main__":
    main()
