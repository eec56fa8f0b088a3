#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold of what people look at: the dashboard's files come whole, small, under a policy that
# lets nothing else run, and every route that they read tells what is in the store, a window at a time.
# The pages themselves are looked at in a browser by make conformance (tests/browser).
. "$(dirname "$0")/lib.sh"

export WORK ASSAY_BUILD_DIR="$BUILD"
cd "$ROOT"
run 0 assay suite add tasks/data/quick
run 0 assay eval quick --gold -i quick__ini-reader-1 -i quick__shell-quote-1 --run-id gold
run 0 assay eval quick --empty -i quick__ini-reader-1 -i quick__shell-quote-1 --run-id empty
run 0 assay run quick --actor gold -n 2 -i quick__ini-reader-1 --run-id episodes
/usr/bin/python3 tests/integration/serve_look.py || {
    tail -n 30 "$WORK/serve.log" >&2
    fail "serve_look.py"
}
no_leftovers
