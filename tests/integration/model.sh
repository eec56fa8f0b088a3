#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the assay model commands do on small models what transformers does with them, and
# refuse wrong input with a message that says what is wrong where.
NO_BOX=1
. "$(dirname "$0")/lib.sh"

fixtures=$ROOT/tests/policy/fixtures
chat=$fixtures/tiny-chat

# wrong STATUS TEXT COMMAND...: it ends so, says so on one line of stderr, and prints nothing else.
wrong() {
    want=$1 text=$2
    shift 2
    run "$want" assay model "$@"
    has err "$text"
    [ ! -s "$WORK/out" ] || fail "printed a result all the same: assay model $*"
    [ "$want" = 2 ] || [ "$(wc -l <"$WORK/err")" -eq 1 ] || fail "more than one line: $(cat "$WORK/err")"
}

# all: the JSON of stdout as `d`.
all() {
    /usr/bin/python3 -c "import json,sys; d=json.load(open('$WORK/out')); assert $1, $1"
}

# --- info: published counts, from configs alone
run 0 assay model info "$fixtures/minimax_m1.json" --json
all 'd["parameters"]["total"] == 456089655296'
# Of 32 experts two are active; embedding and head are not counted.
all 'd["parameters"]["active"] == 456089655296 - 2 * 200064 * 6144 - 80 * 30 * 3 * 6144 * 9216'
all 'd["model_type"] == "minimax_m1" and d["state_bytes"] == 70 * 64 * 128 * 128 * 4 and d["kv_bytes_per_token"] == 40960'
run 0 assay model info "$fixtures/minimax_m1.json"
has out "456.09 B"
has out "45.94 B"
has out "80 layers (70 lightning, 10 softmax; 80 with experts)"
run 0 assay model info "$fixtures/minimind_3.json"
has out "63.91 M"
run 0 assay model info "$fixtures/minimind_3_moe.json"
has out "198.4"
# What a folder holds, counted by hand: embedding, head, two layers, norms.
run 0 assay model info "$chat" --json
all 'd["parameters"]["total"] == 2 * 320 * 16 + 2 * (2 * 16 * 16 + 2 * 8 * 16 + 2 * 8 + 3 * 16 * 24 + 2 * 16) + 16'

mkdir "$WORK/empty"
printf '{' >"$WORK/brace.json"
printf '{"model_type": "gpt2"}' >"$WORK/gpt2.json"
printf '{"model_type": "qwen3",\n "vocab_size": -1}' >"$WORK/size.json"
wrong 1 "none does not exist" info "$WORK/none"
wrong 1 "empty/config.json does not exist" info "$WORK/empty"
wrong 1 "brace.json:1: " info "$WORK/brace.json"
wrong 1 'model_type: "gpt2" is none of' info "$WORK/gpt2.json"
wrong 1 "size.json:2: vocab_size" info "$WORK/size.json"
wrong 1 "tiny.gguf: key qwen3.embedding_length is missing" info "$fixtures/weights/tiny.gguf"
wrong 2 "an argument is missing" info
wrong 2 "unexpected argument" info "$chat" "$chat"
wrong 2 '--rope: "x" is not hf-intree' info "$chat" --rope x

# --- check: models of transformers are at one with themselves; broken ones are told
for name in tiny-qwen3 tiny-qwen3-moe tiny-minimax tiny-chat; do
    run 0 assay model check "$fixtures/$name" --json
    all 'len(d["checks"]) == 4 and all(c["passed"] for c in d["checks"])'
done
# broken NAME PYTHON: a copy of tiny-qwen3 with `b`, the bytes of its weights, changed.
broken() {
    cp -r "$fixtures/tiny-qwen3" "$WORK/$1"
    /usr/bin/python3 - "$WORK/$1/model.safetensors" "$2" <<'PY'
import struct, sys
path, change = sys.argv[1:]
b = bytearray(open(path, "rb").read())
start = 8 + struct.unpack("<Q", b[:8])[0]
exec(change)
open(path, "wb").write(b)
PY
}
broken nan 'b[start + 64:start + 68] = struct.pack("<f", float("nan"))'
run 1 assay model check "$WORK/nan"
has out "FAIL  weights"
broken zero 'b[start:] = bytes(len(b) - start)'
run 1 assay model check "$WORK/zero"
has out "FAIL  weights"
broken cut 'del b[-4:]'
wrong 1 "data_offsets lie outside of the file" check "$WORK/cut"
broken long 'b += bytes(4)'
wrong 1 "4 bytes after the last tensor" check "$WORK/long"
broken name 'b[:start] = b[:start].replace(b"k_proj", b"w_proj", 1)'
wrong 1 "self_attn.k_proj.weight is missing" check "$WORK/name"
broken type 'b[:start] = b[:start].replace(b"F32", b"I32", 1)'
wrong 1 "I32 holds no weights" check "$WORK/type"
broken other ''
cp "$fixtures/tiny-minimax/config.json" "$WORK/other"
wrong 1 "is missing" check "$WORK/other"
wrong 1 "has neither model.safetensors nor model.safetensors.index.json" check "$WORK/empty"
wrong 1 "No such file or directory" check "$WORK/none"
wrong 1 "weights/config.json does not exist" check "$fixtures/weights/tiny.pth"

# --- convert: F32 is exact whatever names it takes; halves are near
run 0 assay model convert "$fixtures/tiny-minimax" "$WORK/own" --type F32
run 0 assay model convert "$WORK/own" "$WORK/m1" --type F32 --to assay
run 0 assay model convert "$WORK/m1" "$WORK/back" --type F32 --to minimax
cmp "$WORK/own/model.safetensors" "$WORK/back/model.safetensors" || fail "there and back is not the same"
cmp "$WORK/own/config.json" "$WORK/back/config.json" || fail "there and back is another config"
for type in F16 BF16; do
    run 0 assay model convert "$fixtures/tiny-qwen3" "$WORK/$type" --type "$type"
    has out "as $type"
    run 0 assay model check "$WORK/$type"
done
wrong 2 '--type: "F64" is none of F32, F16, BF16' convert "$chat" "$WORK/no" --type F64
wrong 2 "--shard" convert "$chat" "$WORK/no" --shard 0
wrong 1 'there is no model_type "gpt2"' convert "$chat" "$WORK/no" --to gpt2
wrong 1 "have no name for ffn_gate" convert "$chat" "$WORK/no" --to minimax_m1
wrong 1 "brace.json: Not a directory" convert "$chat" "$WORK/brace.json"
wrong 1 "No such file or directory" convert "$WORK/none" "$WORK/no"
[ ! -e "$WORK/no/config.json" ] || fail "a refused conversion left a model"

# --- plan: M1 on the 512 GPUs that it was trained on
run 0 assay model plan "$fixtures/minimax_m1.json" --gpus 512 --gpu h800 --context 80000 --sequences 128 --json
all 'd["fits"] and d["gpus"] == 512 and abs(d["optimizer_bytes"] - 456.09e9 * 12 / 512) < 1e7'
run 0 assay model plan "$fixtures/minimax_m1.json" --gpus 2
has out "It does not fit."
run 0 assay model plan "$fixtures/minimax_m1.json" --serve --gpus 2 --gpu h200 --bits 4.25 --context 8192
has out "It fits, with weights split over 2 GPUs."
wrong 2 '--gpu: "v100" is none of' plan "$chat" --gpu v100
wrong 2 "--gpus: '0' is not a whole number" plan "$chat" --gpus 0
wrong 2 "--bits: 'nan' is not a number" plan "$chat" --bits nan
wrong 1 "bits of a weight are not between 1 and 32" plan "$chat" --bits 33
wrong 1 "utilization is not above 0" plan "$chat" --utilization 0
wrong 1 "price of a GPU and hour is below 0" plan "$chat" --price -1

# --- generate: the ids and the text of transformers, whole and as a stream
prompt="$(printf 'def add(a, b):\n    return')"
run 0 assay model generate "$chat" --prompt "$prompt" --temperature 0 --max 24 --json
cp "$WORK/out" "$WORK/greedy"
/usr/bin/python3 - "$WORK/greedy" "$chat/greedy.json" <<'PY' || fail "not what transformers generates"
import json, sys
ours, theirs = (json.load(open(path)) for path in sys.argv[1:])
a = ours["answers"][0]
assert ours["prompt_tokens"] == len(theirs["prompt_ids"]) and a["finish"] == "length"
assert a["ids"] == theirs["ids"], (a["ids"], theirs["ids"])
assert a["text"] == theirs["text"], (a["text"], theirs["text"])
PY
run 0 assay model generate "$fixtures/gguf/tiny-chat.gguf" --prompt "$prompt" --temperature 0 --max 24 --json
cmp "$WORK/out" "$WORK/greedy" || fail "another answer from the GGUF file"
ids=$(/usr/bin/python3 -c "import json; print(*json.load(open('$chat/greedy.json'))['prompt_ids'], sep=',')")
run 0 assay model generate "$chat" --ids "$ids" --temperature 0 --max 24 --json
/usr/bin/python3 -c "
import json; a, b = (json.load(open('$WORK/' + f))['answers'][0]['ids'] for f in ('out', 'greedy')); assert a == b"
run 0 assay model generate "$chat" --ids "$ids" --temperature 0 --max 3
[ "$(cat "$WORK/out")" = "115,25,263" ] || fail "ids as they come: $(cat "$WORK/out")"
has err "3 tokens"
# The answer is cut where a stop string begins; of these tokens one is "1".
run 0 assay model generate "$chat" --prompt "$prompt" --temperature 0 --max 24 --stop 1 --json
all 'd["answers"][0]["finish"] == "stop_string" and "1" not in d["answers"][0]["text"] and len(d["answers"][0]["ids"]) == 2'
# A seed is an answer; samples differ from each other, and the first is as if it were alone.
run 0 assay model generate "$chat" --prompt "$prompt" --seed 7 --max 16 --samples 3 --json
cp "$WORK/out" "$WORK/three"
all 'len({tuple(a["ids"]) for a in d["answers"]}) == 3'
run 0 assay model generate "$chat" --prompt "$prompt" --seed 7 --max 16 --json
/usr/bin/python3 -c "
import json; a, b = (json.load(open('$WORK/' + f))['answers'][0] for f in ('out', 'three')); assert a == b"
run 0 assay model generate "$chat" --prompt "$prompt" --seed 8 --max 16 --json
/usr/bin/python3 -c "
import json; a, b = (json.load(open('$WORK/' + f))['answers'][0]['ids'] for f in ('out', 'three')); assert a != b"
# Whatever is written as it comes is the text, byte for byte.
run 0 assay model generate "$chat" --prompt "$prompt" --seed 7 --max 16
/usr/bin/python3 - "$WORK/out" "$WORK/three" <<'PY' || fail "the stream is another text"
import json, sys
stream = open(sys.argv[1], "rb").read()
text = json.load(open(sys.argv[2]))["answers"][0]["text"]
assert stream.endswith(b"\n")
# JSON has one U+FFFD for each byte that is no part of a character.
whole = "".join(c if not 0xDC80 <= ord(c) <= 0xDCFF else "\ufffd" for c in stream[:-1].decode("utf-8", "surrogateescape"))
assert whole == text, (whole, text)
PY

wrong 2 "give one of --prompt, --ids and --chat" generate "$chat"
wrong 2 "give one of --prompt, --ids and --chat" generate "$chat" --prompt a --ids 1
wrong 2 "--prompt is empty" generate "$chat" --prompt ''
for list in '' , 1, 1,x x1 -1 4294967297 1,,2; do
    wrong 2 'is not a list of ids' generate "$chat" --ids="$list"
done
wrong 1 "token 1 of the prompt, 400, is not in the vocabulary" generate "$chat" --ids 1,400
wrong 1 "tiny-qwen3/tokenizer.json does not exist" generate "$fixtures/tiny-qwen3" --prompt a
wrong 1 "none does not exist" generate "$WORK/none" --prompt a
wrong 1 "is none of the patterns gpt2, qwen2, o200k" generate "$chat" --prompt a --pattern foo
wrong 1 "is [320, 16], not [1, 61, 16] of embedding" generate "$chat" --prompt a --config "$fixtures/tiny-qwen3/config.json"
wrong 1 "stop string 0: not 1 to 4096 bytes" generate "$chat" --prompt a --stop ''
wrong 1 "temperature is not between 0 and 100" generate "$chat" --prompt a --temperature -1
wrong 1 "top_p is not above 0 and at most 1" generate "$chat" --prompt a --top-p 2
wrong 1 "min_p is not between 0 and 1" generate "$chat" --prompt a --min-p 2
wrong 1 "repetition_penalty is not above 0" generate "$chat" --prompt a --repetition-penalty 0
wrong 2 "--temperature: 'warm' is not a number" generate "$chat" --prompt a --temperature warm
wrong 2 "--samples: '0' is not a whole number" generate "$chat" --prompt a --samples 0
wrong 2 "--max: '0' is not a whole number" generate "$chat" --prompt a --max 0
wrong 2 "--seed: '-1' is not a whole number" generate "$chat" --prompt a --seed -1
wrong 2 "--top-k: 'x' is not a whole number" generate "$chat" --prompt a --top-k x

# --- generate --chat: ids of the family's template, from a file or stdin
/usr/bin/python3 - "$fixtures/chat/cases.jsonl" "$WORK" <<'PY'
import json, sys
path, work = sys.argv[1:]
for line in open(path, encoding="utf-8"):
    case = json.loads(line)
    if (case["name"], case["template"], case["thinking"]) == ("calls", "qwen3", None) and '"tools"' in case["chat"]:
        open(f"{work}/chat.json", "w", encoding="utf-8").write(case["chat"])
        json.dump(case["ids"], open(f"{work}/chat.ids", "w"))
PY
cp -r "$chat" "$WORK/chatml"
cp "$fixtures/chat/chatml.json" "$WORK/chatml/tokenizer.json"
run 0 assay model generate "$WORK/chatml" --chat "$WORK/chat.json" --max 4 --json
all 'd["prompt_ids"] == json.load(open("'"$WORK"'/chat.ids")) and len(d["prompt_ids"]) == d["prompt_tokens"]'
cp "$WORK/out" "$WORK/answer"
"$ASSAY" model generate "$WORK/chatml" --chat - --max 4 --json <"$WORK/chat.json" >"$WORK/out" 2>"$WORK/err"
cmp "$WORK/out" "$WORK/answer" || fail "stdin is another conversation"
run 0 assay model generate "$WORK/chatml" --chat "$WORK/chat.json" --max 1 --json --thinking off
all 'len(d["prompt_ids"]) > len(json.load(open("'"$WORK"'/chat.ids")))'
echo '[{"role": "user", "content": "a"}' >"$WORK/cut.json"
echo '[{"role": "robot", "content": "a"}]' >"$WORK/robot.json"
echo '[{"role": "user", "content": "a"}]' >"$WORK/user.json"
wrong 1 "cut.json:" generate "$WORK/chatml" --chat "$WORK/cut.json"
wrong 1 'robot.json: messages[0]: role: "robot" is none of' generate "$WORK/chatml" --chat "$WORK/robot.json"
wrong 1 "none does not exist" generate "$WORK/chatml" --chat "$WORK/none"
wrong 2 '"llama" is none of the templates qwen3' generate "$WORK/chatml" --chat "$WORK/user.json" --template llama
wrong 2 '--thinking: "maybe" is neither on nor off' generate "$WORK/chatml" --chat "$WORK/user.json" --thinking maybe
wrong 2 "--thinking goes with --chat" generate "$WORK/chatml" --prompt a --thinking on
wrong 2 "give one of" generate "$WORK/chatml" --chat "$WORK/user.json" --prompt a
wrong 1 "minimax_m1's template does not say whether a model thinks" \
    generate "$WORK/chatml" --chat "$WORK/user.json" --template minimax_m1 --thinking on
wrong 1 "the tokenizer has no <beginning_of_sentence>" generate "$WORK/chatml" --chat "$WORK/user.json" --template minimax_m1
run 0 assay model convert "$WORK/chatml" "$WORK/own-type" --type F32 --to assay
cp "$fixtures/chat/chatml.json" "$WORK/own-type/tokenizer.json"
wrong 1 "no chat template is known for models of type assay" generate "$WORK/own-type" --chat "$WORK/user.json"
run 0 assay model generate "$WORK/own-type" --chat "$WORK/user.json" --template qwen3 --max 1

# --- tokenizer-train: the same texts, the same file; of every pattern; usable at once
for pattern in gpt2 qwen2 o200k; do
    run 0 assay model tokenizer-train "$ROOT/README.md" "$ROOT/docs/models.md" --vocab 320 --pattern "$pattern" \
        --special '<|endoftext|>' --out "$WORK/$pattern.json"
    run 0 assay model tokenizer-train "$ROOT/README.md" "$ROOT/docs/models.md" --vocab 320 --pattern "$pattern" \
        --special '<|endoftext|>' --out "$WORK/again.json"
    cmp "$WORK/$pattern.json" "$WORK/again.json" || fail "not the same file twice"
    /usr/bin/python3 -c "
import json; m = json.load(open('$WORK/$pattern.json'))
assert len(m['model']['vocab']) == 320 and m['added_tokens'][0]['content'] == '<|endoftext|>'"
    cp -r "$chat" "$WORK/with-$pattern"
    cp "$WORK/$pattern.json" "$WORK/with-$pattern/tokenizer.json"
    run 0 assay model generate "$WORK/with-$pattern" --prompt "assay model, twice" --max 2
done
wrong 2 "an argument is missing" tokenizer-train
wrong 1 "assay: $WORK/none does not exist" tokenizer-train "$WORK/none"
wrong 1 "Is a directory" tokenizer-train "$WORK" --out "$WORK/t.json"
wrong 2 "--vocab: '10' is not a whole number" tokenizer-train "$ROOT/README.md" --vocab 10
wrong 1 "is none of the patterns" tokenizer-train "$ROOT/README.md" --pattern foo --out "$WORK/t.json"
wrong 1 "a token of 0 bytes" tokenizer-train "$ROOT/README.md" --special '' --out "$WORK/t.json"
wrong 1 "stand for the same bytes" tokenizer-train "$ROOT/README.md" --special a --special a --out "$WORK/t.json"
wrong 1 "do not fit into 256" tokenizer-train "$ROOT/README.md" --vocab 256 --special q --out "$WORK/t.json"
wrong 1 "replace $WORK/none/t.json" tokenizer-train "$ROOT/README.md" --vocab 300 --out "$WORK/none/t.json"
[ ! -e "$WORK/t.json" ] || fail "a refused training left a file"
