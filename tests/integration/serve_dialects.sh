#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: what OpenEnv's and MCP's clients send earns what it does here, nothing is left open, and what
# no client may send ends the connection, not the service.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_dialects.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_dialects.py"
}
no_leftovers
