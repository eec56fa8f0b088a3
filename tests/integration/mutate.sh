#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: `suite mutate --certify` makes a suite of certified tasks in one command, which goes on where it
# was; half of the failing tests are not in the base tree, gold resolves each task and nothing else does.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import pytest' 2>/dev/null || skip "no pytest in the host's Python"

D=$WORK/shapes
mkdir -p "$D/shapes__shapes-1/base/shapes" "$D/shapes__shapes-1/base/tests"
cat >"$D/suite.json" <<'END'
{"schema": 1, "name": "shapes", "version": "1",
 "recipes": {"r": {"base": "host", "setup": [], "env": {}, "workdir": "/testbed"}}}
END
cd "$D/shapes__shapes-1"
cat >base/shapes/__init__.py <<'END'
def area(width, height):
    if width < 0 or height < 0:
        raise ValueError("negative")
    return width + height


def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value


def total(sizes):
    result = 0
    for width, height in sizes:
        result = result + area(width, height)
    return result


def untested(a, b):
    return a - b * 2 if a > b else b - 1
END
cat >base/tests/test_area.py <<'END'
import pytest

from shapes import area, total


def test_area():
    assert area(3, 4) == 12


@pytest.mark.parametrize("width,height", [(-1, 2), (2, -1)])
def test_negative(width, height):
    with pytest.raises(ValueError):
        area(width, height)


def test_zero():
    assert area(0, 5) == 0


def test_total():
    assert total([(1, 2), (3, 4)]) == 14
END
cat >base/tests/test_clamp.py <<'END'
from shapes import clamp


class TestClamp:
    def test_low(self):
        assert clamp(1, 2, 9) == 2

    def test_high(self):
        assert clamp(11, 2, 9) == 9

    def test_edges(self):
        assert clamp(2, 2, 9) == 2
        assert clamp(9, 2, 9) == 9

    def test_inside(self):
        assert clamp(5, 2, 9) == 5
END
touch base/conftest.py # so that the root is on Python's path
cat >gold.patch <<'END'
--- a/shapes/__init__.py
+++ b/shapes/__init__.py
@@ -1,7 +1,7 @@
 def area(width, height):
     if width < 0 or height < 0:
         raise ValueError("negative")
-    return width + height
+    return width * height
 
 
 def clamp(value, low, high):
END
: >test.patch
echo "area() adds." >problem.md
cat >instance.json <<'END'
{"schema": 1, "instance_id": "shapes__shapes-1", "repo": "a/shapes", "base": {"dir": "base"}, "recipe": "r",
 "framework": "pytest", "test_cmd": ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
 "limits": {"wall_ms": 60000, "cpu_ms": 60000, "memory_bytes": 1073741824},
 "FAIL_TO_PASS": ["tests/test_area.py::test_area", "tests/test_area.py::test_zero", "tests/test_area.py::test_total"],
 "PASS_TO_PASS": ["tests/test_area.py::test_negative[-1-2]", "tests/test_area.py::test_negative[2--1]",
  "tests/test_clamp.py::TestClamp::test_low", "tests/test_clamp.py::TestClamp::test_high",
  "tests/test_clamp.py::TestClamp::test_edges", "tests/test_clamp.py::TestClamp::test_inside"]}
END
cd "$ROOT"
run 0 assay suite add "$D"

M=$WORK/mutants
run 0 assay suite mutate shapes "$M" --certify --count 3 --runs 1 --seed 5
has out "3 certified tasks of"
run 0 assay suite show shapes-mutants --json
[ "$(grep -c '"holds": true' "$WORK/out")" = 3 ] || fail "not certified: $(tail -c 2000 "$WORK/out")"
first=$(cat "$M/.mutated.jsonl")

# What is shown is not what is asked for.
for task in "$M"/shapes__shapes-1-m*; do
    [ -s "$task/test.patch" ] || fail "$task hides no test"
    grep -q 'not in the tree\|that are not in it' "$task/problem.md" || fail "$task: $(cat "$task/problem.md")"
    ! grep -q '^+.*a - b \* 2 if' "$task/gold.patch" || fail "$task breaks what no test reaches"
done
run 0 assay eval shapes-mutants --gold --json
[ "$(json "d['resolved_instances']")" = 3 ] || fail "gold: $(tail -n 1 "$WORK/out")"
run 0 assay eval shapes-mutants --empty --json
[ "$(json "d['resolved_instances']")" = 0 ] || fail "empty: $(tail -n 1 "$WORK/out")"
run 0 assay suite certify shapes-mutants --checks lists,gold,empty,order --runs 1

# Typed again it runs none of them again, and can make more; with another seed it is another suite.
run 0 assay suite mutate shapes "$M" --certify --count 3 --runs 1 --seed 5
[ "$(cat "$M/.mutated.jsonl")" = "$first" ] || fail "typed again it tried mutants again"
run 0 assay suite mutate shapes "$M" --certify --count 4 --runs 1 --seed 5
has out "4 certified tasks of"
[ "$(head -n "$(echo "$first" | wc -l)" "$M/.mutated.jsonl")" = "$first" ] || fail "what was known is not what it was"
run 1 assay suite mutate shapes "$M" --certify --count 3 --seed 6
has err "other settings"

# The folder is a suite like any other.
run 0 assay suite add "$M" --name again
run 1 assay suite overlap again shapes-mutants # the same trees
