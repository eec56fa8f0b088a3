#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a service that works for half an hour holds as much memory, as many descriptors and as many processes as
# at its beginning. ASSAY_SOAK_SECONDS: how long (1800).
. "$(dirname "$0")/../integration/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
PYTHONPATH=tests/integration /usr/bin/python3 tests/soak/serve_soak.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_soak.py"
}
no_leftovers
