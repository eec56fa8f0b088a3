#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: with one update a step GRPO's clip, DAPO and CISPO are one run to the last bit, and with more they are
# not; `assay demo cispo` trains its arms from the weights that it brings, says what it did and did not reach, and what
# it ran in boxes once it need not run again.
. "$(dirname "$0")/lib.sh"

cd "$WORK"
/usr/bin/python3 - <<'PY'
import json, random
rng = random.Random(1)
with open("tasks.jsonl", "w") as file:
    for split, count in (("sft", 200), ("rl", 200), ("seeds", 40)):
        for _ in range(count):
            a, b = rng.randrange(10), rng.randrange(10)
            file.write(json.dumps({"split": split, "prompt": f"{a} {b} =", "answer": str(max(a, b))}) + "\n")
PY
cat >config.yaml <<'YAML'
seed: 3
tasks: {source: file, path: tasks.jsonl, tokens_max: 32}
model: {layers: 2, width: 32, heads: 2, kv_heads: 1, head_dim: 16, ffn: 64, vocab: 300}
sft: {updates: 60, batch: 16, lr: 0.003, warmup: 10}
rl: {steps: 6, groups: 8, group_size: 8, answer_tokens_max: 4}
optimizer: {lr: 0.003}
eval: {every: 0, count: 0}
batch: {rows_max: 256}
sample: {sequences_max: 64}
YAML
weights() { # UPDATES LOSS...: of the run's end
    updates=$1
    shift
    name=$(printf '%s' "$updates$*" | tr -dc 'a-z0-9')
    sets=
    for set in "$@"; do sets="$sets --set $set"; done
    # shellcheck disable=SC2086
    run 0 assay train config.yaml --set "name=$name" --set "rl.updates=$updates" $sets
    sha256sum <"$ASSAY_HOME/runs/$name/final/model.safetensors"
}
clip=$(weights 1 loss.name=grpo loss.norm=batch_tokens)
[ "$clip" = "$(weights 1 loss.name=dapo)" ] || fail "one update: DAPO is another run than the clip"
[ "$clip" = "$(weights 1 loss.name=cispo loss.is_cap=2)" ] || fail "one update: CISPO is another run than the clip"
[ "$(weights 16 loss.name=dapo)" != "$(weights 16 loss.name=cispo)" ] || fail "16 updates: no difference"

# --- the demo ---------------------------------------------------------------------------------------
assay box run -- true >/dev/null 2>&1 || skip "no box"
run 0 assay demo cispo --seeds 1 --steps 1 --json
[ "$(json "[r['arm'] for r in d['runs']]")" = "['grpo', 'dapo', 'cispo']" ] || fail "arms: $(cat out)"
[ "$(json "all(r['finished'] and r['steps'] == 1 for r in d['runs']) and d['executed'] > 0")" = True ] || fail "$(cat out)"
[ "$(json "0.15 < d['start_rate'] < 0.4 and len({r['branch_first'] for r in d['runs']}) <= 2")" = True ] ||
    fail "the start: $(cat out)"
executed=$(json "d['executed']")
run 0 assay demo cispo --seeds 1 --steps 1
has out "cispo against dapo: sooner on 0 of 1 seeds"
has out "1 seeds show how it looks, not which is better"
grep -q ": 0 run in boxes" out || fail "run again: $(cat out)"
[ "$executed" -gt 100 ] || fail "only $executed verdicts"
run 2 assay demo cispo --seeds 0
