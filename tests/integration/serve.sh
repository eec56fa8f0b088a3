#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold of the service: the gate lets in who may come in, what is wrong is a clear 4xx, an
# answer is graded once however often it is asked, and what was accepted survives a kill.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve.py"
}
no_leftovers
