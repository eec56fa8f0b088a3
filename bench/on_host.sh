#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Run the sandbox's tests and benches on a machine where assay is not built: another kernel,
# another shape of control groups, more cores.
#
#     bench/on_host.sh pack         here: gather programs and libraries into build/host
#     bench/on_host.sh run [OUT]    there, in a copy of this tree with build/host carried over
#     bench/on_host.sh soak [OUT]   there: the full counts of tests/soak/run.sh that concern boxes
#
# `pack` needs build/dev (tests), build/release with its benches, and patchelf. `run` needs bash and
# GNU tools. It writes into OUT (default $OUT, else build/host/out) four small files:
# host.txt (kernel, cores, control groups, tier), tests.txt (a line each), failed.txt (the end of
# what failed ones said) and bench.jsonl. Exit 0: every test passed and every bench ran.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
pack=build/host
libraries=/tmp/assay-host-libraries # an absolute path: as_user copies programs elsewhere

# Libraries that every Linux with glibc has.
is_common() {
    case $1 in
    linux-vdso* | libc.so* | libm.so* | libpthread* | libdl* | librt* | ld-linux* | libgcc_s*) return 0 ;;
    esac
    return 1
}

gather_program() { # FROM TO
    mkdir -p "$(dirname "$2")"
    cp -L "$1" "$2"
    strip --strip-debug "$2" 2>/dev/null || true
    # A script, or a program without shared libraries.
    ldd "$1" 2>/dev/null | grep '=> /' >/dev/null || return 0
    ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' | while read -r name path; do
        is_common "$name" || cp -Ln "$path" "$pack/libraries/$name"
    done
    patchelf --set-rpath "$libraries" "$2"
}

pack() {
    command -v patchelf >/dev/null || { echo "patchelf is missing" >&2 && exit 1; }
    rm -rf "$pack"
    mkdir -p "$pack/libraries"
    local program name
    for program in build/dev/assay-box build/release/assay-box build/dev/tests/sandbox_*_test build/dev/tests/as_user build/dev/tests/assay-box-* \
        build/dev/tests/payloads/* build/release/bench_payloads/*; do
        [ -f "$program" ] && gather_program "$program" "$pack/${program#build/}"
    done
    # Whatever else lies beside the programs and is opened at run time.
    for program in build/dev/*.so build/release/*.so; do
        [ -f "$program" ] && cp "$program" "$pack/${program#build/}"
    done
    for name in $(sed -n 's/^assay_bench(\([a-z_0-9]*\).*/\1/p' bench/sandbox/CMakeLists.txt); do
        program=build/release/benches/$name
        [ -f "$program" ] && gather_program "$program" "$pack/${program#build/}"
    done
    # name, timeout, variables, command: a test a line, paths relative to the tree.
    sed -n -e 's/^add_test(\[=\[\(.*\)\]=\] \(.*\))$/T \1 \2/p' \
        -e 's/^set_tests_properties(\[=\[\(.*\)\]=\] .*ENVIRONMENT "\([^"]*\)".*TIMEOUT "\([0-9]*\)".*/P \1 \3 \2/p' \
        build/dev/tests/sandbox/CTestTestfile.cmake build/dev/tests/sandbox/*/CTestTestfile.cmake | sed "s|$root/||g" | awk '
        $1 == "T" {name = $2; $1 = $2 = ""; sub(/^ */, ""); gsub(/"/, ""); command[name] = $0}
        $1 == "P" {print $2, $3, $4, command[$2]}' >"$pack/tests.list"
    # Whatever else the tests name.
    awk '{for (i = 4; i <= NF; i++) print $i}' "$pack/tests.list" | sort -u | while read -r program; do
        [ -e "$pack/${program#build/}" ] || [ ! -f "$program" ] ||
            gather_program "$program" "$pack/${program#build/}"
    done
    for program in "$pack"/libraries/*; do
        patchelf --set-rpath "$libraries" "$program"
    done
    git rev-parse HEAD >"$pack/commit" 2>/dev/null || true
    du -sh "$pack" >&2
}

# The groups as they are mounted, whatever assay makes of them.
tell_groups() {
    local unified=no controllers=no
    awk '$3 == "cgroup2"' /proc/mounts | grep -q . && unified=yes
    awk '$3 == "cgroup"' /proc/mounts | grep -qE 'memory|pids' && controllers=yes
    case $unified$controllers in
    yesyes) echo "hybrid: v1 controllers beside a v2 tree" ;;
    yesno) echo "v2: controllers $(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null), handed to us:" \
        "$(cat "/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/cgroup.controllers" 2>/dev/null)" ;;
    noyes) echo "v1" ;;
    *) echo "none" ;;
    esac
}

run_test() { # NAME TIMEOUT VARIABLES COMMAND...
    local name=$1 limit=$2 variables=$3 before rc=0 log
    shift 3
    log=$out/log.${name//\//.}
    before=$(date +%s.%N)
    env -i PATH="$PATH" HOME="${HOME:-/}" ${variables//;/ } timeout -k 5 "$limit" "$@" >"$log" 2>&1 </dev/null || rc=$?
    local took
    took=$(awk -v a="$before" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", b - a}')
    case $rc in
    0) echo "passed  $name ${took}s" ;;
    77) echo "skipped $name: $(grep -m1 -a SKIP "$log")" ;;
    *)
        echo "FAILED  $name ${took}s (status $rc)"
        { echo "=== $name (status $rc)" && tail -n 60 "$log"; } >"$out/part.${name//\//.}.failed"
        ;;
    esac >"$out/part.${name//\//.}.tests"
    rm -f "$log"
}

is_alone() { # NAME
    case $1 in
    *attack* | *death* | *faults* | *idle*) return 0 ;;
    esac
    return 1
}

# As soon as fewer than JOBS run.
start_test() { # JOBS NAME TIMEOUT VARIABLES COMMAND
    while [ "$(jobs -rp | wc -l)" -ge "$1" ]; do
        wait -n || true
    done
    # shellcheck disable=SC2046 # words
    run_test "$2" "$3" "$(echo "$4" | sed "s|=build/|=$root/$pack/|g")" \
        $(for word in $5; do echo "${word/#build\//$root/$pack/}"; done) &
}

set_up() { # OUT
    out=${1:-${OUT:-$pack/out}}
    mkdir -p "$out" "$libraries"
    chmod 755 "$libraries"
    cp "$pack"/libraries/* "$libraries"
    : >"$out/tests.txt"
    : >"$out/failed.txt"
}

tell() {
    cat "$out"/part.*.failed >>"$out/failed.txt" 2>/dev/null || true
    cat "$out"/part.*.tests >>"$out/tests.txt"
    rm -f "$out"/part.*
    sort -k1,1 -s "$out/tests.txt" | grep -v ^passed || true
    echo "tests: $(grep -c ^passed "$out/tests.txt") passed," \
        "$(grep -c ^skipped "$out/tests.txt") skipped, $(grep -c ^FAILED "$out/tests.txt") failed"
}

# One after another: they compare the host before and after. SOAK_TESTS is a pattern of names.
soak() {
    set_up "${1:-}"
    local name limit variables command
    while read -r name limit variables command; do
        [[ ! $name =~ ${SOAK_TESTS:-attack_many|attack_calls|kill|death|faults} ]] ||
            start_test 1 "soak:$name" "${SOAK_SECONDS_MAX:-900}" "$variables;ASSAY_SOAK=1" "$command"
    done <"$pack/tests.list"
    wait
    tell
    cat "$out/tests.txt"
    ! grep -q ^FAILED "$out/tests.txt"
}

run() {
    set_up "${1:-}"
    : >"$out/bench.jsonl"
    {
        uname -sr
        echo "cores: $(nproc), user: $(id -u), commit: $(cat "$pack/commit")"
        echo "control groups: $(tell_groups)"
        ASSAY_BUILD_DIR=$root/$pack/dev "$pack/dev/tests/sandbox_probe_test" 2>&1 | grep -a "^probe" || true
    } >"$out/host.txt"
    cat "$out/host.txt"
    # Benches first, one after another on an idle machine: their figures come back whatever follows.
    local rc=0 program
    for program in "$pack"/release/benches/*; do
        ASSAY_BUILD_DIR=$root/$pack/release timeout "${BENCH_SECONDS_MAX:-90}" "$program" --json </dev/null \
            >>"$out/bench.jsonl" 2>>"$out/failed.txt" || { rc=1 && echo "bench failed: $program"; }
    done
    wc -l <"$out/bench.jsonl" | sed 's/$/ figures/'
    # Many tests at a time, but two of those that compare the host before and after, as in `make test`.
    local name limit variables command jobs=$(($(nproc) / 2))
    [ "$jobs" -ge 1 ] || jobs=1
    while read -r name limit variables command; do
        is_alone "$name" || start_test "$jobs" "$name" "$limit" "$variables" "$command"
    done <"$pack/tests.list"
    wait
    while read -r name limit variables command; do
        ! is_alone "$name" || start_test 2 "$name" "$limit" "$variables" "$command"
    done <"$pack/tests.list"
    wait
    tell
    grep -q ^FAILED "$out/tests.txt" && rc=1
    exit "$rc"
}

case ${1:-} in
pack) pack ;;
run) run "${2:-}" ;;
soak) soak "${2:-}" ;;
--json) exit 0 ;; # `make bench` runs whatever lies here: this host's figures come from the programs
*) sed -n '3,15s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
