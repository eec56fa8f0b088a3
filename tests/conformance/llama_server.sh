#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# llama.cpp's own server on loopback with a tiny random model: log-probabilities of the sampled tokens, whole and
# streamed. What is proved: every token that was answered has its id, its text and its logarithm, and the texts
# together are the answer. Appends its row to the table of tests/conformance/run.
# ASSAY_BENCH_PYTHON: a Python with xllamacpp (llama.cpp's server as a wheel), gguf and numpy.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/llama_server
python=${ASSAY_BENCH_PYTHON:-$work/venv/bin/python}
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q xllamacpp gguf numpy
fi
assay=${ASSAY_BUILD_DIR:-$PWD/build/release}/assay
export ASSAY_HOME=$work/home
rm -rf "$ASSAY_HOME" "$work/address" "$work/stop"
mkfifo "$work/stop"
"$python" tests/conformance/llama_server.py "$work" <"$work/stop" >"$work/server.log" 2>&1 &
exec 3>"$work/stop"
for _ in $(seq 240); do
    [ -e "$work/address" ] && break
    sleep 0.5
done
address=$(cat "$work/address")
"$assay" suite add tasks/data/quick >/dev/null 2>&1
code=0 number=0
# With tools this server refuses the two together.
for options in "" "--dialect bash" "--stream --dialect bash" "--stream --scaffold single"; do
    number=$((number + 1))
    # shellcheck disable=SC2086
    "$assay" run quick -i quick__text-table-1 -i quick__ini-reader-1 -j 2 --actor openai:tiny --base-url "$address/v1" \
        --logprobs --answer-tokens 24 --temperature 1 --turns 3 --run-id "llama-$number" $options --json >"$work/out" 2>"$work/err" || code=1
done
for episode in $(seq 8); do
    "$assay" episodes show "$episode" --json || code=1
done >"$work/episodes"
exec 3>&-
result=$("$python" - "$work/episodes" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
messages = tokens = 0
wrong = [row["episode"]["reason"] for row in rows if row["episode"]["cause"] not in ("turn_limit", "submitted")]
for row in rows:
    for turn in row["turns"]:
        said = turn.get("sampled")
        if not turn["text"] or not said:
            wrong += ["a message without logprobs"] if turn["text"] else []
            continue
        messages, tokens = messages + 1, tokens + len(said["logp"])
        # A stream has no piece for a token without text of its own: a blank in front, the end.
        least = 1 if row["episode"]["run_id"] > "llama-2" else (turn["answer_tokens"] or 0) - 1
        if not len(said["ids"]) == len(said["pieces"]) == len(said["logp"]) >= least:
            wrong.append("%d logprobs of %d tokens" % (len(said["logp"]), turn["answer_tokens"]))
        if "".join(said["pieces"]).strip() != turn["text"].strip():
            wrong.append("pieces are not the text")
        if not all(-30 < logp <= 0 for logp in said["logp"]):
            wrong.append("no logarithm")
print(f"{len(rows)} episodes, {messages} messages, {tokens} tokens with id, text and logp", "" if len(rows) == 8 and messages and not wrong else f"(NOT MET: {wrong[:2]})")
PY
)
[[ $result != *"NOT MET"* ]] || code=1
version=$("$python" -c 'import xllamacpp; print(xllamacpp.__version__)')
echo "| logprobs of a real server (llama.cpp's, xllamacpp $version), whole and streamed | $result | every token has one, the texts are the answer |" >>"$table"
exit "$code"
