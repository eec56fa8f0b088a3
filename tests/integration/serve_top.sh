#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `assay top --url` shows of a service what `assay top` shows where it runs; a wrong token, a
# stranger and a dead server are told as such, and a service that comes back is seen again.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
run 0 assay eval quick --empty --run-id open -i quick__ini-reader-1 --json
/usr/bin/python3 tests/integration/serve_top.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_top.py"
}
no_leftovers
