#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `assay train` learns from episodes of several turns: sampler and trainer agree on every sampled
# token, what was shown is never one, and a run that is killed ends in the weights of one that is not.
# ASSAY_KILLS: how often (2; `make soak` says 30). ASSAY_TURNS: messages of an episode (4); 0: tasks of one answer.
. "$(dirname "$0")/lib.sh"

kills=${ASSAY_KILLS:-2}
turns=${ASSAY_TURNS:-4}
rest=8 # steps behind the last kill
cd "$WORK"
cat >config.yaml <<YAML
seed: 3
tasks: {source: repair, tokens_max: 512, families: 6}
model: {layers: 2, width: 32, heads: 2, kv_heads: 1, head_dim: 16, ffn: 64, vocab: 400, tokenizer_texts: 100}
sft: {updates: 40, whole: 5, drill_share: 0.3, mistaken: 10, batch: 8, lr: 0.01, warmup: 5}
rl: {steps: $((rest + kills)), groups: 2, group_size: 4, updates: 2, answer_tokens_max: 40, turns_max: $turns, dynamic: false}
loss: {entropy: 0.01} # so that every step changes the weights, whatever is solved
eval: {every: 0, count: 4}
checkpoint: {every: 4}
YAML

files_of() { # weights and what was measured, without the clock
    (cd "$ASSAY_HOME/runs/$1" && sha256sum final/model.safetensors "checkpoints/$((4 + rest + kills))"/*.safetensors)
    /usr/bin/python3 - "$ASSAY_HOME/runs/$1/metrics.jsonl" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print({k: v for k, v in row.items() if not k.endswith(("_ms", "_per_s")) and not k.startswith(("idle_", "ran_"))})
PY
}

run 0 assay train config.yaml --set name=whole
files_of whole >whole.txt
grep -q "'agree_differing': 0" whole.txt || fail "nothing was agreed upon"
! grep -q "'agree_differing': [^0]" whole.txt || fail "sampler and trainer differ"
! grep -q "'groups_unscored': [^0]" whole.txt || fail "an episode had no reward"

/usr/bin/python3 "$ROOT/tests/integration/kill_often.py" "$kills" "$rest" "$ASSAY_HOME/runs/killed" \
    "$ASSAY" train config.yaml --set name=killed || fail "it was not killed $kills times"
run 0 assay train config.yaml --set name=killed
files_of killed >killed.txt
cmp whole.txt killed.txt || fail "the killed run differs"

[ "$turns" -gt 0 ] || exit 0
# Sampled ahead, episodes of two batches are open at once.
run 0 assay train config.yaml --set name=ahead --set rl.staleness=1
files_of ahead >ahead.txt
[ "$(grep -c "'phase': 'rl'" ahead.txt)" -eq "$((rest + kills))" ] || fail "steps ahead are missing"
! grep -q "'groups_unscored': [^0]" ahead.txt || fail "an episode ahead had no reward"

run 1 assay train config.yaml --set tasks.source=file --set tasks.path=x
has err "rl.turns_max goes with tasks.source repair"
