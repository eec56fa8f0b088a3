#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real OpenAI-compatible server (transformers serve) on loopback with a tiny random model: every dialect and
# scaffold, streamed and whole. The model says nothing sensible; what is proved is that both sides understand each
# other: no episode is lost, none fails, tokens are counted. Appends its row to the table of tests/conformance/run.
# ASSAY_BENCH_PYTHON: a Python with torch and transformers[serving].
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/chat_server
python=${ASSAY_BENCH_PYTHON:-$work/venv/bin/python}
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q torch "transformers[serving]"
fi
assay=${ASSAY_BUILD_DIR:-$PWD/build/release}/assay
export ASSAY_HOME=$work/home HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
rm -rf "$ASSAY_HOME" "$work/tiny"
"$python" tests/conformance/tiny_chat_model.py "$work/tiny" docs/*.md 2>"$work/model.err"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$(dirname "$python")/transformers" serve "$work/tiny" --host 127.0.0.1 --port "$port" --device cpu >"$work/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 240); do
    "$python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null && break
    sleep 0.5
done
"$assay" suite add tasks/data/quick >/dev/null 2>&1
code=0 number=0
: >"$work/summaries"
for options in "" "--stream" "--dialect bash" "--stream --dialect bash" "--stream --scaffold single" "--stream --scaffold agentless --repairs 2"; do
    number=$((number + 1))
    # shellcheck disable=SC2086
    "$assay" run quick -i quick__text-table-1 -i quick__ini-reader-1 -j 2 --actor "openai:$work/tiny" --base-url "http://127.0.0.1:$port/v1" \
        --answer-tokens 24 --temperature 1 --turns 4 --run-id "real-$number" $options --json 2>"$work/err" | tail -n 1 >>"$work/summaries" || code=1
done
result=$("$python" - "$work/summaries" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
causes = {}
for row in rows:
    for cause, count in row["causes"].items():
        causes[cause] = causes.get(cause, 0) + count
told = all(r["prompt_tokens"] > 0 and r["answer_tokens"] > 0 for r in rows)
good = sum(r["episodes"] for r in rows) == 12 == sum(r["scored"] for r in rows) and set(causes) <= {"turn_limit", "submitted"} and told
print(f"{len(rows)} runs, {sum(r['episodes'] for r in rows)} episodes, {causes}, {sum(r['answer_tokens'] for r in rows)} tokens answered", "" if good else "(NOT MET)")
PY
)
[[ $result != *"NOT MET"* ]] || code=1
version=$("$python" -c 'import transformers; print(transformers.__version__)')
echo "| a real chat-completions server (transformers serve $version), six dialects and scaffolds | $result | none lost, none failed, tokens counted |" >>"$table"
exit "$code"
