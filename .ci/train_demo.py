#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""train_demo.py RUN ... [--control RUN] [--episodes] [--reports DIR] [--svg FILE]: what the runs measured, and whether it holds.

RUN is a directory with metrics.jsonl. Bound of a run: the greedy solve rate on at least 512 tasks of unseen seeds is
0.3 to 0.5 where rl begins, and at the end at least 0.85 with a lower Wilson bound of at least 0.80; from start to
finish it takes at most 20 minutes (DIR/NAME.json: `assay report NAME --json`; a run that was resumed, DIR/NAME.resumed,
or has no report: the sum of its steps and evaluations, which leaves out start-up and checkpoints). The control ends at most 0.05 above its beginning. With --episodes: on at least 256
tasks the rate rises, and the intervals of beginning and end are apart.
"""
import argparse
import datetime
import json
import os
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 400, 56, 24, 190, 48
COLOURS = ["#1f5fbf", "#0f8a5f", "#a0522d", "#6a3d9a"]
EVAL_CLOCK = ("sample_ms", "grade_ms")


def milliseconds(row):
    """Of a step, whose parts are in step_ms; of an evaluation, its parts."""
    return row["step_ms"] if "step_ms" in row else sum(row.get(key, 0) for key in EVAL_CLOCK)


def wall_minutes(reports, name):
    """From start to finish, or None where that says nothing about the work."""
    if not reports or os.path.exists(os.path.join(reports, name + ".resumed")):
        return None
    try:
        with open(os.path.join(reports, name + ".json")) as file:
            report = json.load(file)
    except OSError:
        return None
    if not report.get("finished_at"):
        return None
    start, end = (datetime.datetime.fromisoformat(report[key].replace("Z", "+00:00")) for key in ("started_at", "finished_at"))
    return (end - start).total_seconds() / 60


class Run:
    def __init__(self, path, reports):
        rows = [json.loads(line) for line in open(os.path.join(path, "metrics.jsonl"))]
        self.name = os.path.basename(path.rstrip("/"))
        wall = wall_minutes(reports, self.name)
        self.minutes = sum(map(milliseconds, rows)) / 60000 if wall is None else wall
        self.clock = "of steps and evaluations" if wall is None else "from start to finish"
        evals = [row for row in rows if row["phase"] == "eval" and "seeds_rate" in row]
        if not evals:
            sys.exit("%s: no evaluation yet" % path)
        self.start = evals[0]["position"]
        self.evals = evals

    def points(self, split, end=""):
        return [(row["position"] - self.start, row["%s_%s" % (split, end or "rate")]) for row in self.evals
                if split + "_rate" in row]


def sentence(row, split):
    return "%4d of %4d, %5.1f %% (%.1f to %.1f)" % (
        row[split + "_solved"], row[split + "_count"], 100 * row[split + "_rate"], 100 * row[split + "_low"],
        100 * row[split + "_high"])


def check(run, control, episodes=False):
    first, last = run.evals[0], run.evals[-1]
    print("%s: %.1f minutes %s, %d steps of rl" % (run.name, run.minutes, run.clock, last["position"] - run.start))
    for split in ("seeds", "families"):
        print("  unseen %-9s after sft %s" % (split, sentence(first, split)))
        print("  %16s after rl  %s" % ("", sentence(last, split)))
    if control:
        parts = [("ends at most 0.05 above its beginning", last["seeds_rate"] <= first["seeds_rate"] + 0.05)]
    elif episodes:
        parts = [("rises, intervals apart", last["seeds_low"] > first["seeds_high"])]
    else:
        parts = [("begins at 0.3 to 0.5", 0.3 <= first["seeds_rate"] <= 0.5),
                 ("ends at 0.85 or more", last["seeds_rate"] >= 0.85),
                 ("with a lower bound of 0.80 or more", last["seeds_low"] >= 0.80),
                 ("takes 20 minutes at most", run.minutes <= 20)]
    least = 256 if episodes else 512
    parts.append(("%d tasks or more" % least, last["seeds_count"] >= least))
    for text, met in parts:
        print("  %s: %s" % ("met    " if met else "NOT MET", text))
    return all(met for _, met in parts)


def draw(runs, control, path, bound):
    drawn = runs + ([control] if control else [])
    most = max(run.points("seeds")[-1][0] for run in drawn) or 1
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">'
           % (WIDTH, HEIGHT), "<!-- SPDX-License-Identifier: MIT; made by .ci/train_demo.py -->",
           '<rect width="100%" height="100%" fill="white"/>']

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / most

    def y(rate):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate

    def text(at, value, anchor="start", colour="#333"):
        out.append('<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>' % (*at, anchor, colour, value))

    for tenth in range(0, 11, 2):
        out.append('<line x1="%d" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#ddd"/>'
                   % (LEFT, x(most), y(tenth / 10), y(tenth / 10)))
        text((LEFT - 8, y(tenth / 10) + 4), "%d %%" % (10 * tenth), "end")
    if bound:
        out.append('<line x1="%d" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#888" stroke-dasharray="6 4"/>'
                   % (LEFT, x(most), y(bound), y(bound)))
        text((x(most) + 8, y(bound) + 4), "%.0f %%" % (100 * bound), colour="#888")
    for part in range(5):
        step = round(most * part / 4)
        text((x(step), HEIGHT - BOTTOM + 18), step, "middle")
    text((x(most / 2), HEIGHT - 10), "steps of rl", "middle")
    for index, run in enumerate(drawn):
        colour = "#999" if run is control else COLOURS[index % len(COLOURS)]
        low, high = run.points("seeds", "low"), run.points("seeds", "high")
        out.append('<polygon points="%s" fill="%s" fill-opacity="0.15"/>' % (
            " ".join("%.1f,%.1f" % (x(a), y(b)) for a, b in low + high[::-1]), colour))
        for split, dash in (("seeds", ""), ("families", ' stroke-dasharray="3 3"')):
            out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>' % (
                " ".join("%.1f,%.1f" % (x(a), y(b)) for a, b in run.points(split)), colour, dash))
        row = TOP + 16 + 34 * index
        text((WIDTH - RIGHT + 46, row), run.name, colour=colour)
        text((WIDTH - RIGHT + 46, row + 14), "%.1f %% → %.1f %%" % (
            100 * run.evals[0]["seeds_rate"], 100 * run.evals[-1]["seeds_rate"]), colour=colour)
    text((WIDTH - RIGHT + 46, HEIGHT - BOTTOM - 16), "line: unseen seeds")
    text((WIDTH - RIGHT + 46, HEIGHT - BOTTOM), "dots: unseen families")
    out.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--control")
    parser.add_argument("--episodes", action="store_true")
    parser.add_argument("--reports")
    parser.add_argument("--svg")
    args = parser.parse_args()
    runs = [Run(path, args.reports) for path in args.runs]
    control = Run(args.control, args.reports) if args.control else None
    met = [check(run, False, args.episodes) for run in runs] + ([check(control, True)] if control else [])
    if args.svg:
        draw(runs, control, args.svg, None if args.episodes else 0.85)
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
