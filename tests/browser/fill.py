# SPDX-License-Identifier: MIT
"""What the dashboard's tests look at beside real runs: a run of 100,000 attempts, hostile texts, a log
of 127 MB, a training. Rows as assay writes them, straight into the store, as a run of that size would
take hours."""
import json
import math
import os
import sqlite3
import time

BIG_TASKS, LOG_BYTES = 100_000, 127 << 20
NOW = "2026-11-30T12:00:00.000Z"
HOSTILE = "</pre><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\x1b[31mred\x1b[0m\u202e‮evil {{7*7}}"
HOSTILE_PATCH = f"""diff --git a/x.html b/x.html
--- a/x.html
+++ b/x.html
@@ -1,2 +1,2 @@
-<b>old</b>
+{HOSTILE}
 <a href="javascript:window.hacked=1">context</a>
"""


def verdict(run_id, instance_id, resolved, cause):
    body = {"schema": 1, "run_id": run_id, "instance_id": instance_id, "resolved": resolved,
            "reward": None if resolved is None else float(resolved), "reason": HOSTILE if cause == "infra_error" else "",
            "cause": cause, "resolution": "FULL" if resolved else "NO",
            "tests": {"FAIL_TO_PASS": {"success": ["t::a"] if resolved else [], "failure": [] if resolved else ["t::a"]},
                      "PASS_TO_PASS": {"success": ["t::b"], "failure": []}},
            "tamper": [], "denied": ["ptrace", HOSTILE], "patch": {"applied": True, "dropped": [], "hunks": []}, "tier": "A",
            "evidence": "strong", "usage": {"wall_ms": 12, "cpu_ms": 10, "memory_bytes_peak": 1 << 20, "pids_peak": 2},
            "key": "", "cached": False}
    return json.dumps(body, separators=(",", ":"))


def add_run(db, run_id, tasks, patch, log_path, shift=0):
    cursor = db.execute("INSERT INTO runs (run_id, suite, identity, model, command, state, started_at, finished_at)"
                        " VALUES (?, 'big', ?, 'a <b>model</b>', 'assay eval big', 'finished', ?, ?)", (run_id, run_id, NOW, NOW))
    run = cursor.lastrowid
    base = db.execute("SELECT coalesce(max(evaluation_number), 0) FROM evaluations").fetchone()[0] + 1
    ids = [f"big__task-{i:06}" for i in range(tasks)]
    db.executemany("INSERT INTO evaluations VALUES (?, ?, ?, 'big/repo', ?, ?)",
                   ((base + i, run, name, log_path if i < 10 else None, patch.encode() if i < 10 else b"") for i, name in enumerate(ids)))

    def rows():
        for i, name in enumerate(ids):
            kind = (i + shift) % 10
            resolved, cause = (None, "infra_error") if kind == 9 else (True, "ok") if kind < 4 else (False, "tests_failed" if kind < 8 else "wall_limit")
            yield (base + i, int(resolved is not None), None if resolved is None else int(resolved), cause, verdict(run_id, name, resolved, cause), NOW)
    db.executemany("INSERT INTO verdicts VALUES (?, ?, ?, ?, '', 0, ?, ?)", rows())


def add_training(db):
    training = db.execute("INSERT INTO trainings (run_id, identity, config, command, state, started_at) VALUES"
                          " ('train-1', 'x', 'rl.steps 300\nsft.updates 0\n', 'assay train demo.yaml', 'open', ?)", (NOW,)).lastrowid
    for i in range(3000):
        body = {"reward": 0.3 + 0.6 * (1 - math.exp(-i / 900)), "pass_rate": 0.25 + 0.6 * (1 - math.exp(-i / 900)), "entropy": 2 * math.exp(-i / 1500),
                "capped_positive": 0.01, "capped_negative": 0.004 + i / 1e6, "masked": 0, "agree_gap_max": 0, "kl_old": 0.001 * math.sin(i / 50),
                "staleness": i % 3, "sampled_tokens_per_s": 9000 + 500 * math.sin(i / 20), "executed_per_s": 95, "grad_norm": 1 + math.sin(i / 7) / 3,
                "answer_tokens": 60, "lr": 1e-5, "groups_live": 12}
        db.execute("INSERT INTO metrics VALUES (?, ?, 'rl', ?, ?, ?)", (training, i, i, json.dumps(body), NOW))
        if i % 100 == 0:
            body = {"seeds_solved": 100 + i // 10, "seeds_count": 512, "families_solved": 40 + i // 20, "families_count": 256}
            db.execute("INSERT INTO metrics VALUES (?, ?, 'eval', ?, ?, ?)", (training, i, i, json.dumps(body), NOW))


def fill(home):
    os.makedirs(f"{home}/runs/big", exist_ok=True)
    line = f"test_{HOSTILE} ... ok\n".encode()
    with open(f"{home}/runs/big/log", "wb") as file:
        block = line * 1000
        while file.tell() + len(block) < LOG_BYTES - 64:
            file.write(block)
        file.write(b"\nthe last line of the log\n")
        file.truncate(LOG_BYTES)
        file.seek(LOG_BYTES - 26)
        file.write(b"\nthe last line of the log\n")
    with sqlite3.connect(f"{home}/assay.db", timeout=60) as db:
        add_run(db, "big", BIG_TASKS, HOSTILE_PATCH, "runs/big/log")
        add_run(db, "big-again", 1000, HOSTILE_PATCH, "runs/big/log", shift=1)
        add_training(db)


if __name__ == "__main__":
    began = time.monotonic()
    fill(os.environ["ASSAY_HOME"])
    print(f"filled in {time.monotonic() - began:.1f} s")
