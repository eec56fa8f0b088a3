#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: requests as openreward 0.1.167 sends them (tests/conformance/service.py has the client itself) are
# answered as its server answers them: tasks, sessions, prompts, calls as streams that can be taken up again.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_ors.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_ors.py"
}
no_leftovers
