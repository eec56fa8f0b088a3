#!/bin/sh
# SPDX-License-Identifier: MIT
# make soak: the full counts of what `make test` only samples. Writes docs/soak.md, dated.
set -eu
cd "$(dirname "$0")/../.."
build=build/soak
mkdir -p build/soak
table=build/soak/table.md
: >"$table"
code=0

# What has run is written even when the rest is cut short.
write_page() {
    echo "# Soak"
    echo
    echo "Written by \`make soak\` on $(date -u +%Y-%m-%d) at commit $(git rev-parse --short HEAD); $(uname -sr), $(nproc) CPUs."
    echo
    echo "| what | bound | result | time |"
    echo "| --- | --- | --- | --- |"
    cat "$table"
}
trap 'write_page >docs/soak.md' EXIT
trap 'exit 130' INT TERM

# row NAME BOUND COMMAND...: run it, keep its log, write its row.
row() {
    name=$1
    bound=$2
    shift 2
    start=$(date +%s)
    if "$@" >"build/soak/$(echo "$name" | tr ' /' '__').log" 2>&1; then
        result=passed
    else
        result=FAILED
        code=1
    fi
    echo "| $name | $bound | $result | $(($(date +%s) - start)) s |" >>"$table"
}

row "kill -9 of assay, spawner, box" "50 rounds, one verdict each, nothing left" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS="${ASSAY_KILLS:-50}" sh tests/integration/kill.sh
row "kill -9 of a training" "30 times over each of two runs, in turn and ahead, the same bits at the end" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS=30 sh tests/integration/train.sh
row "kill -9 of a training with boxes" "30 times over one run, the same bits at the end" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS=30 ASSAY_TURNS=0 sh tests/integration/turns.sh
row "kill -9 of a training in episodes" "30 times over one run, the same bits at the end" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS=30 sh tests/integration/turns.sh
row "kill -9 during a run of 200 episodes" "50 kills of one run, each episode once, trajectories whole" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS="${ASSAY_KILLS:-50}" ASSAY_SAMPLES=50 sh tests/integration/episodes_kill.sh
row "kill -9 of the service under load" "50 times, two jobs in flight and four episodes open: a verdict each, none open, nothing left" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_KILLS="${ASSAY_KILLS:-50}" sh tests/integration/serve_kill.sh
row "the service at work" "30 minutes: memory, descriptors and processes at rest as at the beginning" \
    env ASSAY_BUILD_DIR="$PWD/$build" ASSAY_SOAK_SECONDS="${ASSAY_SOAK_SECONDS:-1800}" sh tests/soak/serve_soak.sh
row "seeded defects certified" "each named; one run of twenty within 100 runs" \
    env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" sh tests/integration/certify.sh
for who in root user no_cgroups; do
    case $who in
    root) set -- ;;
    user) set -- "$build/tests/as_user" ;;
    no_cgroups) set -- env ASSAY_TEST_HIDE_CGROUPS=1 ;;
    esac
    row "10,000 boxes in a row, 200 at once ($who)" "nothing grows; honest results as alone" \
        env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" "$@" "$PWD/$build/tests/sandbox_attack_many_test"
    row "spawner killed at any moment ($who)" "3,000 rounds, no run waits, nothing lives on" \
        env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" "$@" "$PWD/$build/tests/sandbox_kill_test"
    row "death of 2,000 processes; 10,000 boxes, a third with daemons ($who)" "all dead and reaped, nothing left" \
        env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" "$@" "$PWD/$build/tests/sandbox_death_test"
    row "every system call ($who)" "60 rounds of chance, as the table says" \
        env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" "$@" "$PWD/$build/tests/sandbox_attack_calls_test"
done
row "faults injected into every call of the set-up" "six errors each: told, nothing leaked, the next box works" \
    env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" "$PWD/$build/tests/sandbox_faults_test"
if [ -x "$build/tests/envs_apply_oracle_test" ]; then
    # Half of the cases are random, half real: releases of packages, or this repository's history without an index.
    real=build/soak/real
    rm -rf "$real"
    sh tests/soak/package_diffs.sh "$real" >build/soak/packages.log 2>&1 || real=
    row "patch engine beside git, GNU patch, SWE-bench's ladder" "10,000 damaged diffs each, no unexplained difference" \
        env ASSAY_SOAK=1 ASSAY_BUILD_DIR="$PWD/$build" ${real:+ASSAY_ORACLE_REAL="$PWD/$real"} \
        ${ASSAY_ORACLE_COUNT:+ASSAY_ORACLE_COUNT="$ASSAY_ORACLE_COUNT"} "$build/tests/envs_apply_oracle_test"
fi
if [ -d build/fuzz/fuzz ]; then
    for target in build/fuzz/fuzz/*_fuzz; do
        name=$(basename "$target" _fuzz)
        mkdir -p "build/fuzz/fuzz/found/$name"
        row "fuzz $name" "${ASSAY_FUZZ_SECONDS:-60} s, no finding" "$target" \
            -max_total_time="${ASSAY_FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
            "build/fuzz/fuzz/found/$name" "tests/fuzz/corpus/$name"
    done
fi

exit "$code"
