#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: mining a repository keeps the commits whose tests fail before and pass after, and
# says why it kept no other; stopped at any time it goes on where it was; what it writes is a suite
# whose gold resolves and whose unchanged trees do not.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip "git is missing"

repo=$WORK/calc
git init -q "$repo"
git -C "$repo" config user.email t@localhost
git -C "$repo" config user.name t
commit() {
    git -C "$repo" add -A
    git -C "$repo" commit -q -m "$1"
}
printf 'def add(a, b):\n    return a - b\n' >"$repo/calc.py"
printf 'import unittest\n' >"$repo/test_calc.py"
commit first
# add_test NAME EXPRESSION VALUE
add_test() {
    printf '\n\nclass T%s(unittest.TestCase):\n    def test_%s(self):\n        import calc\n        self.assertEqual(%s, %s)\n' "$1" "$1" "$2" "$3" >>"$repo/test_calc.py"
}
sed -i 's/a - b/a + b/' "$repo/calc.py"
add_test add "calc.add(1, 2)" 3
commit "Add adds

It took away instead.

Signed-off-by: T <t@localhost>"
echo words >"$repo/README.md"
commit "only words"
printf 'def neg(a):\n    return -a\n' >>"$repo/calc.py"
commit "only source"
add_test neg "calc.neg(2)" -2
commit "only tests"
printf 'def two():\n    return 2\n' >>"$repo/calc.py"
add_test one "1" 1
commit "tests that tell nothing"
printf 'def mul(a, b):\n    return a * b\n' >>"$repo/calc.py"
add_test mul "calc.mul(2, 3)" 6
commit "Multiply"
printf 'def broken(:\n' >>"$repo/calc.py"
add_test broken "calc.broken()" 1
commit "a commit that does not work"

mine() {
    run 0 assay suite mine "$repo" "$1" --framework unittest --test-cmd '/usr/bin/python3 -m unittest -v test_calc' --name calc --json
}
mine "$WORK/mined"
/usr/bin/python3 -c "
import json; d = json.load(open('$WORK/out'))
assert (d['commits'], d['kept'], d['kept_now'], d['resumed']) == (7, 2, 2, 0), d" || fail "yield: $(cat "$WORK/out")"
/usr/bin/python3 - "$WORK/out" <<'PY' || fail "reasons: $(cat "$WORK/out")"
import json, sys
found = {r["reason"]: r["count"] for r in json.load(open(sys.argv[1]))["left_out"]}
assert found["changes no tests"] == 2 and found["changes no source"] == 1, found
assert sum(n for r, n in found.items() if "no test fails" in r or "ended with" in r) == 2, found
PY
# Again: nothing is run, and the same is told.
mine "$WORK/mined"
/usr/bin/python3 -c "
import json; d = json.load(open('$WORK/out')); assert (d['kept'], d['kept_now'], d['resumed']) == (2, 0, 7), d" || fail "again: $(cat "$WORK/out")"
# From a ledger that a crash cut off in a line, with one task fewer: that one is made again.
mkdir "$WORK/cut"
cp -r "$WORK/mined/." "$WORK/cut"
one=$(cd "$WORK/cut" && ls -d calc-* | head -n 1)
rm -r "$WORK/cut/$one"
grep -v "${one#calc-}" "$WORK/mined/.mined.jsonl" >"$WORK/cut/.mined.jsonl"
printf '{"commit": "' >>"$WORK/cut/.mined.jsonl"
mine "$WORK/cut"
diff -r -x .mined.jsonl "$WORK/mined" "$WORK/cut" || fail "another suite after a crash"
run 1 assay suite mine "$repo" "$WORK/mined" --framework unittest --test-cmd 'other' --name calc
has err "mined with other settings"
run 0 assay suite add "$WORK/mined"
run 0 assay eval calc --gold --json
[ "$(json 'd["resolved_instances"]')" = 2 ] || fail "gold: $(cat "$WORK/out")"
run 0 assay eval calc --empty --json
[ "$(json 'd["resolved_instances"]')" = 0 ] || fail "empty: $(cat "$WORK/out")"
grep -rq "It took away instead" "$WORK/mined" || fail "the message is no problem"
! grep -rq "Signed-off-by" --include=problem.md "$WORK/mined" || fail "trailers in a problem"
