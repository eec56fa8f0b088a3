#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The protocol of docs/cispo.md: every run is one `assay train`, and none is made twice.

    protocol.py ASSAY STAGE...      stages: tune seeds null dose report

ASSAY_HOME says where runs and remembered verdicts live. A stage that was stopped goes on when it is typed again:
finished runs stay, the one that was cut off continues from its checkpoint. `report` writes docs/cispo/result.json and
docs/cispo/curves.svg from whatever is there, and says what is missing.
"""
import itertools
import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "..", "docs", "cispo")
HOME = os.environ.get("ASSAY_HOME") or os.path.expanduser("~/.assay")

ARMS = ("grpo", "clip", "dapo", "cispo")
THRESHOLD = 0.80
STEPS = 24
EVERY = 1
RARE = 0.03
# Four trials an arm: what has no bound to choose gets the finer row of learning rates.
RATES = ("5e-5", "1e-4", "2e-4", "3e-4")
TRIALS = {
    "grpo": [{"optimizer.lr": lr} for lr in RATES],
    "clip": [{"optimizer.lr": lr} for lr in RATES],
    "dapo": [{"optimizer.lr": lr} for lr in RATES],
    "cispo": [{"optimizer.lr": lr, "loss.is_cap": cap} for lr in ("5e-5", "1e-4") for cap in ("2", "5")],
}
TUNING_SEEDS = (101,)
SEEDS = tuple(range(11, 21))
COMPETENCE = (("2000", "0.001", "linear"), ("2000", "0.0015", "cosine"), ("3000", "0.002", "linear"))
NULL_SEEDS = (201, 202, 203)
NULL_STEPS = 8
NULL_RATE = "3e-4"
DOSE_UPDATES = (1, 4, 16, 64)
DOSE_RARE = (0.01, 0.03, 0.1)
DOSE_SEEDS = (301, 302, 303)
DRAWS = 10000


def directory(name):
    return os.path.join(HOME, "runs", name)


def is_over(name):
    return os.path.exists(os.path.join(directory(name), "final", "model.safetensors"))


def train(assay, config, name, **sets):
    """One run, whole. Returns False when it could not be made."""
    if is_over(name):
        return True
    # One thread: no bit depends on it, and on a machine that others use two wait for each other.
    command = [assay, "train", os.path.join(DOCS, config + ".yaml"), "--set", "name=" + name, "--set", "threads=1"]
    for key, value in sets.items():
        command += ["--set", f"{key}={value}"]
    began = time.time()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode == 130:
        sys.exit(130)
    said = done.stderr.strip().splitlines()[-1:] if done.returncode else ""
    print(f"{time.strftime('%H:%M:%S')} {name} {time.time() - began:.0f} s rc {done.returncode} {said}", flush=True)
    return done.returncode == 0


def warm(assay, rare):
    """The weights that all runs begin with: competence, then the bias. Those of RARE are shipped."""
    if rare == RARE:
        return os.path.join(DOCS, "start")
    start = {}
    for part, (updates, rate, schedule) in enumerate(COMPETENCE):
        name = f"cispo-sft-{part}"
        train(assay, "sft", name, **{"sft.updates": updates, "sft.lr": rate, "sft.schedule": schedule}, **start)
        start = {"model.path": directory(name) + "/final"}
    name = f"cispo-sft-q{rare:g}"
    train(assay, "biased", name, **{"tasks.rare": f"{rare:g}"}, **start)
    return directory(name) + "/final"


def name_of(stage, arm, seed, trial):
    return "-".join(["mini", stage, arm, str(seed)] + [f"{k.split('.')[1]}{v}" for k, v in sorted(trial.items())])


def run(assay, stage, arm, seed, trial, steps=STEPS, rare=RARE):
    name = name_of(stage, arm, seed, trial)
    start = warm(assay, rare)
    train(assay, arm, name, seed=seed, **{"model.path": start, "rl.steps": steps, "eval.every": EVERY}, **trial)
    return name


# --- reading -----------------------------------------------------------------------------------------------------


def read(name):
    """Rows of a finished run: [(step, held-out rate)], and the rows of rl."""
    rates, steps = [], []
    if not is_over(name):
        return None
    with open(os.path.join(directory(name), "metrics.jsonl")) as file:
        for line in file:
            row = json.loads(line)
            if row["phase"] == "eval" and "seeds_rate" in row:
                rates.append((row["step"], row["seeds_rate"]))
            elif row["phase"] == "rl":
                steps.append(row)
    return {"rates": rates, "steps": steps}


def reach(record, unit="steps"):
    """(how much until the threshold, reached?) in steps, rollouts, or seconds of sampling and training."""
    spent = [0.0]
    for row in record["steps"]:
        spent.append(spent[-1] + {"steps": 1, "rollouts": row["rollouts"], "seconds": (
            row["sample_ms"] + row["agree_ms"] + row["train_ms"]) / 1000}[unit])
    for step, rate in record["rates"]:
        if rate >= THRESHOLD:
            return spent[step], True
    return spent[-1], False


def collapsed(record):
    best = max(rate for _, rate in record["rates"])
    return record["rates"][-1][1] < best - 0.15


# --- statistics --------------------------------------------------------------------------------------------------


def survival_median(times):
    """Kaplan-Meier: the time at which half have reached it; None: they never did."""
    left, at_risk = 1.0, len(times)
    for time_, events in itertools.groupby(sorted(times), key=lambda item: item[0]):
        events = list(events)
        left *= 1 - sum(reached for _, reached in events) / at_risk
        at_risk -= len(events)
        if left <= 0.5:
            return time_
    return None


def restricted_mean(times, horizon):
    return sum(min(t, horizon) if reached else horizon for t, reached in times) / len(times)


def order(time_):
    """Not reached comes after all that was."""
    return (not time_[1], time_[0] if time_[1] else 0)


def ratio(first, second, horizon):
    """Ratio of restricted mean times, and its 95 % interval over seeds, resampled together (bootstrap)."""
    rng = random.Random(1)
    count = len(first)
    drawn = []
    for _ in range(DRAWS):
        pick = [rng.randrange(count) for _ in range(count)]
        drawn.append(restricted_mean([first[i] for i in pick], horizon) /
                     restricted_mean([second[i] for i in pick], horizon))
    drawn.sort()
    return (restricted_mean(first, horizon) / restricted_mean(second, horizon),
            drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS) - 1])


def mean_of(record, key, rows=slice(None)):
    values = [row[key] for row in record["steps"][rows] if key in row]
    return sum(values) / len(values) if values else None


# --- stages ------------------------------------------------------------------------------------------------------


def stage_tune(assay):
    for seed in TUNING_SEEDS:
        for arm in ARMS:
            for trial in TRIALS[arm]:
                run(assay, "tune", arm, seed, trial)


def chosen(arm):
    """The trial with the least mean steps to the threshold over the tuning seeds that are there for all trials; on
    a tie the higher last rate. None: nothing was tuned."""
    seeds = [s for s in TUNING_SEEDS if all(is_over(name_of("tune", arm, s, t)) for t in TRIALS[arm])]
    best = None
    for trial in TRIALS[arm] if seeds else []:
        records = [read(name_of("tune", arm, s, trial)) for s in seeds]
        key = (restricted_mean([reach(r) for r in records], STEPS), -sum(r["rates"][-1][1] for r in records))
        if best is None or key < best[0]:
            best = (key, trial)
    return best and best[1]


def stage_seeds(assay):
    trials = {arm: chosen(arm) for arm in ARMS}
    if not all(trials.values()):
        sys.exit("seeds: tune first")
    print("chosen", trials, flush=True)
    for seed in SEEDS:
        for arm in ARMS:
            run(assay, "seed", arm, seed, trials[arm])


def stage_null(assay):
    for seed in NULL_SEEDS:
        for arm in ARMS[1:]:
            run(assay, "null", arm, seed, {"optimizer.lr": NULL_RATE, "rl.updates": "1"}, NULL_STEPS)


def stage_dose(assay):
    trials = {arm: chosen(arm) for arm in ("dapo", "cispo")}
    for seed in DOSE_SEEDS:
        for arm, trial in trials.items():
            for updates in DOSE_UPDATES:
                run(assay, "dose", arm, seed, dict(trial, **{"rl.updates": str(updates)}))
    for rare in DOSE_RARE:
        for seed in DOSE_SEEDS:
            for arm, trial in trials.items():
                run(assay, f"rare{rare:g}", arm, seed, trial, rare=rare)


# --- the report --------------------------------------------------------------------------------------------------


def report_tuning():
    out = {}
    for arm in ARMS:
        rows = []
        for trial in TRIALS[arm]:
            records = [r for r in (read(name_of("tune", arm, s, trial)) for s in TUNING_SEEDS) if r]
            if records:
                rows.append({"trial": trial, "steps": [reach(r) for r in records],
                             "last": [r["rates"][-1][1] for r in records]})
        out[arm] = {"trials": rows, "chosen": chosen(arm)}
    return out


def report_seeds():
    trials = {arm: chosen(arm) for arm in ARMS}
    if not all(trials.values()):
        return None
    records = {arm: [read(name_of("seed", arm, s, trials[arm])) for s in SEEDS] for arm in ARMS}
    whole = [i for i in range(len(SEEDS)) if all(records[arm][i] for arm in ARMS)]
    out = {"seeds": [SEEDS[i] for i in whole], "arms": {}, "ratios": {}}
    kept = {arm: [records[arm][i] for i in whole] for arm in ARMS}
    if not whole:
        return None
    for arm in ARMS:
        out["arms"][arm] = {
            "medians": {u: survival_median([reach(r, u) for r in kept[arm]]) for u in ("steps", "rollouts", "seconds")},
            "steps": [reach(r) for r in kept[arm]],
            "rollouts": [reach(r, "rollouts") for r in kept[arm]],
            "seconds": [reach(r, "seconds") for r in kept[arm]],
            "start": [r["rates"][0][1] for r in kept[arm]],
            "last": [r["rates"][-1][1] for r in kept[arm]],
            "collapsed": sum(collapsed(r) for r in kept[arm]),
            "mechanism": {key: sum(mean_of(r, key) or 0 for r in kept[arm]) / len(whole)
                          for key in ("masked", "rescued", "entropy", "ratio_max", "ran_executed", "ran_remembered")},
            "by_step": {key: [sum(r["steps"][i].get(key, 0) for r in kept[arm]) / len(whole) for i in range(STEPS)]
                        for key in ("branch_right", "masked", "rescued", "entropy")},
            "curve": [[step, sum(r["rates"][i][1] for r in kept[arm]) / len(whole)]
                      for i, (step, _) in enumerate(kept[arm][0]["rates"])],
        }
    for unit in ("steps", "rollouts", "seconds"):
        for other in ARMS[:-1]:
            first = [reach(r, unit) for r in kept["cispo"]]
            second = [reach(r, unit) for r in kept[other]]
            # One horizon for both: a run that never reached it counts with the most that any run spent.
            horizon = STEPS if unit == "steps" else max(t for t, _ in first + second)
            sooner, later = (sum(a < b for a, b in pairs) for pairs in (
                [(order(x), order(y)) for x, y in zip(first, second)],
                [(order(y), order(x)) for x, y in zip(first, second)]))
            out["ratios"][f"{unit} cispo/{other}"] = {
                "ratio": ratio(first, second, horizon), "sooner": sooner, "later": later, "seeds": len(whole)}
    return out


def report_null():
    same, compared = 0, 0
    quiet = ("_ms", "_per_s")
    for seed in NULL_SEEDS:
        names = [name_of("null", arm, seed, {"optimizer.lr": NULL_RATE, "rl.updates": "1"}) for arm in ARMS[1:]]
        if not all(is_over(n) for n in names):
            continue
        compared += 1
        weights = set()
        for n in names:
            with open(os.path.join(directory(n), "final", "model.safetensors"), "rb") as file:
                weights.add(file.read())
        rows = set()
        for n in names:
            # What the bounds would have hit is told by each loss with its own bounds: none at r = 1.
            rows.add(json.dumps([{k: v for k, v in row.items() if not k.endswith(quiet) and not k.startswith(
                ("idle_", "ran_"))} for row in read(n)["steps"]]))
        same += len(weights) == 1 and len(rows) == 1
    return {"compared": compared, "identical": same}


def report_dose():
    trials = {arm: chosen(arm) for arm in ("dapo", "cispo")}
    out = {"updates": {}, "rare": {}}
    if not all(trials.values()):
        return out
    for kind, doses in (("updates", DOSE_UPDATES), ("rare", DOSE_RARE)):
        for dose in doses:
            times = {}
            for arm, trial in trials.items():
                names = [name_of("dose", arm, s, dict(trial, **{"rl.updates": str(dose)})) if kind == "updates" else
                         name_of(f"rare{dose:g}", arm, s, trial) for s in DOSE_SEEDS]
                times[arm] = [reach(r) for r in map(read, names) if r]
            if all(len(t) == len(DOSE_SEEDS) for t in times.values()):
                out[kind][str(dose)] = {arm: {"steps": t, "mean": restricted_mean(t, STEPS)}
                                        for arm, t in times.items()}
    return out


COLOURS = {"grpo": "#8a5a00", "clip": "#7a3fa0", "dapo": "#1766b5", "cispo": "#b3261e"}
DASHES = {"grpo": "2 4", "clip": "8 3 2 3", "dapo": "8 4", "cispo": "none"}


def frame(column, row, title, bottom, top, ticks):
    """The box of one chart of 300 x 200 and its axes; ticks: [(x, label)]. What is drawn in it ends with </g>."""
    parts = [f'<g transform="translate({50 + 370 * column},{40 + 270 * row})"><text x="0" y="-14" class="t">{title}</text>'
             '<path d="M0 0V200H300" fill="none" stroke="#888"/>']
    for k in range(5):
        y = 200 - 50 * k
        parts.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{bottom + (top - bottom) * k / 4:.2g}</text>'
                     f'<path d="M0 {y}H300" stroke="#ddd"/>')
    parts += [f'<text x="{x:.0f}" y="216" text-anchor="middle">{label}</text>' for x, label in ticks]
    return parts


def height(value, bottom, top):
    return f"{200 - 200 * (min(max(value, bottom), top) - bottom) / (top - bottom):.1f}"


def line(arm, points):
    return (f'<polyline points="{" ".join(points)}" fill="none" stroke="{COLOURS[arm]}" stroke-width="2" '
            f'stroke-dasharray="{DASHES[arm]}"/>')


def by_step(place, title, series, top=1, mark=None):
    parts = frame(*place, title, 0, top, [(300 * step / STEPS, step) for step in range(0, STEPS + 1, 4)])
    if mark is not None:
        parts.append(f'<path d="M0 {height(mark, 0, top)}H300" stroke="#333" stroke-dasharray="1 3"/>')
    for arm, points in series.items():
        parts.append(line(arm, [f"{300 * s / STEPS:.1f},{height(v, 0, top)}" for s, v in points]))
    return "".join(parts) + "</g>"


def by_dose(place, title, doses):
    """Steps to the threshold by dose: the mean as a line, each seed a point; hollow: not reached."""
    ticks = [(30 + 240 * i / max(len(doses) - 1, 1), name) for i, name in enumerate(doses)]
    parts = frame(*place, title, 0, STEPS, ticks)
    for arm in ("dapo", "cispo"):
        parts.append(line(arm, [f"{x:.1f},{height(doses[name][arm]['mean'], 0, STEPS)}" for x, name in ticks]))
        for x, name in ticks:
            parts += [f'<circle cx="{x + (4 if arm == "cispo" else -4):.1f}" cy="{height(time, 0, STEPS)}" r="3" '
                      f'fill="{COLOURS[arm] if reached else "#fff"}" stroke="{COLOURS[arm]}"/>'
                      for time, reached in doses[name][arm]["steps"]]
    return "".join(parts) + "</g>"


def draw(seeds, dose):
    arms = seeds["arms"]

    def measured(key):
        return {arm: [[i + 1, v] for i, v in enumerate(arms[arm]["by_step"][key])] for arm in ARMS}

    charts = [
        by_step((0, 0), f"held-out solve rate, mean of {len(seeds['seeds'])} seeds, by step",
                {arm: arms[arm]["curve"] for arm in ARMS}, mark=THRESHOLD),
        by_step((1, 0), "right branch token where it is rare", measured("branch_right")),
        by_step((0, 1), "tokens that PPO's bounds hit (share)", measured("masked"), top=0.25),
        by_step((1, 1), "gradient on such tokens (share)", measured("rescued"), top=0.25),
        by_step((0, 2), "entropy (nats)", measured("entropy"), top=0.8),
    ]
    if dose["updates"]:
        charts.append(by_dose((1, 2), f"steps to {THRESHOLD}, by updates a step (K)", dose["updates"]))
    if dose["rare"]:
        rare = {f"q = {name}": row for name, row in sorted(dose["rare"].items(), reverse=True)}
        charts.append(by_dose((0, 3), f"steps to {THRESHOLD}, by rarity of right branches", rare))
    legend = "".join(
        f'<g transform="translate(420,{905 + 40 * i})"><path d="M0 0H30" stroke="{COLOURS[arm]}" stroke-width="2" '
        f'stroke-dasharray="{DASHES[arm]}"/><text x="38" y="4">{label}</text></g>'
        for i, (arm, label) in enumerate(zip(ARMS, ("GRPO as published", "clip + dynamic", "DAPO", "CISPO"))))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 1090" font-family="sans-serif" font-size="12">'
            '<style>.t{font-weight:bold}</style><rect width="740" height="1090" fill="#fff"/>' +
            "".join(charts) + legend + "</svg>\n")


def stage_report(_):
    seeds = report_seeds()
    result = {"threshold": THRESHOLD, "steps": STEPS, "rare": RARE, "tuning": report_tuning(),
              "seeds": seeds, "null": report_null(), "dose": report_dose()}
    with open(os.path.join(DOCS, "result.json"), "w") as file:
        json.dump(result, file)
        file.write("\n")
    if seeds:
        with open(os.path.join(DOCS, "curves.svg"), "w") as file:
            file.write(draw(seeds, result["dose"]))
        for arm, row in seeds["arms"].items():
            print(arm, row["medians"], "last", [round(v, 3) for v in row["last"]], "collapsed", row["collapsed"],
                  {k: round(v, 4) for k, v in row["mechanism"].items()})
        for name, row in seeds["ratios"].items():
            value, low, high = row["ratio"]
            print(f"{name}: {value:.2f} ({low:.2f} to {high:.2f}), sooner on {row['sooner']}, later on {row['later']} of "
                  f"{row['seeds']} seeds")
    for arm, row in result["tuning"].items():
        for trial in row["trials"]:
            print("tuning", arm, trial)
    print("null", result["null"])
    print("dose", json.dumps(result["dose"]))


def main():
    stages = {"tune": stage_tune, "seeds": stage_seeds, "null": stage_null, "dose": stage_dose,
              "report": stage_report}
    if len(sys.argv) < 3 or any(stage not in stages for stage in sys.argv[2:]):
        sys.exit(__doc__)
    for stage in sys.argv[2:]:
        stages[stage](sys.argv[1])


main()
