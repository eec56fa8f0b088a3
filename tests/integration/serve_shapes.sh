#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: each trainer's way of asking gets the same verdicts, and trouble of ours is a number
# to none of them.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_shapes.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_shapes.py"
}
no_leftovers
