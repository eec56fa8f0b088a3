# SPDX-License-Identifier: MIT
"""Golden vectors of the losses: tests/golden/loss/*.json, in plain Python doubles.

    python3 tests/golden/make_loss.py [DIR]     writes the same bytes each time

A case holds a config, rollouts (logits, sampled ids, mask, logp_old, logp_ref, reward, group) and what
must come out of them: advantages, loss, the gradient on every logit, statistics. The formulas are those of
docs/cispo.md, written here from there and from nothing else; no array library, so that they can be read.
tests/golden/check_loss.py lays an implementation of anybody's beside them.

Row t of `logits` predicts `target[t]`; `mask[t]` is 1 where the policy sampled that id. Where it is 0,
logp_old and logp_ref hold nonsense on purpose.
"""
import json
import math
import os
import random
import sys

EPS = 1e-4
PUBLISHED = {  # norm, adv_std, baseline, clip_low, clip_high
    "cispo": ("batch_tokens", "population", "mean", 0.8, 1.2),
    "grpo": ("rollout", "population", "mean", 0.8, 1.2),
    "dapo": ("batch_tokens", "population", "mean", 0.8, 1.28),
    "gspo": ("rollout", "population", "mean", 1 - 3e-4, 1 + 4e-4),
    "dr_grpo": ("constant", "none", "mean", 0.8, 1.2),
    "rloo": ("constant", "none", "leave_one_out", 0.8, 1.2),
    "reinforce": ("batch_tokens", "none", "mean", 0.8, 1.2),
    "reinforce_is": ("batch_tokens", "none", "mean", 0.8, 1.2),
    "ppo": ("rollout", "population", "mean", 0.8, 1.2),
    "sft": ("batch_tokens", "none", "mean", 0.8, 1.2),
}
MASKED = {"grpo", "dapo", "gspo", "dr_grpo", "ppo"}


def config_of(loss, **changes):
    norm, adv_std, baseline, low, high = PUBLISHED[loss]
    config = {"loss": loss, "is_cap": 5.0, "is_floor": 0.0, "clip_low": low, "clip_high": high, "clip_dual": 0.0,
              "norm": norm, "norm_constant": 1.0, "adv_std": adv_std, "baseline": baseline,
              "kl_estimator": "k3", "kl": 0.0, "entropy": 0.0}
    assert all(key in config for key in changes), changes
    return {**config, **changes}


# --- the formulas --------------------------------------------------------------------------------


def safe_exp(x):
    return math.exp(max(-20.0, min(20.0, x)))


def log_softmax(row):
    top = max(row)
    lse = top + math.log(math.fsum(math.exp(z - top) for z in row))
    return [z - lse for z in row]


def groups_of(rollouts):
    groups = {}
    for i, rollout in enumerate(rollouts):
        groups.setdefault(rollout["group"], []).append(i)
    return groups


def deviation(values, lost):
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - lost)) if len(values) > lost else 0.0


def advantages_of(config, rollouts):
    """Also which rollouts stay: a group of equal rewards leaves the batch, and N with it. SFT has no rewards."""
    if config["loss"] == "sft":
        return [1.0] * len(rollouts), [True] * len(rollouts)
    kept, out = [False] * len(rollouts), [0.0] * len(rollouts)
    for members in groups_of(rollouts).values():
        rewards = [rollouts[i]["reward"] for i in members]
        for i in members:
            kept[i] = any(r != rewards[0] for r in rewards)
    live = [rollouts[i]["reward"] for i in range(len(rollouts)) if kept[i]]
    for members in groups_of(rollouts).values():
        if not kept[members[0]]:
            continue
        rewards = [rollouts[i]["reward"] for i in members]
        divisor = {"population": lambda: deviation(rewards, 0) + EPS, "sample": lambda: deviation(rewards, 1) + EPS,
                   "batch": lambda: deviation(live, 0) + EPS, "none": lambda: 1.0}[config["adv_std"]]()
        for i in members:
            rest = [rollouts[k]["reward"] for k in members if k != i or config["baseline"] == "mean"]
            out[i] = (rollouts[i]["reward"] - math.fsum(rest) / len(rest)) / divisor
    return out, kept


def norms_of(config, rollouts, kept):
    sampled = [sum(r["mask"]) for r in rollouts]
    members = {g: [i for i in m if kept[i]] for g, m in groups_of(rollouts).items()}
    alive = [g for g in members if members[g]]
    total = sum(sampled[i] for i in range(len(rollouts)) if kept[i])
    out = []
    for i, rollout in enumerate(rollouts):
        out.append({"batch_tokens": total, "rollout": sampled[i] * sum(kept),
                    "prompt": sum(sampled[k] for k in members[rollout["group"]]) * len(alive),
                    "constant": config["norm_constant"] * sum(kept)}[config["norm"]])
    return out


def is_hit(config, ratio, advantage):
    if advantage > 0:
        return ratio > config["clip_high"]
    if advantage < 0:
        return ratio < config["clip_low"] or (config["clip_dual"] > 0 and ratio > config["clip_dual"])
    return False


def weight_of(config, ratio, sequence):
    loss = config["loss"]
    if loss in ("rloo", "reinforce", "sft"):
        return 1.0
    if loss == "cispo":
        return max(config["is_floor"], min(ratio, config["is_cap"]))
    return sequence if loss == "gspo" else ratio


def kl_of(estimator, d):  # value, and slope with respect to l; d = l_ref - l
    return {"k1": (-d, 1.0), "k2": (d * d / 2, -d), "k3": (safe_exp(d) - d - 1, 1 - safe_exp(d))}[estimator]


def solve(config, rollouts):
    advantages, kept = advantages_of(config, rollouts)
    norms = norms_of(config, rollouts, kept)
    losses, gradient, weights = [], [], []
    sums = {key: [] for key in ("ratio", "grad_mass", "rescued_mass", "kl_old", "kl_ref", "entropy")}
    stats = {"token_count": 0, "ratio_max": 0.0, "logp_diff_max": 0.0, "capped_positive": 0, "capped_negative": 0,
             "masked_count": 0}
    for i, rollout in enumerate(rollouts):
        logp = [log_softmax(row) for row in rollout["logits"]]
        at = [t for t in range(len(logp)) if rollout["mask"][t]]
        gaps = {t: logp[t][rollout["target"][t]] - rollout["logp_old"][t] for t in at}
        sequence = safe_exp(math.fsum(gaps.values()) / len(at)) if at else 1.0
        rows, row_weights = [[0.0] * len(logp[0]) for _ in logp], [0.0] * len(logp)
        for t in at if kept[i] else []:
            y, A, N = rollout["target"][t], advantages[i], norms[i]
            l, p, ratio = logp[t][y], [math.exp(v) for v in logp[t]], safe_exp(gaps[t])
            hit = is_hit(config, sequence if config["loss"] == "gspo" else ratio, A)
            w = 0.0 if hit and config["loss"] in MASKED else weight_of(config, ratio, sequence)
            entropy = -math.fsum(q * v for q, v in zip(p, logp[t]))
            slope = -w * A
            losses.append(-w * A * l / N)
            if config["kl"] > 0:
                value, kl_slope = kl_of(config["kl_estimator"], rollout["logp_ref"][t] - l)
                losses.append(config["kl"] * value / N)
                slope += config["kl"] * kl_slope
                sums["kl_ref"].append(value)
            losses.append(-config["entropy"] * entropy / N)
            rows[t] = [slope / N * ((v == y) - p[v]) + config["entropy"] / N * p[v] * (logp[t][v] + entropy)
                       for v in range(len(p))]
            row_weights[t] = w
            stats["token_count"] += 1
            stats["ratio_max"] = max(stats["ratio_max"], ratio)
            stats["logp_diff_max"] = max(stats["logp_diff_max"], abs(gaps[t]))
            stats["capped_positive"] += ratio > config["is_cap"] and A > 0
            stats["capped_negative"] += ratio > config["is_cap"] and A < 0
            stats["masked_count"] += hit
            sums["ratio"].append(ratio)
            sums["grad_mass"].append(abs(w * A))
            sums["rescued_mass"].append(abs(w * A) if hit else 0.0)
            sums["kl_old"].append(safe_exp(-gaps[t]) + gaps[t] - 1)
            sums["entropy"].append(entropy)
        gradient.append(rows)
        weights.append(row_weights)
    stats.update({key + "_sum": math.fsum(values) for key, values in sums.items()})
    return {"advantages": advantages, "kept": kept, "loss": math.fsum(losses), "weights": weights,
            "gradient": gradient, "statistics": stats}


# --- the cases -----------------------------------------------------------------------------------


def rollouts_of(seed, groups=2, size=3, vocab=4, rows=(2, 5), drift=0.6, rewards=None):
    rng = random.Random(seed)
    out = []
    for group in range(groups):
        for member in range(size):
            length = rng.randint(*rows)
            logits = [[round(rng.gauss(0, 1.5), 4) for _ in range(vocab)] for _ in range(length)]
            target = [rng.randrange(vocab) for _ in range(length)]
            mask = [int(t > 0 and rng.random() < 0.8) for t in range(length)]
            mask[-1] = 1
            logp = [log_softmax(row)[y] for row, y in zip(logits, target)]
            old = [round(min(0.0, l + rng.gauss(0, drift)), 5) if m else 7.0 for l, m in zip(logp, mask)]
            ref = [round(min(0.0, l + rng.gauss(0, 0.3)), 5) if m else -9.0 for l, m in zip(logp, mask)]
            reward = rewards[group][member] if rewards else float(rng.random() < 0.5)
            out.append({"group": group, "reward": reward, "target": target, "mask": mask, "logits": logits,
                        "logp_old": old, "logp_ref": ref})
        if rewards is None:  # never dead by chance
            out[-1]["reward"], out[-2]["reward"] = 1.0, 0.0
    return out


def cases():
    for number, loss in enumerate(PUBLISHED):  # each as published, three times
        for seed in range(3):
            yield f"{loss}_{seed}", config_of(loss), rollouts_of(100 * number + seed)
    for loss in ("cispo", "grpo", "dapo", "rloo"):  # N and A are free choices
        for norm in ("batch_tokens", "prompt", "rollout", "constant"):
            constant = {"norm_constant": 6.0} if norm == "constant" else {}
            yield f"{loss}_norm_{norm}", config_of(loss, norm=norm, **constant), rollouts_of(2000)
    rewards = [[0.0, 0.25, 1.0, 1.0], [0.0, 0.0, 0.0, 0.5]]
    for adv_std in ("population", "sample", "batch", "none"):
        yield f"cispo_adv_{adv_std}", config_of("cispo", adv_std=adv_std), rollouts_of(3000, size=4, rewards=rewards)
        yield (f"cispo_adv_{adv_std}_loo", config_of("cispo", adv_std=adv_std, baseline="leave_one_out"),
               rollouts_of(3001, size=4, rewards=rewards))
    for estimator in ("k1", "k2", "k3"):
        yield f"cispo_kl_{estimator}", config_of("cispo", kl=0.1, kl_estimator=estimator), rollouts_of(4000)
        yield f"grpo_kl_{estimator}", config_of("grpo", kl=0.04, kl_estimator=estimator), rollouts_of(4001)
    yield "cispo_entropy", config_of("cispo", entropy=0.01), rollouts_of(5000)
    yield "dapo_entropy_kl", config_of("dapo", entropy=0.02, kl=0.01), rollouts_of(5001)
    for cap in (1.2, 2.0, 3.0):  # what others write as offsets 0.2, 1 and 2
        yield f"cispo_cap_{cap}", config_of("cispo", is_cap=cap), rollouts_of(6000, drift=1.5)
    yield "cispo_floor", config_of("cispo", is_floor=0.8, is_cap=1.2), rollouts_of(6001, drift=1.5)
    for loss in ("cispo", "ppo", "gspo"):
        yield f"{loss}_dual", config_of(loss, clip_dual=3.0), rollouts_of(6002, drift=2.0)
    for loss in ("cispo", "grpo", "dapo", "gspo", "reinforce_is"):  # exponents beyond 20
        far = rollouts_of(7000, drift=0.5)
        far[0]["logp_old"][-1], far[4]["logp_old"][-1] = -60.0, -45.0
        yield f"{loss}_far", config_of(loss), far
    for loss in ("cispo", "grpo", "dapo"):  # just sampled: r = 1 everywhere
        equal = rollouts_of(8000)
        for rollout in equal:
            rollout["logp_old"] = [log_softmax(row)[y] if m else 7.0 for row, y, m in
                                   zip(rollout["logits"], rollout["target"], rollout["mask"])]
        yield f"{loss}_equal", config_of(loss), equal
    dead = [[0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2], [0.0, 1.0, 0.0], [0.3, 0.3, 0.1 + 0.2]]
    for norm in ("batch_tokens", "prompt", "rollout", "constant"):  # 0.1 + 0.2 is not 0.3: only the first is dead
        yield f"cispo_dead_{norm}", config_of("cispo", norm=norm), rollouts_of(9000, groups=3, rewards=dead)
    yield "cispo_one_success_of_16", config_of("cispo"), rollouts_of(
        9100, groups=1, size=16, rows=(1, 2), vocab=3, rewards=[[1.0] + [0.0] * 15])
    yield "cispo_unequal_groups", config_of("cispo", norm="prompt"), [
        r for i, r in enumerate(rollouts_of(9200, groups=2, size=4, rewards=[[1.0, 0.0, 1.0, 0.0]] * 2)) if i not in (6, 7)]


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "loss")
    os.makedirs(directory, exist_ok=True)
    for name, config, rollouts in cases():
        case = {"schema": 1, "name": name, "config": config, "rollouts": rollouts, "expected": solve(config, rollouts)}
        with open(os.path.join(directory, name + ".json"), "w") as file:
            json.dump(case, file, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
