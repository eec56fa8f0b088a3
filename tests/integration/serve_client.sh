#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: the Python client does all that the service does, asks again where that is safe, and
# makes no number of a missing reward.
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
PYTHONPATH=clients/python /usr/bin/python3 tests/integration/serve_client.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_client.py"
}
no_leftovers
