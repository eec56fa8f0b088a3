#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Models beside the field's own libraries (PyPI, pinned): what assay writes is loaded by transformers
# and computes the same; GGUF and packed files of the packages gguf and compressed-tensors are read as
# those mean them; conversations are those of Qwen3's template. Appends its rows to the table of
# tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=build/models
python=${ASSAY_MODELS_PYTHON:-$work/venv/bin/python}
assay=build/release/assay
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q torch==2.15.0 transformers==5.24.0 tokenizers==0.23.3 safetensors==0.8.0 gguf==0.19.0 \
        numpy==2.4.6 compressed-tensors==0.20.1 jinja2
fi
cmake --preset release >/dev/null
cmake --build --preset release --target tokenize_tool assay -- -j2 >/dev/null
code=0

# row WHAT RESULT BOUND PASSED
row() {
    echo "| $1 | $2 | $3 |" >>"$table"
    [ "$4" = 0 ] || code=1
}

# Saved by transformers, written anew by assay (whole, in shards of 1 MiB at most, by way of its own
# names), loaded by transformers: float32 logits of both.
equal=0 total=0
for name in tiny-qwen3 tiny-qwen3-moe tiny-minimax tiny-chat; do
    own=$(/usr/bin/python3 -c "import json; print(json.load(open('tests/policy/fixtures/$name/config.json'))['model_type'])")
    rm -rf "$work/written" "$work/assay" "$work/back"
    "$assay" model convert "tests/policy/fixtures/$name" "$work/written" --type F32 >/dev/null
    "$assay" model convert "$work/written" "$work/assay" --type F32 --to assay --shard 1 >/dev/null
    "$assay" model convert "$work/assay" "$work/back" --type F32 --to "$own" >/dev/null
    for folder in written back; do
        total=$((total + 1))
        if "$python" tests/golden/make_tiny.py compare "tests/policy/fixtures/$name" "$work/$folder" >"$work/log" 2>&1; then
            equal=$((equal + 1))
        else
            cat "$work/log" >&2
        fi
    done
done
row "checkpoints written by assay, logits in transformers $("$python" -c 'import transformers; print(transformers.__version__)')" \
    "$equal of $total equal" all "$((total - equal))"

failed=0
"$python" tests/golden/make_gguf.py --check "$assay" build/release/tests/tokenize_tool >"$work/gguf" || failed=1
cat "$work/gguf" >&2
row "GGUF elements of 8 types equal to gguf's dequantize" \
    "$(awk '/elements/ {same += $3; all += $5} END {print same " of " all}' "$work/gguf")" all "$failed"
row "GGUF vocabularies, ids equal to HF tokenizers" \
    "$(awk '/vocabulary/ {same += $4; all += $6} END {print same " of " all}' "$work/gguf")" all "$failed"
failed=0
"$python" tests/golden/make_packed.py --check "$assay" >"$work/packed" || failed=1
row "W4A16 and GPTQ tensors equal to numpy's" "$(cut -d' ' -f2-4 "$work/packed")" all "$failed"

template=$work/trl/trl/chat_templates/qwen3.jinja
if [ ! -s "$template" ]; then
    "$python" -m pip download -q --no-deps --only-binary :all: -d "$work" trl==1.16.0
    "$python" -m zipfile -e "$work"/trl-*.whl "$work/trl"
    rm -f "$work"/trl-*.whl
fi
failed=0
"$python" tests/golden/make_chat.py --check "$assay" --qwen3 "$template" >"$work/chat" 2>"$work/log" || failed=1
row "ids of random conversations equal to transformers' with Qwen3's template" "$(cut -d' ' -f2-4 "$work/chat")" all "$failed"
exit "$code"
