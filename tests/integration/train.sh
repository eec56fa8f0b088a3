#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `assay train` goes through warm start, rollouts and evaluation and learns; killed at any
# moment, any number of times, it ends in the same weights and metrics, bit for bit; threads do not matter;
# wrong settings, a full disk, a cut checkpoint, numbers that are none each have a clear error and lose nothing.
# ASSAY_KILLS: how often (5; `make soak` says 30).
. "$(dirname "$0")/lib.sh"

kills=${ASSAY_KILLS:-5}
cd "$WORK"
/usr/bin/python3 - <<'PY'
import json, random
rng = random.Random(1)
rules = {"max": max, "min": min, "first": lambda a, b: a, "last": lambda a, b: b}
with open("tasks.jsonl", "w") as file:
    for split, count in (("sft", 300), ("rl", 300), ("seeds", 60), ("families", 20)):
        for _ in range(count):
            rule = rng.choice(["last", "max"] if split == "families" else ["max", "min", "first"]) # max is in both
            a, b = rng.randrange(10), rng.randrange(10)
            file.write(json.dumps({"split": split, "family": rule, "prompt": f"{rule} {a} {b} =",
                                   "answer": str(rules[rule](a, b)), "mistake": "?"}) + "\n")
PY
cat >config.yaml <<'YAML'
seed: 3
tasks: {source: file, path: tasks.jsonl, tokens_max: 32}
model: {layers: 2, width: 32, heads: 2, kv_heads: 1, head_dim: 16, ffn: 64, vocab: 320}
sft: {updates: 250, batch: 16, lr: 0.003, warmup: 10}
rl: {steps: 20, groups: 8, group_size: 8, updates: 4, answer_tokens_max: 4, curriculum: 0.3}
optimizer: {lr: 0.0003}
eval: {every: 10, count: 60}
checkpoint: {every: 3}
batch: {rows_max: 256}
sample: {sequences_max: 64}
YAML

files_of() { # weights, optimizer and what was measured, without the clock
    (cd "$ASSAY_HOME/runs/$1" && sha256sum final/model.safetensors final/config.json &&
        cd checkpoints && sha256sum "$(ls | sort -n | tail -n 1)"/*.safetensors)
    /usr/bin/python3 - "$ASSAY_HOME/runs/$1/metrics.jsonl" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print({k: v for k, v in row.items() if not k.endswith(("_ms", "_per_s")) and not k.startswith(("idle_", "ran_"))})
PY
}

# --- it learns ------------------------------------------------------------------------------------
run 0 assay train config.yaml --set name=whole --json
[ "$(json "d['resumed'] or d['was_finished']")" = False ] || fail "not fresh"
[ "$(json "d['seeds']['count_before'] == d['seeds']['count'] == 60 and d['seeds']['solved'] > 30")" = True ] ||
    fail "it did not learn: $(cat "$WORK/out")"
files_of whole >whole.txt
[ "$(grep -c "'phase': 'rl'" whole.txt)" -eq 20 ] && [ "$(grep -c "'phase': 'sft'" whole.txt)" -eq 25 ] ||
    fail "steps are missing"
grep "'phase': 'rl'" whole.txt | grep -q "'passed_over': [1-9]" || fail "the curriculum took every task"
! grep -q "'agree_differing': [^0]" whole.txt || fail "sampler and trainer differ"
run 0 assay train config.yaml --set name=whole
has out "finished before; --again starts a new one"
run 0 assay model info "$ASSAY_HOME/runs/whole/final"

# --- TensorBoard's file: records with their checksums ----------------------------------------------
/usr/bin/python3 - "$ASSAY_HOME/runs/whole" <<'PY'
import glob, struct, sys
table = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    table.append(n)
def masked(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
data = open(glob.glob(sys.argv[1] + "/events.out.tfevents.*")[0], "rb").read()
at, records, tags = 0, 0, set()
while at < len(data):
    (length,), (crc,) = struct.unpack_from("<Q", data, at), struct.unpack_from("<I", data, at + 8)
    assert masked(data[at:at + 8]) == crc
    body = data[at + 12:at + 12 + length]
    assert masked(body) == struct.unpack_from("<I", data, at + 12 + length)[0]
    at, records = at + 16 + length, records + 1
    tags.update(tag for tag in (b"rl/reward", b"sft/loss", b"eval/seeds_rate") if tag in body)
assert records > 500 and len(tags) == 3, (records, tags)
PY

# --- mistakes of a whole warm start are learned, too --------------------------------------------------
run 0 assay train config.yaml --set name=wrong --set sft.mistaken=250 --set sft.mistaken_families=1 \
    --set sft.mistaken_share=1 --set sft.whole=50 --set rl.steps=0 --set eval.seen=20 --set eval.pass_count=8 --json
[ "$(json "d['seeds']['solved']")" -eq 0 ] || fail "what was shown is not what is said: $(cat "$WORK/out")"
/usr/bin/python3 - "$ASSAY_HOME/runs/wrong/metrics.jsonl" <<'PY'
import json, sys
row = [json.loads(line) for line in open(sys.argv[1])][-1]
assert row["phase"] == "eval" and row["sft_count"] == row["rl_count"] == 20, row
assert row["seeds_pass_16"] == 0 and row["seeds_fault_text"] == 1, row
PY

# --- threads do not matter --------------------------------------------------------------------------
run 0 assay train config.yaml --set name=one --set threads=1
files_of one >one.txt
cmp whole.txt one.txt || fail "one thread gives other bits"

# --- sampled ahead: other numbers than in turn, the same on any threads; no answer older than allowed ----
run 0 assay train config.yaml --set name=ahead --set rl.staleness=2
files_of ahead >ahead.txt
run 0 assay train config.yaml --set name=ahead-one --set rl.staleness=2 --set threads=1
files_of ahead-one >ahead-one.txt
cmp ahead.txt ahead-one.txt || fail "sampled ahead, one thread gives other bits"
/usr/bin/python3 - "$ASSAY_HOME/runs/ahead/metrics.jsonl" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
rl = [row for row in rows if row["phase"] == "rl"]
stale = [row["staleness"] for row in rl]
assert len(rl) == 20 and max(stale) == 2, stale
# A checkpoint (each third step here) begins with its own weights, which are checked bit for bit.
fresh = [row for row in rl if row["staleness"] == 0]
assert fresh and all(row["agree_differing"] == 0 for row in fresh if "agree_tokens" in row), fresh
assert all("agree_tokens" not in row for row in rl if row["staleness"] > 0)
PY

# --- weights that change within an answer: no token older than allowed, each with its version ----------
run 1 assay train config.yaml --set name=swaps --set rl.swap=token
has err "rl.swap: token goes with rl.staleness above 0"
# Who is faster is chance: hot, long answers make sampling the slower half, and one run of three has to show a change.
for seed in 3 4 5; do
    run 0 assay train config.yaml --set name=swaps-$seed --set seed=$seed --set rl.staleness=2 --set rl.swap=token --set rl.steps=60 \
        --set rl.groups=32 --set rl.updates=1 --set rl.temperature=2 --set rl.answer_tokens_max=12 --set sample.sequences_max=8 \
        --set record.rollouts=64
    run 0 assay report swaps-$seed --json
    /usr/bin/python3 - "$WORK/out" >"$WORK/swaps" <<'PY'
import json, sys
run = json.load(open(sys.argv[1]))
rl = [row for row in run["steps"] if row["phase"] == "rl"]
assert len(rl) == 60 and max(row["staleness"] for row in rl) <= 2
assert all(0 <= row["staleness_token"] <= row["staleness"] for row in rl)
kept = [r for r in run["rollouts"] if r["phase"] == "rl"]
for r in kept:
    assert len(r["versions"]) == r["token_count"] and r["versions"][0] == r["version"]
    assert r["versions"] == sorted(r["versions"]) and r["versions"][-1] <= r["position"]
    assert r["position"] - r["version"] <= 2
# Weights that are the batch's own, and stay it, are checked bit for bit.
assert all(row["agree_differing"] == 0 for row in rl if "agree_tokens" in row)
print(sum(row["swaps"] for row in rl))
PY
    [ "$(cat "$WORK/swaps")" = 0 ] || break
done
[ "$(cat "$WORK/swaps")" != 0 ] || fail "no weights changed while answers were under way"

# --- what is kept to look at --------------------------------------------------------------------------
run 0 assay report ahead --json
/usr/bin/python3 - "$WORK/out" <<'PY'
import json, math, sys
run = json.load(open(sys.argv[1]))
assert run["state"] == "finished" and run["steps_done"] == run["steps_total"] == 45
assert [row["position"] for row in run["steps"] if row["phase"] == "rl"] == list(range(25, 45))
kept = [r for r in run["rollouts"] if r["phase"] == "rl"]
per_step = {}
for r in kept:
    per_step.setdefault(r["position"], []).append(r)
    assert len(r["ids"]) == len(r["logp"]) == r["token_count"] > 0
    assert r["prompt"].endswith("=") and all(p <= 0 for p in r["logp"])
    assert r["position"] - 2 <= r["version"] <= r["position"]
    assert r["solved"] == (r["cause"] == "ok") and r["reward"] is not None
assert set(per_step) == set(range(25, 45)) and all(1 <= len(r) <= 8 for r in per_step.values())
# Where some were solved and some were not, both are there.
for row in run["steps"]:
    if row["phase"] == "rl" and 0 < row["solved"] < row["rollouts"]:
        assert {r["solved"] for r in per_step[row["position"]]} == {True, False}, row
# The advantages of what was learned from have both signs.
signs = {math.copysign(1, r["advantage"]) for r in kept if r["advantage"]}
assert signs == {1.0, -1.0}, signs
assert any(r["phase"] == "eval" for r in run["rollouts"])
PY
run 0 assay report ahead --html "$WORK/ahead.html"
grep -q "Held-out rate" "$WORK/ahead.html" && grep -q 'class="r k' "$WORK/ahead.html" || fail "the page lacks its parts"
! grep -qE '<script|(src|href)="(http|/)' "$WORK/ahead.html" || fail "the page loads something"
run 0 assay top ahead --once
has out "train ahead  finished  rl 20/20"
run 0 assay top --once --json
[ "$(json "d['items']")" = "[]" ] || fail "something is running"

# --- kill -9 ----------------------------------------------------------------------------------------
# kill_often NAME COUNT OPTIONS...: so often, all over a run that is long enough for it; then to its end, which is that
# of a run that nobody killed.
kill_often() {
    name=$1
    count=$2
    shift 2
    set -- --set sft.updates=60 --set "rl.steps=$((20 + 2 * count))" "$@"
    run 0 assay train config.yaml --set "name=$name-whole" "$@"
    files_of "$name-whole" >"$name-whole.txt"
    /usr/bin/python3 "$ROOT/tests/integration/kill_often.py" "$count" 8 "$ASSAY_HOME/runs/$name" \
        "$ASSAY" train config.yaml --set "name=$name" "$@" || fail "$name was not killed $count times"
    run 0 assay report --list # of a run that was killed, too
    run 0 assay train config.yaml --set "name=$name" "$@" --json
    [ "$(json "d['resumed'] and not d['was_finished']")" = True ] || fail "$name was over: $(cat "$WORK/out")"
    files_of "$name" >"$name.txt"
    cmp "$name-whole.txt" "$name.txt" || fail "the killed run $name differs"
}
kill_often killed "$kills"
kill_often killed-ahead "$kills" --set rl.staleness=2

# --- a checkpoint cut in half, another one gone: the next older one, by name, and the same bits ---------
# It is killed once three are there: those of steps 3, 6 and 9, while the next one is made.
for try in 1 2 3 4 5; do
    spoiled=spoiled-$try
    "$ASSAY" train config.yaml --set "name=$spoiled" --set checkpoint.keep=3 >"$WORK/out" 2>"$WORK/err" &
    pid=$!
    until [ -e "$ASSAY_HOME/runs/$spoiled/checkpoints/12" ] || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.02
    done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    [ -e "$ASSAY_HOME/runs/$spoiled/final" ] || break # it was too fast
done
counted() { # those with a row: the newest directory may have none
    /usr/bin/python3 -c "
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute(
    'SELECT c.position FROM checkpoints AS c JOIN trainings USING (training_number) WHERE run_id = ? ORDER BY 1 DESC',
    (sys.argv[2],))
print(*[row[0] for row in rows])" "$ASSAY_HOME/assay.db" "$spoiled"
}
set -- $(counted)
[ "$#" -ge 3 ] || fail "three checkpoints were wanted: $*"
truncate -s 1000 "$ASSAY_HOME/runs/$spoiled/checkpoints/$1/model.safetensors"
rm -r "$ASSAY_HOME/runs/$spoiled/checkpoints/$2"
run 0 assay train config.yaml --set "name=$spoiled" --set checkpoint.keep=3
has err "checkpoints/$1/model.safetensors is not the file that was written: it was cut short or changed"
has err "checkpoints/$2/model.safetensors: no such file"
files_of "$spoiled" >spoiled.txt
cmp whole.txt spoiled.txt || fail "the run that fell back differs"

# --- held close to the policy that rl began with ----------------------------------------------------
run 0 assay train config.yaml --set name=close --set loss.kl=1 --set loss.kl_estimator=k3
files_of close >close.txt
/usr/bin/python3 - "$ASSAY_HOME/runs/close/metrics.jsonl" "$ASSAY_HOME/runs/whole/metrics.jsonl" <<'PY'
import json, sys
close, free = ([json.loads(line) for line in open(path)] for path in sys.argv[1:])
kl = [row["kl_ref"] for row in close if row["phase"] == "rl" and "kl_ref" in row]
assert len(kl) > 10 and max(kl) > 1e-6, kl
assert all("kl_ref" not in row for row in free)
PY
cmp -s "$ASSAY_HOME/runs/close/final/model.safetensors" "$ASSAY_HOME/runs/whole/final/model.safetensors" &&
    fail "loss.kl changes nothing"
kill_often killed-close 2 --set loss.kl=1 --set loss.kl_estimator=k3
sed -i 's/^seed: 3$/seed: 3\nloss: {kl: 1, kl_estimator: k3}/' config.yaml
# its file is another one: said by name
"$ASSAY" train config.yaml --set name=torn >"$WORK/out" 2>"$WORK/torn.err" &
pid=$!
tries=0
until grep -qs "train rl at=30/" "$WORK/torn.err"; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "torn does not get far: $(cat "$WORK/torn.err")"
    sleep 0.05
done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
if [ ! -e "$ASSAY_HOME/runs/torn/final" ]; then
    printf x >>"$ASSAY_HOME/runs/torn/reference/model.safetensors"
    run 1 assay train config.yaml --set name=torn
    has err "reference/model.safetensors: not the file that was written"
fi
sed -i '/^loss:/d' config.yaml

# --- interrupted by the user, and at it twice ------------------------------------------------------
# begin NAME SEED: in the background, with more to do than it will ever do; returns once it measures.
begin() {
    "$ASSAY" train config.yaml --set "name=$1" --set "seed=$2" --set sft.updates=100000 >"$WORK/out" 2>"$WORK/$1.err" </dev/null &
    pid=$!
    tries=0
    until grep -qs "train sft" "$WORK/$1.err"; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "$1 does not begin: $(cat "$WORK/$1.err")"
        sleep 0.1
    done
}
begin stopped 5
run 1 assay train config.yaml --set name=stopped --set seed=5 --set sft.updates=100000
has err "another process is training stopped"
kill -s INT "$pid"
got=0
wait "$pid" || got=$?
[ "$got" -eq 130 ] || fail "exit $got after Ctrl-C: $(cat "$WORK/stopped.err")"

# --- a full disk, and room again ---------------------------------------------------------------------
cat >on_disk.sh <<'SH'
set -eu
mkdir -p disk
mount -t tmpfs -o size=900k disk disk
export ASSAY_HOME="$PWD/disk"
! "$ASSAY" train config.yaml --set name=full 2>full.err || exit 3
mount -o remount,size=64m disk
"$ASSAY" train config.yaml --set name=full --json >/dev/null 2>>full.err
cp -r disk/runs "$WORK/full_home/"
SH
if unshare -Urm true 2>/dev/null; then
    mkdir full_home
    WORK=$WORK ASSAY=$ASSAY unshare -Urm sh on_disk.sh || fail "a full disk: $(cat full.err)"
    grep -q "safetensors.*: write: No space left on device" full.err || fail "no file is named: $(cat full.err)"
    (ASSAY_HOME=$WORK/full_home && files_of full >full.txt)
    cmp whole.txt full.txt || fail "the run that had no room differs"
else
    echo "SKIP: no user namespaces: nothing fills a disk"
fi

# --- clear errors -----------------------------------------------------------------------------------
run 1 assay train config.yaml --set name=whole --set seed=4
has err "training whole is of other settings"
run 2 assay train config.yaml --set rl.step=4
has err "rl.step: no such setting; did you mean rl.steps?"
run 1 assay train config.yaml --set tasks.path=none.jsonl
has err "none.jsonl"
echo '{"split": "sft", "prompt": "a"}' >bad.jsonl
run 1 assay train config.yaml --set tasks.path=bad.jsonl
has err "bad.jsonl:1: "
cp -r "$ASSAY_HOME/runs/whole/final" broken
/usr/bin/python3 - <<'PY'
with open("broken/model.safetensors", "r+b") as file: # the last weight is none
    file.seek(-4, 2)
    file.write(b"\x00\x00\xc0\x7f")
PY
run 1 assay train config.yaml --set name=nan --set model.path=broken
has err "no numbers to go on with; the weights are as before"
run 0 assay top nan --once # at once, and not only when it has been silent for long
has out "train nan  stopped"
run 0 assay train config.yaml --explain-loss
has out "w = min(r, 5)"
run 0 assay train config.yaml --dry-run
has out "config.yaml:5"
has out "20 steps of 64 rollouts"
has out "MB free: fits"
has out "; as run "
grep -qE "^time +[0-9.]+ minutes; sft 25 of [0-9.]+ s; rl 20 of [0-9.]+ s; evaluations 3 of " "$WORK/out" || fail "no time: $(cat "$WORK/out")"
run 0 assay train config.yaml --dry-run --json --set seed=77
[ "$(json "d['plan']['parameters'] > 20000 and d['plan']['memory_fits'] and d['plan']['seconds'] is None")" = True ] ||
    fail "the plan as JSON: $(cat "$WORK/out")"
[ "$(json "[s['origin'] for s in d['settings'] if s['name'] == 'seed'][0]")" = --set ] || fail "an origin is missing"
run 0 assay train config.yaml --explain-loss --json
[ "$(json "d['loss'] + ' ' + [s['value'] for s in d['settings'] if s['name'] == 'loss.is_cap'][0]")" = "cispo 5" ] || fail "the loss as JSON"
# Shapes are counted, not allocated.
run 0 assay train config.yaml --set model.width=16384 --set model.ffn=20000 --set model.layers=8 --dry-run
has out "DOES NOT FIT"
has out "time      not measured"
run 1 assay train config.yaml --dry-run --set tasks.path=none.jsonl
has err "none.jsonl"
# What is drawn from later must be there before anything is.
grep -v '"split": "rl"' tasks.jsonl >no_rl.jsonl
run 1 assay train config.yaml --set tasks.path=no_rl.jsonl
has err "no_rl.jsonl: no task of split rl, which rl.steps needs"
run 0 assay train config.yaml --set tasks.path=no_rl.jsonl --set rl.steps=0 --dry-run
run 2 assay train config.yaml --set completely.unrelated=3
! grep -q "did you mean" "$WORK/err" || fail "a guess at any distance: $(cat "$WORK/err")"

# A wait that is too long ends the run, and says what it was for; with patience it goes on.
run 1 assay train config.yaml --set name=waits --set rl.staleness=1 --set seed=9 --set rl.wait_s_max=0.001 \
    --set sft.updates=10 --set rl.groups=400 --set rl.steps=2
grep -qE "step 2 of 3: trainer waited 0 s for batch 1; sampler: |waited 0 s for rewards of answers" "$WORK/err" ||
    fail "what was waited for is not told: $(cat "$WORK/err")"
run 0 assay train config.yaml --set name=waits --set rl.staleness=1 --set seed=9 --set sft.updates=10 --set rl.groups=400 \
    --set rl.steps=2

# Two are there: the first of them counts.
run 1 assay train config.yaml --set name=again --set seed=5 --set sft.updates=100000
has err "the same settings are open under another name"
begin cut 6
newest() { # checkpoint's number; 0: none
    ls "$ASSAY_HOME/runs/$1/checkpoints" 2>/dev/null | grep -E '^[0-9]+$' | sort -n | tail -n 1 | grep . || echo 0
}
until [ "$(newest cut)" -ge 9 ]; do # then the two before it count
    kill -0 "$pid" || fail "cut ended: $(cat "$WORK/cut.err")"
    sleep 0.1
done
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
for file in "$ASSAY_HOME"/runs/cut/checkpoints/*/optimizer.safetensors; do
    truncate -s 1000 "$file"
done
run 1 assay train config.yaml --set name=cut --set seed=6 --set sft.updates=100000
grep -qE "none of [23] checkpoints is whole; the newest: " "$WORK/err" || fail "not every one was tried: $(cat "$WORK/err")"
has err "is not the file that was written"
