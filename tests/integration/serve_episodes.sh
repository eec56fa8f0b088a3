#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: an episode over HTTP shows and earns what it does here, is its owner's alone, and
# ends: by its client, by its limits, by silence, with the service.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_episodes.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_episodes.py"
}
no_leftovers
