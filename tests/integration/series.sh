#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: a patch of a Debian source package becomes a certified task. Its base has the
# patches before it and none behind, its problem is what its header says; a patch that does not
# apply, or that the series does not have, says so.
. "$(dirname "$0")/lib.sh"

# archive NAME VERSION FOLDER: a folder of $WORK where a download would lie; what a plan says of it
# is in $WORK/NAME.
archive() {
    tar -C "$WORK" -cJf "$WORK/$1.tar.xz" "$3"
    sha=$(sha256sum "$WORK/$1.tar.xz" | cut -d ' ' -f 1)
    mkdir -p "$ASSAY_HOME/downloads/$sha"
    mv "$WORK/$1.tar.xz" "$ASSAY_HOME/downloads/$sha"
    printf '"version": "%s", "file": "%s.tar.xz", "sha256": "%s", "path": "pool/main/t/%s.tar.xz"' "$2" "$1" "$sha" "$1" >"$WORK/$1"
}
# pair PATCH
pair() {
    printf '{"instance_id": "thing-%s", "package": "thing", "repo": "debian/thing", "old": {%s}, "series": {%s, "patch": "%s"}, "tests": ["tests/**"], "recipe": "plain", "framework": "pytest", "test_cmd": ["/usr/bin/python3", "-m", "pytest", "-q"]}' "$1" "$(cat "$WORK/thing_1.0.orig")" "$(cat "$WORK/thing_1.0-2.debian")" "$1"
}
mkdir -p "$WORK/thing-1.0/tests" "$WORK/debian/patches/old"
printf 'def once(x):\n    return x\n\n\ndef twice(x):\n    return x + x + x\n' >"$WORK/thing-1.0/thing.py"
printf 'import sys\nsys.path.insert(0, ".")\nimport thing\n\n\ndef test_once():\n    assert thing.once(1) == 1\n' >"$WORK/thing-1.0/tests/test_thing.py"
archive thing_1.0.orig 1.0 thing-1.0
cat >"$WORK/debian/patches/series" <<'X'
# from upstream
old/three.diff -p0
twice.patch
bad.patch

after.patch
X
cat >"$WORK/debian/patches/old/three.diff" <<'X'
--- thing.py
+++ thing.py
@@ -4,3 +4,7 @@
 
 def twice(x):
     return x + x + x
+
+
+def thrice(x):
+    return twice(x)
X
cat >"$WORK/debian/patches/twice.patch" <<'X'
Description: twice() is not three times
 What thrice() returns stays.
Author: N. N. <n@example.org>
Last-Update: 2026-12-01
--- thing-1.0.orig/thing.py
+++ thing-1.0/thing.py
@@ -3,8 +3,8 @@
 
 
 def twice(x):
-    return x + x + x
+    return x + x
 
 
 def thrice(x):
-    return twice(x)
+    return twice(x) + x
--- thing-1.0.orig/tests/test_thing.py
+++ thing-1.0/tests/test_thing.py
@@ -5,3 +5,11 @@
 
 def test_once():
     assert thing.once(1) == 1
+
+
+def test_twice():
+    assert thing.twice(2) == 4
+
+
+def test_thrice():
+    assert thing.thrice(2) == 6
X
printf -- '--- a/thing.py\n+++ b/thing.py\n@@ -1,2 +1,2 @@\n-def never(x):\n+def ever(x):\n     return x\n' >"$WORK/debian/patches/bad.patch"
printf 'X\n' >"$WORK/debian/patches/after.patch"
archive thing_1.0-2.debian 1.0-2 debian
mkdir "$WORK/plan"
printf '{"schema": 1, "name": "series", "version": "1", "recipes": {"plain": {"base": "host"}}}' >"$WORK/plan/suite.json"
printf '{"schema": 1, "pairs": [%s, %s, %s]}' "$(pair twice.patch)" "$(pair bad.patch)" "$(pair none.patch)" >"$WORK/plan/releases.json"

run 0 assay suite add "$WORK/plan" --runs 1
has out "1 instance added, 1 certified"
has out "thing-bad.patch: bad.patch: "
has out "thing-none.patch: bad.patch: " # whatever is behind it

run 0 assay suite export series "$WORK/native" --format native
task=$WORK/native/thing-twice.patch
printf 'twice() is not three times\nWhat thrice() returns stays.\n' | cmp - "$task/problem.md" || fail "problem: $(cat "$task/problem.md")"
/usr/bin/python3 - "$task/instance.json" <<'PY' || fail "lists: $(cat "$task/instance.json")"
import json, sys
row = json.load(open(sys.argv[1]))
assert row["FAIL_TO_PASS"] == ["tests/test_thing.py::test_twice"], row
assert row["PASS_TO_PASS"] == ["tests/test_thing.py::test_once", "tests/test_thing.py::test_thrice"], row
PY
[ "$(grep -c '^[-+]  ' "$task/gold.patch")" = 4 ] || fail "gold: $(cat "$task/gold.patch")"
lacks() {
    if grep -qF -- "$2" "$1"; then fail "$1 has $2: $(cat "$1")"; fi
}
lacks "$task/gold.patch" "+def thrice"
lacks "$task/gold.patch" "tests/"
X=$(grep -c '"instance_id"' "$ASSAY_HOME/releases/series.jsonl")
[ "$X" = 1 ] || fail "ledger: $X"
