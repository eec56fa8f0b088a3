#!/bin/sh
# SPDX-License-Identifier: MIT
# make suites: the certified tasks of real packages, into $ASSAY_HOME (build/suites), and the page of
# what came of each pair.
set -eu
cd "$(dirname "$0")/.."
export ASSAY_HOME="${ASSAY_HOME:-$PWD/build/suites}"
assay=${ASSAY_BUILD_DIR:-build/release}/assay
plans="tasks/data/pypi tasks/data/registry tasks/data/debian"

mkdir -p "$ASSAY_HOME"
for plan in $plans; do
    "$assay" suite add "$plan" --replace
done
# shellcheck disable=SC2086 # words
/usr/bin/python3 bench/orchestrator/yields.py "$ASSAY_HOME" $plans >docs/suites-yields.md
sed -n 5,10p docs/suites-yields.md
