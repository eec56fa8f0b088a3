#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: requests as swe-rex 1.4.0 sends them (tests/conformance/service.py has the client itself) run in the
# episode's box and nowhere else, are its turns, and leave it to us what that is worth.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_swerex.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_swerex.py"
}
no_leftovers
