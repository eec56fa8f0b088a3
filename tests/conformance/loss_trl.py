# SPDX-License-Identifier: MIT
"""TRL's GRPOTrainer as a function for tests/golden/check_loss.py: python3 check_loss.py loss_trl:solve

Its own _compute_loss() runs on a case's logits; only the model in front of it is replaced. Where TRL means
something else the answer is None: other norms and deviations, no floor, no clamp of exponents, k3 alone. Its
clipped losses have another value (r A instead of w A log p) with the same gradient, so there the gradient is
compared and the loss is not.
"""
import collections
import math
import types

import torch
from trl.trainer.grpo_trainer import GRPOTrainer

NORMS = {"cispo": "batch_tokens", "dapo": "batch_tokens", "grpo": "rollout", "ppo": "rollout", "gspo": "rollout",
         "dr_grpo": "constant"}


def supported(name, config):
    return (config["loss"] in NORMS and config["norm"] == NORMS[config["loss"]] and config["is_floor"] == 0
            and config["entropy"] == 0 and (config["kl"] == 0 or config["kl_estimator"] == "k3")
            and (config["clip_dual"] == 0 or config["loss"] in ("ppo", "grpo"))
            and "_far" not in name and "_dead" not in name)


def advantages_of(config, rollouts):
    groups = collections.defaultdict(list)
    for rollout in rollouts:
        groups[rollout["group"]].append(rollout["reward"])
    everything = [r["reward"] for r in rollouts]
    out = []
    for rollout in rollouts:
        rewards = groups[rollout["group"]]
        if config["baseline"] == "leave_one_out":
            centre = (sum(rewards) - rollout["reward"]) / (len(rewards) - 1)
        else:
            centre = sum(rewards) / len(rewards)
        over = everything if config["adv_std"] == "batch" else rewards
        mean = sum(over) / len(over)
        lost = config["adv_std"] == "sample"
        std = math.sqrt(sum((r - mean) ** 2 for r in over) / (len(over) - lost))
        out.append((rollout["reward"] - centre) / (1 if config["adv_std"] == "none" else std + 1e-4))
    return out


def padded(rows, length, fill):
    return torch.tensor([list(row) + [fill] * (length - len(row)) for row in rows], dtype=torch.float64)


def trainer_of(config, logp, entropy):
    loss = config["loss"]
    cispo = loss == "cispo"
    trainer = types.SimpleNamespace(
        loss_type={"ppo": "grpo", "gspo": "grpo"}.get(loss, loss), beta=config["kl"],
        importance_sampling_level="sequence" if loss == "gspo" else "token",
        epsilon_low=1 - config["clip_low"], epsilon_high=config["is_cap"] if cispo else config["clip_high"] - 1,
        max_completion_length=config["norm_constant"], top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        use_vllm=False, vllm_importance_sampling_correction=False, aux_loss_enabled=False,
        _entropy_bonus_enabled=False, current_gradient_accumulation_steps=1,
        model=types.SimpleNamespace(training=True),
        args=types.SimpleNamespace(delta=config["clip_dual"] or None, use_bias_correction_kl=False,
                                   steps_per_generation=1),
        accelerator=types.SimpleNamespace(num_processes=1, gather=lambda x: x, reduce=lambda x, **_: x),
        _metrics=collections.defaultdict(lambda: collections.defaultdict(list)))
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (logp, entropy, None)
    return trainer


def solve(case):
    config, rollouts = case["config"], case["rollouts"]
    if not supported(case["name"], config):
        return None
    length = max(len(r["target"]) for r in rollouts)
    vocab = len(rollouts[0]["logits"][0])
    logits = torch.zeros(len(rollouts), length, vocab, dtype=torch.float64)
    for i, rollout in enumerate(rollouts):
        logits[i, : len(rollout["logits"])] = torch.tensor(rollout["logits"], dtype=torch.float64)
    logits.requires_grad_()
    target = padded([r["target"] for r in rollouts], length, 0).long()
    mask = padded([r["mask"] for r in rollouts], length, 0)
    everything = torch.log_softmax(logits, -1)
    logp = everything.gather(-1, target[..., None])[..., 0]
    entropy = -(everything.exp() * everything).sum(-1)
    old = torch.where(mask > 0, padded([r["logp_old"] for r in rollouts], length, 0), logp.detach())
    ref = torch.where(mask > 0, padded([r["logp_ref"] for r in rollouts], length, 0), logp.detach())
    nothing = torch.zeros(len(rollouts), 1, dtype=torch.long)
    inputs = {"prompt_ids": nothing, "prompt_mask": nothing, "completion_ids": target, "completion_mask": mask,
              "advantages": torch.tensor(advantages_of(config, rollouts), dtype=torch.float64),
              "old_per_token_logps": old, "ref_per_token_logps": ref, "num_items_in_batch": mask.sum()}
    loss = GRPOTrainer._compute_loss(trainer_of(config, logp, entropy), None, inputs)
    loss.backward()
    out = {"gradient": [logits.grad[i, : len(r["target"])].tolist() for i, r in enumerate(rollouts)]}
    if config["loss"] == "cispo":
        out["loss"] = loss.item()
    return out
