#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: what unmodified clients sent is answered as they were answered. fixtures/traffic has requests of openai
# 3.57.0 and openenv-core 0.3.0, as tests/conformance/record.py wrote them down (ASSAY_RECORD=FOLDER, service.py CLIENT).
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
/usr/bin/python3 tests/integration/serve_traffic.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_traffic.py"
}
no_leftovers
