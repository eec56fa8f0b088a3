#!/bin/sh
# SPDX-License-Identifier: MIT
# Real packages: adds tasks/data/pypi (downloads sdists with pip, in boxes), then evaluates gold and
# the unchanged trees three times each, every time executed, and wants identical per-test vectors.
# Then runs the gold actor and the one that does nothing through episodes. Appends its rows to the table that tests/conformance/run.sh writes.
set -eu
cd "$(dirname "$0")/../.."
assay=${ASSAY:-build/release/assay}
table=${1:-/dev/stdout}
work=${ASSAY_CONFORMANCE_DIR:-build/conformance}
export ASSAY_HOME="$PWD/$work/home"
mkdir -p "$work"

start=$(date +%s)
if ! "$assay" suite show pypi >/dev/null 2>&1; then
    "$assay" suite add tasks/data/pypi --runs "${ASSAY_CONFORMANCE_RUNS:-2}" --json >"$work/pypi-added.json"
fi
added=$(($(date +%s) - start))
for round in 1 2 3; do
    for kind in gold empty; do
        "$assay" eval pypi --$kind --again --no-cache --json >"$work/pypi-$kind-$round.jsonl"
    done
done
# Once more without zygotes: everything that a verdict says must be as in the first round.
same=yes
for kind in gold empty; do
    "$assay" eval pypi --$kind --again --no-cache --no-zygote --json >"$work/pypi-$kind-cold.jsonl"
    /usr/bin/python3 tests/support/same_verdicts.py "$work/pypi-$kind-1.jsonl" "$work/pypi-$kind-cold.jsonl" || same=no
done
# The same through episodes: a box in which the patch is laid, the tree that is left, a verdict.
for actor in gold noop; do
    "$assay" run pypi --actor $actor --again --no-cache --json >"$work/pypi-run-$actor.jsonl"
done
/usr/bin/python3 - "$work" "$added" "$(($(date +%s) - start - added))" "$same" >>"$table" <<'PY'
import json, sys
work, added, evaluated, same_cold = sys.argv[1:]
def load(kind, n):
    lines = [json.loads(l) for l in open(f"{work}/pypi-{kind}-{n}.jsonl")]
    return {v["instance_id"]: v for v in lines[:-1]}, lines[-1]
ok = True
for kind in ("gold", "empty"):
    runs = [load(kind, n) for n in (1, 2, 3)]
    total = runs[0][1]["total_instances"]
    resolved = [r["resolved_instances"] for _, r in runs]
    same = all({i: v["tests"] for i, v in verdicts.items()} == {i: v["tests"] for i, v in runs[0][0].items()}
               for verdicts, _ in runs)
    executed = all(not v["cached"] for verdicts, _ in runs for v in verdicts.values())
    met = resolved == [total if kind == "gold" else 0] * 3 and same and executed and total >= 24
    ok = ok and met
    packages = len({v.split("__")[0] for v in runs[0][0]})
    print(f"| pypi, {kind}, 3 executed rounds | {total} instances of {packages} packages: resolved {resolved}, "
          f"per-test vectors {'identical' if same else 'DIFFER'} | {'met' if met else 'NOT MET'} |")
for actor in ("gold", "noop"):
    summary = json.loads(open(f"{work}/pypi-run-{actor}.jsonl").read().splitlines()[-1])
    met = summary["scored"] == summary["episodes"] >= 24 and summary["resolved"] == (summary["episodes"] if actor == "gold" else 0)
    ok = ok and met
    print(f"| pypi, assay run --actor {actor} | {summary['episodes']} episodes: {summary['resolved']} resolved, {summary['scored']} with a "
          f"verdict, ended {summary['causes']} | {'met' if met else 'NOT MET'} |")
ok = ok and same_cold == "yes"
print(f"| pypi, gold and empty, with zygotes and without | verdicts {'identical' if same_cold == 'yes' else 'DIFFER'} "
      f"but for what they used | {'met' if same_cold == 'yes' else 'NOT MET'} |")
print(f"| pypi, time | added in {added} s, eight rounds and two runs in {evaluated} s | - |")
sys.exit(not ok)
PY
