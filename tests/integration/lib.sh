# SPDX-License-Identifier: MIT
# What every integration script opens with: the program under test, a home of its own, and a look
# around at the end for anything that was left behind. Source it; the script's own name labels messages.
set -eu

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${ASSAY_BUILD_DIR:-$ROOT/build/dev}
ASSAY=$BUILD/assay
NAME=$(basename "$0" .sh)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/assay-$NAME.XXXXXX")
export ASSAY_HOME="$WORK/home"
export CI=1 # plain progress lines
: >"$WORK/began"

fail() {
    echo "$NAME: FAILED: $*" >&2
    exit 1
}

skip() {
    echo "$NAME: skipped: $*"
    exit 77
}

cleanup() {
    status=$?
    trap - EXIT
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        echo "$NAME: files kept in $WORK" >&2
        exit "$status"
    fi
    chmod -R u+w "$WORK" 2>/dev/null || true
    rm -rf "$WORK"
    exit "$status"
}
trap cleanup EXIT

# Run a command, want this exit status; its output goes to $WORK/out and $WORK/err.
run() {
    want=$1
    shift
    got=0
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null || got=$?
    [ "$got" -eq "$want" ] || {
        tail -n 20 "$WORK/out" "$WORK/err" >&2
        fail "exit $got, expected $want: $*"
    }
}

assay() {
    "$ASSAY" "$@"
}

# The text stands in a file of the last run.
has() {
    grep -F -q -e "$2" "$WORK/$1" || {
        cat "$WORK/$1" >&2
        fail "std$1 lacks: $2"
    }
}

# Evaluate a Python expression over `d`, the JSON of the last line of stdout.
json() {
    tail -n 1 "$WORK/out" | /usr/bin/python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"
}

# suite_begin NAME: a suite folder in $WORK/NAME with one recipe, to which instance() adds. RECIPES: JSON
# members instead of that one.
suite_begin() {
    SUITE=$WORK/$1
    rm -rf "$SUITE"
    mkdir "$SUITE"
    cat >"$SUITE/suite.json" <<END
{"schema": 1, "name": "$1", "version": "1",
 "recipes": {"r": {"base": "host", "setup": [], "env": {}, "workdir": "/testbed"}${RECIPES:+, $RECIPES}}}
END
}

# instance ID SCRIPT [MEMBERS [LIMITS]]: `sh run.sh` with that script is the test; gold makes `state` say
# yes. MEMBERS, LIMITS: JSON members to add to or to put in place of the usual ones.
instance() {
    mkdir -p "$SUITE/$1/base"
    echo no >"$SUITE/$1/base/state"
    printf '%s\n' "$2" >"$SUITE/$1/base/run.sh"
    printf '%s\n' '--- a/state' '+++ b/state' '@@ -1 +1 @@' '-no' '+yes' >"$SUITE/$1/gold.patch"
    printf '%s\n' '--- /dev/null' '+++ b/t.txt' '@@ -0,0 +1 @@' '+t' >"$SUITE/$1/test.patch"
    echo problem >"$SUITE/$1/problem.md"
    /usr/bin/python3 - "$SUITE/$1/instance.json" "$1" "{${3:-}}" "{${4:-}}" <<'PY'
import json, sys
file, name, members, limits = sys.argv[1:]
json.dump({"schema": 1, "instance_id": name, "repo": "a/b", "base": {"dir": "base"}, "recipe": "r",
           "test_cmd": ["sh", "run.sh"], "framework": "exit", "FAIL_TO_PASS": ["exit_status"], "PASS_TO_PASS": [],
           "task": "repair", "protected_allowed": [], "tags": [],
           "limits": {"wall_ms": 60000, "cpu_ms": 30000, "memory_bytes": 268435456, **json.loads(limits)},
           **json.loads(members)}, open(file, "w"))
PY
}
PASS='grep -q yes state' # a script that gold satisfies

# signal_after SECONDS SIGNAL COMMAND...: exit status in $got, milliseconds from signal to end in $ms.
signal_after() {
    after=$1 signal=$2 got=0
    shift 2
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null &
    pid=$!
    sleep "$after"
    began=$(date +%s%N)
    kill -s "$signal" "$pid" || fail "ended before the signal: $(cat "$WORK/err")"
    wait "$pid" || got=$?
    ms=$((($(date +%s%N) - began) / 1000000))
}

# Nothing may be left once no assay of this script runs: no spawner or box without an assay above it,
# no group of a spawner that is gone, no mount and no scratch of this home.
no_leftovers() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        left=""
        orphans=""
        for pid in $(ps -eo pid=,ppid=,comm= | awk '$3 == "assay-box" && $2 == 1 { print $1 }'); do
            case $(readlink "/proc/$pid/exe" || true) in # another build's are another's
            "$(readlink -f "$BUILD")"/*) orphans="$orphans $pid" ;;
            esac
        done
        [ -z "$orphans" ] || left="processes without an assay: $orphans"
        for group in $(find /sys/fs/cgroup -type d -name 'assay-*-*' -newer "$WORK/began" 2>/dev/null); do
            pid=$(basename "$group" | cut -d- -f3)
            [ -d "/proc/$pid" ] || left="control group: $group"
        done
        if grep -F -q "$WORK" /proc/self/mounts; then
            left="mount: $(grep -F "$WORK" /proc/self/mounts)"
        fi
        scratch=$(ls "$ASSAY_HOME/tmp" 2>/dev/null || true)
        [ -z "$scratch" ] || left="scratch: $scratch"
        [ -z "$left" ] && return 0
        sleep 0.2
    done
    fail "left behind: $left"
}

# A script that makes no box says so before it sources this.
[ -n "${NO_BOX:-}" ] || "$ASSAY" doctor >/dev/null 2>&1 || skip "this host cannot make a box (assay doctor tells why)"
