#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sampling ahead of training against one after the other, from the same weights: held-out rate and seconds.

    ahead.py ASSAY START [--tests-ms 200] [--steps 60] [--seeds 1] [key=value...]

START is a model's directory (weights and tokenizer), as a run's final/ is. Tests sleep, as those of slow suites make a
machine wait; key=value goes to all runs. ASSAY_HOME says where the runs are; a finished one is not made again. Rates are of
512 programs that no run had, measured without the sleep when the run is over and not counted in its seconds.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "train-demo.yaml")
ARMS = (("in turn", {}),
        ("one ahead", {"rl.staleness": "1"}),
        ("one ahead, weights change within answers", {"rl.staleness": "1", "rl.swap": "token"}),
        ("two ahead, weights change within answers", {"rl.staleness": "2", "rl.swap": "token"}))
# Few rollouts and many passes over them: training takes about a third as long as rewards.
SHAPE = {"sft.updates": "0", "rl.groups": "8", "rl.group_size": "8", "rl.updates": "2", "rl.epochs": "8", "rl.rounds_max": "1",
         "optimizer.lr": "0.00005", "eval.every": "0"}
UNMEASURED = {"eval.count": "0", "eval.seen": "0", "eval.pass_count": "0"}


def rows_of(name):
    path = os.path.join(os.environ["ASSAY_HOME"], "runs", name, "metrics.jsonl")
    with open(path) as file:
        return [json.loads(line) for line in file]


def train(assay, name, sets):
    if not os.path.exists(os.path.join(os.environ["ASSAY_HOME"], "runs", name, "final", "model.safetensors")):
        command = [assay, "train", CONFIG, "--set", "name=" + name]
        for key, value in sets.items():
            command += ["--set", f"{key}={value}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return rows_of(name)


def held_out(assay, name, model):
    rows = train(assay, name, {"model.path": model, "sft.updates": "0", "rl.steps": "0", "eval.count": "512", "eval.seen": "0",
                               "eval.pass_count": "0"})
    return [row for row in rows if row["phase"] == "eval" and "seeds_rate" in row][-1]


def share(rows, key):
    values = [row[key] for row in rows if key in row]
    return f"{100 * statistics.mean(values):.0f} %" if values else "–"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assay")
    parser.add_argument("start")
    parser.add_argument("--tests-ms", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("sets", nargs="*")
    o = parser.parse_args()
    if "ASSAY_HOME" not in os.environ:
        sys.exit("ahead: ASSAY_HOME is not set")
    more = dict(item.split("=", 1) for item in o.sets)
    began = held_out(o.assay, "ahead-start", o.start)
    print(f"start: {began['seeds_rate']:.3f} of {began['seeds_count']}")
    print("| arm | seed | seconds | held out | 95 % | staleness: most, mean of tokens | idle: trainer, sampler | rollouts |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for seed in range(1, o.seeds + 1):
        for number, (arm, sets) in enumerate(ARMS):
            name = f"ahead-{o.tests_ms}-{o.steps}-{seed}-{number}"
            rows = train(o.assay, name, dict(SHAPE, **UNMEASURED, **sets, **more, **{
                "model.path": o.start, "tasks.tests_ms": o.tests_ms, "rl.steps": o.steps, "seed": seed}))
            rl = [row for row in rows if row["phase"] == "rl"]
            rate = held_out(o.assay, name + "-rate", os.path.join(os.environ["ASSAY_HOME"], "runs", name, "final"))
            ages = [row["staleness_token"] for row in rl if "staleness_token" in row]
            print(f"| {arm} | {seed} | {sum(row['step_ms'] for row in rl) / 1000:.0f} | {rate['seeds_rate']:.3f} | "
                  f"{rate['seeds_low']:.3f} to {rate['seeds_high']:.3f} | {max(row.get('staleness', 0) for row in rl):.0f}, "
                  f"{statistics.mean(ages) if ages else 0:.2f} | {share(rl, 'idle_trainer')}, {share(rl, 'idle_sampler')} | "
                  f"{sum(row['rollouts'] for row in rl):.0f} |", flush=True)


if __name__ == "__main__":
    main()
