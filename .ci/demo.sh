#!/bin/sh
# SPDX-License-Identifier: MIT
# make demo: the main job from end to end, in a home of its own, without network. Adds and certifies
# the bundled suite, evaluates gold (all resolve), the unchanged trees (none) and a mixed predictions
# file (a known count), and writes the HTML report.
set -eu
cd "$(dirname "$0")/.."

assay=build/release/assay
out=build/demo
rm -rf "$out"
mkdir -p "$out"
export ASSAY_HOME="$PWD/$out/home"

step() {
    printf '\n== %s\n' "$1"
    shift
    printf '   $'
    printf ' %s' "$@"
    printf '\n'
    "$@"
}

start=$(date +%s)
step "what does this host permit?" "$assay" doctor
step "add the bundled suite" "$assay" suite add tasks/data/quick
step "certify it: gold resolves, the unchanged tree never does, each test that should fail fails" \
    "$assay" suite certify quick --runs 2
step "gold: every instance resolves" "$assay" eval quick --gold
step "the unchanged trees: none resolves" "$assay" eval quick --empty
step "a mixed file of model patches, forgeries among them" \
    "$assay" eval quick --predictions tasks/data/quick-predictions.jsonl \
    --html "$out/report.html" --report-dir "$out"

# The demo proves itself: the counts are known beforehand.
/usr/bin/python3 - "$out" <<'PY'
import glob, json, sys
want = json.load(open("tasks/data/quick-predictions.expected.json"))
got = json.load(open(glob.glob(sys.argv[1] + "/demo.*.json")[0]))
total = got["total_instances"]
assert got["resolved_ids"] == sorted(want["resolved"]), got["resolved_ids"]
print(f"\ndemo: {len(got['resolved_ids'])} of {total} resolved, as known beforehand; no forgery was rewarded")
PY
printf 'demo: report in %s/report.html, %s seconds\n' "$out" "$(($(date +%s) - start))"
