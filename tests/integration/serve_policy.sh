#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold of OpenAI's routes: an answer is the same whole, streamed, alone or among others; its
# token ids and log-probabilities are those that were sampled; what is wrong is a clear 4xx.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_policy.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_policy.py"
}
no_leftovers
