#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: closed, full and broken standard streams are told and harm nothing: no message lands in the
# store or in a socket because it got the number of a stream that was closed.
. "$(dirname "$0")/lib.sh"

suite_begin small
instance small__a-1 "$PASS"
instance small__b-1 "$PASS"
run 0 assay suite add "$SUITE"

fails() { # a shell line that must end with status 1, quickly
    got=0
    timeout 30 sh -c "$1" 2>"$WORK/err" || got=$?
    [ "$got" -eq 1 ] || fail "exit $got, expected 1: $1: $(cat "$WORK/err")"
}
export ASSAY
fails '"$ASSAY" eval small --gold --json --again --no-cache >/dev/full </dev/null'
has err "write to stdout"
fails '"$ASSAY" eval small --gold --again --no-cache >&- </dev/null'
has err "write to stdout"
fails '"$ASSAY" report --json >/dev/full'
fails '"$ASSAY" report >&-'
fails '"$ASSAY" eval --help >/dev/full'
fails '"$ASSAY" version >&-'
fails '"$ASSAY" eval small --gold --again --no-cache <&- >&- 2>&-'
fails '"$ASSAY" grade small small__a-1 <&-'
has err "read"
# No stderr: the work is done all the same.
got=0
"$ASSAY" eval small --gold --again --no-cache --json >"$WORK/out" 2>&- </dev/null || got=$?
[ "$got" -eq 0 ] || fail "exit $got without stderr: $(cat "$WORK/out")"
[ "$(json 'd["resolved_instances"]')" = 2 ] || fail "without stderr: $(cat "$WORK/out")"
# A reader that has seen enough: the run stops, and goes on when typed again.
"$ASSAY" eval small --gold --json --again --no-cache -j 1 2>"$WORK/err" </dev/null | head -n 1 >"$WORK/out"
[ "$(json 'd["resolved"]')" = True ] || fail "the first line: $(cat "$WORK/out")"
run 0 assay eval small --gold --json
[ "$(json 'd["resolved_instances"]')" = 2 ] || fail "after a broken pipe: $(cat "$WORK/out")"
/usr/bin/python3 -c '
import sqlite3, sys
assert sqlite3.connect(sys.argv[1]).execute("PRAGMA integrity_check").fetchone() == ("ok",)' "$ASSAY_HOME/assay.db"
no_leftovers
