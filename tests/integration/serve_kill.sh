#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `kill -9` of the service under load, with jobs in flight and episodes open, loses no job and doubles no
# verdict; the next service closes what was open, and no process, group, mount or scratch of the killed one is left.
# ASSAY_KILLS: how often (3; `make soak` says 50).
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_kill.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_kill.py"
}
no_leftovers
