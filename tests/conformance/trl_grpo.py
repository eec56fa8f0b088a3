# SPDX-License-Identifier: MIT
"""TRL's GRPOTrainer as it is, trained on verdicts of the service: trl_grpo.py WORK. Prints a row of the table of
tests/conformance/run.

First the model's own answers, a few steps; then answers whose worth is known, one of which has no verdict, since
boxes cannot be made when it comes: TRL leaves it out of its group."""
import glob
import math
import os
import sys

import pandas
import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

from assay_client import Client
from assay_client.rewards import trl_reward
from serve_lib import ONE, TWO, Service, check, gold

WORK = sys.argv[1]
GROUP = 4
tokenizer = AutoTokenizer.from_pretrained(f"{WORK}/tiny")
tasks = {}


def train(out, reward, prompts, steps, **more):
    config = trl.GRPOConfig(
        output_dir=out, use_cpu=True, max_steps=steps, per_device_train_batch_size=GROUP, num_generations=GROUP,
        max_completion_length=1024 if more else 24, learning_rate=1e-3, logging_steps=1, log_completions=True,
        save_strategy="no", report_to=[], disable_tqdm=True, seed=3, shuffle_dataset=False, beta=0.0)
    model = AutoModelForCausalLM.from_pretrained(f"{WORK}/tiny")
    rows = [{"prompt": [{"role": "user", "content": tasks[task]}], "instance_id": task} for task in prompts]
    trainer = trl.GRPOTrainer(model, reward, config, Dataset.from_list(rows), processing_class=tokenizer, **more)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer.train()
    moved = any(not torch.equal(before[name].to(value.device), value) for name, value in model.named_parameters())
    steps = [pandas.read_parquet(file) for file in sorted(glob.glob(f"{out}/completions/*.parquet"))]
    return steps, trainer.state.log_history, moved


def said(row):
    return row["completion"][-1]["content"]


def own_answers(client, reward):
    """What the model says, which is nothing sensible: every reward is the verdict of that very text."""
    steps, log, _ = train(f"{WORK}/out", reward, [ONE, TWO], 3)
    check(len(steps) == 3 and sum(len(s) for s in steps) == 3 * GROUP, [len(s) for s in steps])
    asked = 0
    for number, step in enumerate(steps):
        for _, row in step.iterrows():
            verdict = client.grade((ONE, TWO)[number % 2], said(row))
            check(verdict["cached"] and row["assay_reward"] == verdict["reward"], verdict)
            asked += 1
    check(log[0]["rewards/assay_reward/mean"] == steps[0]["assay_reward"].mean(), log[0])
    return asked


def known_answers(client, reward):
    """Gold, two wrong ones, and one that comes when no box can be made: 1, 0, 0 and nothing."""
    answers = [gold(ONE), "I do not know.", gold(TWO), "Nor do I."]
    known = client.grade_many([{"instance_id": ONE, "answer": answer} for answer in answers[:3]])
    check([v["reward"] for v in known] == [1, 0, 0], known)
    answers[3] = gold(ONE) + "\n\n"  # as good as the first, but another text: it has to be run
    trees = os.path.join(os.environ["ASSAY_HOME"], "trees")

    def roll_out(prompts, trainer):
        ids = [tokenizer.encode(answer, add_special_tokens=False) for answer in answers]
        prompt = [tokenizer.apply_chat_template(p, add_generation_prompt=True, return_dict=False) for p in prompts]
        return {"prompt_ids": prompt, "completion_ids": ids, "logprobs": None}

    os.rename(trees, trees + ".away")
    try:
        steps, log, moved = train(f"{WORK}/out-given", reward, [ONE], 1, rollout_func=roll_out)
    finally:
        os.rename(trees + ".away", trees)
    rows = [row for _, row in steps[0].iterrows()]
    check([said(r) for r in rows] == answers, rows)
    rewards = [r["assay_reward"] for r in rows]
    check(rewards[:3] == [1, 0, 0] and math.isnan(rewards[3]), rewards)
    advantages = [r["advantage"] for r in rows]
    third = math.sqrt(1 / 3)  # the deviation of 1, 0, 0: the fourth is not counted
    wanted = [(value - 1 / 3) / (third + 1e-4) for value in (1, 0, 0)] + [0.0]
    check(all(abs(a - w) < 1e-4 for a, w in zip(advantages, wanted)), advantages, wanted)
    check(abs(log[0]["reward"] - 1 / 3) < 1e-6 and abs(log[0]["reward_std"] - third) < 1e-4, log[0])
    check(moved, "the step changed the weights")
    check(client.grade(ONE, answers[3])["reward"] == 1, "the same answer has its verdict later")
    return advantages


service = Service("quick")
try:
    client = Client(service.url)
    tasks = {row["instance_id"]: row["problem"][:200] for row in client.instances("quick")}
    reward = trl_reward(client)
    asked = own_answers(client, reward)
    advantages = known_answers(client, reward)
finally:
    service.stop()
print(f"| unmodified TRL {trl.__version__}, GRPOTrainer with `assay_client.rewards.trl_reward`, tiny model on the CPU"
      f" | {asked} of {asked} rewards of its own answers are the service's verdicts; of 1, 0, 0 and null the advantages are "
      f"{', '.join(f'{a:.2f}' for a in advantages)} | equal; null is left out |")
