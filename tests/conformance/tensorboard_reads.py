# SPDX-License-Identifier: MIT
"""TensorBoard (PyPI) on the events of a training, beside the numbers that the training itself kept:
tensorboard_reads.py WORK. Prints a row of the table of tests/conformance/run."""
import glob
import importlib.metadata
import json
import math
import os
import random
import struct
import subprocess
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

WORK = sys.argv[1]
CONFIG = """
seed: 3
name: tensorboard
tasks: {source: file, path: tasks.jsonl, tokens_max: 32}
model: {layers: 2, width: 32, heads: 2, kv_heads: 1, head_dim: 16, ffn: 64, vocab: 320}
sft: {updates: 100, batch: 16, lr: 0.003, warmup: 10}
rl: {steps: 6, groups: 8, group_size: 8, updates: 4, answer_tokens_max: 4}
optimizer: {lr: 0.0003}
eval: {every: 3, count: 30}
batch: {rows_max: 256}
"""
rng = random.Random(1)
with open(f"{WORK}/tasks.jsonl", "w", encoding="ascii") as file:
    for split, count in (("sft", 200), ("rl", 100), ("seeds", 30)):
        for _ in range(count):
            a, b = rng.randrange(10), rng.randrange(10)
            file.write(json.dumps({"split": split, "family": "max", "prompt": f"max {a} {b} =", "answer": str(max(a, b))}) + "\n")
with open(f"{WORK}/config.yaml", "w", encoding="ascii") as file:
    file.write(CONFIG)
subprocess.run([os.path.join(os.environ["ASSAY_BUILD_DIR"], "assay"), "train", "config.yaml", "--json"], cwd=WORK, check=True, stdout=sys.stderr)
folder = os.path.join(os.environ["ASSAY_HOME"], "runs", "tensorboard")
assert glob.glob(f"{folder}/events.out.tfevents.*")
reader = EventAccumulator(folder, size_guidance={"scalars": 0})
reader.Reload()
told = {(tag, event.step): event.value for tag in reader.Tags()["scalars"] for event in reader.Scalars(tag)}
kept, asked = 0, set()
with open(f"{folder}/metrics.jsonl", encoding="utf-8") as file:
    for line in file:
        row = json.loads(line)
        for name, value in row.items():
            tag = f"{row['phase']}/{name}"
            if isinstance(value, bool) or not isinstance(value, (int, float)) or tag not in reader.Tags()["scalars"]:
                continue
            asked.add(tag)
            same = [v for (t, _), v in told.items() if t == tag and math.isclose(v, struct.unpack("f", struct.pack("f", value))[0], rel_tol=1e-6)]
            assert same, (tag, row)
            kept += 1
assert {"sft/loss", "rl/reward", "eval/seeds_rate"} <= asked, asked
assert kept == len(told), (kept, len(told))
print(f"| TensorBoard {importlib.metadata.version('tensorboard')} (PyPI) reads what a training wrote | {len(asked)} curves, {len(told)} values, "
      "each as the training's own `metrics.jsonl` has it | all |")
