#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run every program of bench/ with --json, keep the figures in build/bench.jsonl and write
# docs/bench.md with host, commit and command. Programs: build/release/benches/*, bench/**/*.sh, suites.py, crowd.py, waiting.py.
set -euo pipefail
cd "$(dirname "$0")/.."

shopt -s nullglob globstar
programs=(build/release/benches/* bench/**/*.sh bench/orchestrator/suites.py bench/orchestrator/crowd.py bench/orchestrator/waiting.py)
if [ "${#programs[@]}" -eq 0 ]; then
    echo "no benches yet"
    exit 0
fi
: >build/bench.jsonl
rc=0
for program in "${programs[@]}"; do
    echo "bench: $program" >&2
    ASSAY_BUILD_DIR=$PWD/build/release "$program" --json </dev/null >>build/bench.jsonl || {
        echo "bench: $program failed" >&2
        rc=1
    }
done
mkdir -p docs
python3 .ci/bench_page.py build/bench.jsonl >docs/bench.md
echo "docs/bench.md written; what people say about figures is in docs/performance.md" >&2
exit "$rc"
