#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One million fuzzed strings through ours and HF tokenizers (PyPI), over ten ways to split text and
# o200k_base as a wheel ships it. Appends its row to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
count=${ASSAY_TOKENIZER_STRINGS:-1000000}
work=build/tokenizers
python=$work/venv/bin/python
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q tokenizers==0.23.3
fi
# o200k_base is in no wheel of its own (tiktoken downloads it); litellm ships it under the name that
# tiktoken's cache gives it. The wheel is opened, never imported, and the file must be tiktoken's.
litellm=1.110.2
ranks=$work/o200k_base.tiktoken
sum=446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d
if ! echo "$sum  $ranks" | sha256sum --check --status 2>/dev/null; then
    "$python" -m pip download -q --no-deps --only-binary :all: -d "$work" litellm==$litellm
    "$python" -m zipfile -e "$work"/litellm-*.whl "$work/litellm"
    cp "$work/litellm/litellm/litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790" "$ranks"
    rm -rf "$work/litellm" "$work"/litellm-*.whl
    echo "$sum  $ranks" | sha256sum --check --status || {
        echo "o200k_base of litellm $litellm is not tiktoken's" >&2
        exit 1
    }
fi
cmake --preset release >/dev/null
cmake --build --preset release --target tokenize_tool assay -- -j2 >/dev/null
code=0
"$python" tests/parity/tokenizer_ids.py compare build/release/tests/tokenize_tool \
    --count $((count / 11 + 1)) --o200k "$ranks" >"$work/result" || code=1
cat "$work/result" >&2
"$python" tests/parity/tokenizer_ids.py train build/release/assay >"$work/trained" || code=1
cat "$work/trained" >&2
equal=$(awk '{sum += $2} END {print sum}' "$work/result")
total=$(awk '{sum += $4} END {print sum}' "$work/result")
version=$("$python" -c 'import tokenizers; print(tokenizers.__version__)')
echo "| token ids equal to HF tokenizers $version, fuzzed strings | $equal of $total | all |" >>"$table"
echo "| vocabularies of 6,000 equal to HF's BpeTrainer | $(grep -c ': equal' "$work/trained" || true) of 3 | all |" >>"$table"
exit "$code"
