#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `assay train` in several processes ends in the same bits as in one that sums the same shards: weights,
# optimizer and what was measured, joined by a file or by connections; started as one number of ranks and gone on with as
# another; a rank that is killed or stopped is named by the others, and the run goes on from its checkpoint; ranks that do
# not fit together are refused by name.
. "$(dirname "$0")/lib.sh"

cd "$WORK"
mkdir tmp
export TMPDIR="$WORK/tmp" # of boards
/usr/bin/python3 - <<'PY'
import json, random
rng = random.Random(1)
with open("tasks.jsonl", "w") as file:
    for split, count in (("sft", 200), ("rl", 200), ("seeds", 30), ("families", 10)):
        for _ in range(count):
            a, b = rng.randrange(10), rng.randrange(10)
            file.write(json.dumps({"split": split, "family": "max" if split != "families" else "most", "prompt": f"{a} {b} =", "answer": str(max(a, b))}) + "\n")
PY
cat >config.yaml <<'YAML'
seed: 3
tasks: {source: file, path: tasks.jsonl, tokens_max: 32}
model: {layers: 2, width: 32, heads: 2, kv_heads: 1, head_dim: 16, ffn: 64, vocab: 300}
sft: {updates: 60, batch: 16, lr: 0.003, warmup: 10}
rl: {steps: 40, groups: 7, group_size: 6, updates: 2, answer_tokens_max: 4, curriculum: 0.3}
optimizer: {lr: 0.003}
eval: {every: 20, count: 30}
checkpoint: {every: 2}
batch: {rows_max: 256, shards: 4}
sample: {sequences_max: 64}
YAML

files_of() { # weights, optimizer and what was measured, without the clock
    (cd "$ASSAY_HOME/runs/$1" && sha256sum final/model.safetensors final/config.json checkpoints/46/*.safetensors)
    /usr/bin/python3 - "$ASSAY_HOME/runs/$1/metrics.jsonl" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    row = json.loads(line)
    print({k: v for k, v in row.items() if not k.endswith(("_ms", "_per_s")) and not k.startswith("idle_")})
PY
}
same() { # NAME: as the run that one process did
    files_of "$1" >"$1.txt"
    cmp whole.txt "$1.txt" || fail "$1 ends in other bits than one process"
}

# --- one process, two, four -----------------------------------------------------------------------------
run 0 assay train config.yaml --set name=whole
files_of whole >whole.txt
[ "$(grep -c "'phase': 'rl'" whole.txt)" -eq 40 ] || fail "steps are missing"
grep "'phase': 'rl'" whole.txt | grep -q "'updates': [1-9]" || fail "nothing was learned from"
run 0 assay train config.yaml --set name=two --ranks 2 --json
[ "$(json "d['run_id'] + str(d['resumed'])")" = twoFalse ] || fail "not rank 0's result alone: $(cat out)"
same two
run 0 assay train config.yaml --set name=four --ranks 4
same four
run 0 assay train config.yaml --set name=two --ranks 2
has out "finished before; --again starts a new one"
run 0 assay report two --json
[ "$(json "len(d['steps'])")" -gt 40 ] || fail "rows are missing"

# --- sampled ahead: other numbers than in turn, the same by any number of ranks ----------------------------
run 0 assay train config.yaml --set name=ahead --set rl.staleness=2
files_of ahead >ahead.txt
cmp -s ahead.txt whole.txt && fail "sampling ahead changes nothing"
run 0 assay train config.yaml --set name=ahead-two --set rl.staleness=2 --ranks 2
files_of ahead-two >ahead-two.txt
cmp ahead.txt ahead-two.txt || fail "sampled ahead, two ranks end in other bits than one process"

# --- gone on with as another number of ranks, whoever stopped it ------------------------------------------
begin() { # NAME RANKS: in the background, until it has come to rl
    "$ASSAY" train config.yaml --set "name=$1" --ranks "$2" >"$1.out" 2>"$1.err" </dev/null &
    pid=$!
    tries=0
    until grep -qs "train rl at=7/" "$1.err"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || fail "$1 does not get far: $(cat "$1.err")"
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
}
rank_of() { # PARENT RANK: its process
    for child in $(cat "/proc/$1/task/$1/children"); do
        tr '\0' '\n' <"/proc/$child/environ" 2>/dev/null | grep -qx "ASSAY_RANK=$2" && echo "$child" && return 0
    done
    return 0
}
begin shrinks 2
kill -TERM "$pid" 2>/dev/null || true
got=0
wait "$pid" || got=$?
[ "$got" -eq 130 ] || [ "$got" -eq 0 ] || fail "SIGTERM of the starter: exit $got: $(cat shrinks.err)"
[ "$(grep -c interrupted shrinks.err)" -le 1 ] || fail "everybody says that it was interrupted: $(cat shrinks.err)"
run 0 assay train config.yaml --set name=shrinks
same shrinks

begin killed 2
victim=$(rank_of "$pid" 1)
[ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || true
got=0
wait "$pid" || got=$?
if [ -n "$victim" ] && [ "$got" -ne 0 ]; then
    [ "$got" -eq 1 ] || fail "a killed rank: exit $got"
    grep -q "rank 1 of 2 was killed by signal 9" killed.err || fail "the starter does not name it: $(cat killed.err)"
    grep -q "rank 0: .*rank 1 of 2 (process $victim) is gone before" killed.err ||
        fail "rank 0 does not name it: $(cat killed.err)"
fi
run 0 assay train config.yaml --set name=killed --ranks 4
same killed

# --- joined by connections, each started by itself ---------------------------------------------------------
port=$(/usr/bin/python3 - <<'PY'
import os, socket
for i in range(1000):
    port = 10000 + (os.getpid() * 11 + i) % 20000
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
)
export ASSAY_MASTER="127.0.0.1:$port" ASSAY_SECRET_FILE=secret
head -c 24 /dev/urandom | base64 >secret
chmod 600 secret
# Homes of their own: what rank 1 needs to know it is told.
SLURM_PROCID=1 SLURM_NTASKS=2 ASSAY_HOME="$WORK/elsewhere" \
    "$ASSAY" train config.yaml --set name=apart >apart1.out 2>apart1.err </dev/null &
pid=$!
run 0 env SLURM_PROCID=0 SLURM_NTASKS=2 "$ASSAY" train config.yaml --set name=apart
wait "$pid" || fail "rank 1: $(cat apart1.err)"
[ ! -s apart1.out ] || fail "rank 1 prints: $(cat apart1.out)"
same apart
[ ! -e "$WORK/elsewhere/runs/apart/final" ] || fail "rank 1 has a run of its own"

# --- stopped: the others end by the deadline and say who ----------------------------------------------------
OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 ASSAY_HOME="$WORK/elsewhere" \
    "$ASSAY" train config.yaml --set name=late --set ranks.wait_s_max=10 >late1.out 2>late1.err </dev/null &
pid=$!
OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 \
    "$ASSAY" train config.yaml --set name=late --set ranks.wait_s_max=10 --set sft.updates=100000 >late0.out 2>late0.err </dev/null &
first=$!
got=0
wait "$first" || got=$?
[ "$got" -eq 1 ] || fail "other settings: exit $got: $(cat late0.err)"
grep -q "rank 1 of 2 has other settings" late0.err || fail "other settings are not named: $(cat late0.err)"
got=0
wait "$pid" || got=$?
[ "$got" -eq 1 ] && grep -q "rank 1 of 2 has other settings" late1.err || fail "rank 1 knows of no other settings: $(cat late1.err)"

start() { # RANK HOME
    RANK=$1 WORLD_SIZE=2 ASSAY_HOME="$2" exec \
        "$ASSAY" train config.yaml --set name=stopped --set sft.updates=100000 --set ranks.wait_s_max=10 \
        >"stopped$1.out" 2>"stopped$1.err" </dev/null
}
(start 1 "$WORK/elsewhere") &
pid=$!
(start 0 "$ASSAY_HOME") &
first=$!
tries=0
until grep -qs "train sft at=2/" stopped0.err; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || fail "stopped does not get far: $(cat stopped0.err stopped1.err)"
    sleep 0.05
done
kill -STOP "$pid"
got=0
wait "$first" || got=$?
[ "$got" -eq 1 ] || fail "a stopped rank: exit $got"
grep -q "rank 1 of 2 did not come to a .* within 10000 ms" stopped0.err || fail "not named: $(cat stopped0.err)"
kill -CONT "$pid"
got=0
wait "$pid" || got=$?
[ "$got" -eq 1 ] || fail "rank 1 went on without rank 0: exit $got"

# --- what does not fit -----------------------------------------------------------------------------------------
unset ASSAY_MASTER ASSAY_SECRET_FILE
run 2 assay train config.yaml --ranks 3
has err "batch.shards: an update of 4 shards cannot be shared by 3 ranks alike"
run 2 assay train config.yaml --ranks 2 --set rl.staleness=2 --set rl.swap=token
has err "rl.swap: token is for one process"
run 2 env RANK=0 WORLD_SIZE=2 "$ASSAY" train config.yaml --ranks 2
has err "one or the other"
run 2 env RANK=0 "$ASSAY" train config.yaml
has err "RANK is set and WORLD_SIZE is not"
run 2 env RANK=0 WORLD_SIZE=2 "$ASSAY" train config.yaml
has err "ASSAY_MASTER (host:port) or ASSAY_BOARD"
run 2 env RANK=0 WORLD_SIZE=2 ASSAY_MASTER=127.0.0.1:1 "$ASSAY" train config.yaml
has err "ASSAY_SECRET or ASSAY_SECRET_FILE"
chmod 644 secret
run 2 env RANK=0 WORLD_SIZE=2 ASSAY_MASTER=127.0.0.1:1 ASSAY_SECRET_FILE=secret "$ASSAY" train config.yaml
has err "secret: others may read it; chmod 600 it"
run 0 assay train config.yaml --ranks 4 --dry-run
has out "moments: 1/4 of all; 4 ranks, 4 shards of an update"
run 0 env RANK=1 WORLD_SIZE=2 "$ASSAY" doctor
has out "ranks: the environment makes this process rank 1 of 2"
run 0 env RANK=1 "$ASSAY" doctor
has out "ranks: refused: RANK is set and WORLD_SIZE is not"
[ -z "$(find "$TMPDIR" -name 'assay-ranks-*')" ] || fail "a board is left"
