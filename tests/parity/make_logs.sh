#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real logs: run small suites with every runner that is installed, and write logs/real-*.log.
#
#     tests/parity/make_logs.sh PYTHON
#
# PYTHON has pytest, django and sympy (a venv; pip install pytest django sympy). Runners that are
# not there are passed over, and what stands in logs/ stays. Logs say neither paths of this machine
# nor times that matter. Made on Debian 12: mocha, node-tape, phpunit, ruby-minitest,
# ruby-test-unit, ruby-rspec, cucumber, libgtest-dev, doctest-dev, go, cargo, node, perl.
set -uo pipefail
python=$(realpath -s "$1")
venv=$("$python" -c 'import sys; print(sys.prefix)')
base=$("$python" -c 'import sys; print(sys.base_prefix)')
logs=$(cd "$(dirname "$0")" && pwd)/logs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export NO_COLOR=1 HOME="$work"

have() { command -v "$1" >/dev/null; }
# keep NAME COMMAND...: its output is the log.
keep() {
    local name=$1
    shift
    "$@" 2>&1 </dev/null | sed -e "s#$work#/testbed#g; s#$venv#/venv#g; s#$base#/usr#g" >"$logs/real-$name.log"
    echo "real-$name.log: $(wc -l <"$logs/real-$name.log") lines"
}
suite() { mkdir -p "$work/$1" && cd "$work/$1" || exit 1; }

suite pytest
cat >test_all.py <<'PY'
import pytest, unittest

@pytest.mark.parametrize("text", ["a", "b c", "/x/y/z", "//x", "é", "[]", "a - b"])
def test_param(text):
    assert text != "b c"

@pytest.fixture
def broken():
    raise RuntimeError("set-up - broken")

def test_set_up(broken):
    pass

@pytest.mark.skip(reason="not now")
def test_skipped():
    pass

@pytest.mark.xfail
def test_xfail():
    assert 0

@pytest.mark.xfail
def test_xpass():
    pass

class TestClass:
    def test_in_class(self):
        assert [1, 2] == [1, 3], "lists - differ"

class Old(unittest.TestCase):
    def test_old(self):
        with self.subTest("x"):
            self.assertEqual(1, 2)
PY
echo 'import nothing_like_it' >test_import.py
keep pytest-rA "$python" -m pytest -rA --continue-on-collection-errors -p no:cacheprovider
keep pytest-verbose "$python" -m pytest -v --continue-on-collection-errors -p no:cacheprovider
keep pytest-colour env -u NO_COLOR "$python" -m pytest -rA --color=yes --continue-on-collection-errors -p no:cacheprovider
keep pytest-short env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -rA --tb=no --continue-on-collection-errors -p no:cacheprovider

suite django
mkdir -p app && touch app/__init__.py
echo "SECRET_KEY='x'; INSTALLED_APPS=['app']; DATABASES={}; USE_TZ=True" >settings.py
cat >app/tests.py <<'PY'
import unittest
from django.test import SimpleTestCase

class Case(SimpleTestCase):
    def test_passes(self):
        pass

    def test_fails(self):
        self.assertEqual(1, 2)

    def test_error(self):
        raise ValueError("x")

    @unittest.skip("not now")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_prints(self):
        print("printed by the test")

    def test_described(self):
        """What it does stands here."""
PY
keep django env DJANGO_SETTINGS_MODULE=settings "$python" -m django test -v 2
keep unittest "$python" -m unittest -v app.tests

suite sympy
cat >test_small.py <<'PY'
def test_good(): pass
def test_bad(): assert 1 == 2
def test_error(): raise ValueError
PY
keep sympy "$python" -c 'from sympy.testing.runtests import SymPyTests, PyTestReporter; r = PyTestReporter(True, "short", False); t = SymPyTests(r); t._testfiles = ["./test_small.py"]; r.root_dir("."); t.test()'

suite tap
cat >a.t <<'PERL'
use Test::More;
ok(1, 'first'); ok(0, 'second - fails'); is(1, 1);
subtest inner => sub { ok(1, 'deep'); ok(0, 'deep fails'); };
SKIP: { skip 'not here', 1; ok(1); }
TODO: { local $TODO = 'later'; ok(0, 'todo'); }
done_testing;
PERL
have prove && keep prove prove -v a.t
cat >a.test.js <<'JS'
const test = require('node:test'); const assert = require('node:assert');
test('adds', () => assert.strictEqual(1 + 1, 2));
test('fails', () => assert.strictEqual(1, 2));
test('skipped', { skip: true }, () => {});
test('todo', { todo: true }, () => { throw new Error('x'); });
test('outer', async (t) => { await t.test('inner', () => {}); });
JS
have node && keep node node --test --test-reporter=tap a.test.js
[ -s "$logs/real-node.log" ] && grep -q '^TAP' "$logs/real-node.log" || { have node && keep node node --test a.test.js; }
cat >tape.js <<'JS'
const test = require('tape');
test('adds', (t) => { t.equal(1 + 1, 2, 'two'); t.equal(1, 2); t.end(); });
test.skip('skipped', (t) => t.end());
JS
[ -d /usr/share/nodejs/tape ] && keep tape env NODE_PATH=/usr/share/nodejs node tape.js

suite mocha
cat >test.js <<'JS'
const assert = require('assert');
describe('outer', () => {
  it('adds', () => {});
  it('fails "quoted"', () => assert.strictEqual(1, 2));
  it('slow', (done) => setTimeout(done, 120));
  it.skip('skipped', () => {});
  describe('inner', () => { it('works', () => {}); it('throws', () => { throw new TypeError('x: y'); }); });
});
describe('second', () => { it('é works', () => {}); });
JS
export NODE_PATH=/usr/share/nodejs # a node that is not Debian's looks elsewhere
if have mocha; then
    # Debian's mocha takes a newer log-symbols by its old name, and would print "undefined".
    echo "const s = require('log-symbols'); if (s.default) Object.assign(s, s.default); const m = require('module'), l = m._load; m._load = (n, ...a) => n === 'log-symbols' ? {...(s.default || s)} : l(n, ...a);" >fix.js
    export NODE_OPTIONS="-r $PWD/fix.js"
    keep mocha-spec mocha --reporter spec test.js
    keep mocha-min mocha --reporter min test.js
    keep mocha-json-prism bash -c 'echo "+ ./node_modules/.bin/mocha tests/run.js --reporter json"; mocha --reporter json test.js'
    keep mocha-json-lighthouse bash -c 'echo "+ ./node_modules/.bin/mocha --reporter json test.js"; mocha --reporter json test.js'
    keep mocha-lighthouse bash -c 'echo "running 1 test files"; mocha --reporter spec test.js'
    keep mocha-tap mocha --reporter tap test.js
    unset NODE_OPTIONS
fi

suite go
printf 'module x\n\ngo 1.18\n' >go.mod
cat >x_test.go <<'GO'
package x

import "testing"

func TestGood(t *testing.T) {}
func TestBad(t *testing.T)  { t.Log("why"); t.Fail() }
func TestSkip(t *testing.T) { t.Skip("no") }
func TestTable(t *testing.T) {
	for _, n := range []string{"one", "two words", "(three)"} {
		t.Run(n, func(t *testing.T) {
			if n == "(three)" {
				t.Error("x")
			}
		})
	}
}
GO
have go && keep go env GOFLAGS=-mod=mod GOPATH="$work/gopath" GOCACHE="$work/gocache" GOTOOLCHAIN=local go test -v ./...

suite cargo
mkdir -p src
printf '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2018"\n' >Cargo.toml
cat >src/lib.rs <<'RS'
/// ```
/// assert_eq!(x::one(), 1);
/// ```
pub fn one() -> u32 { 1 }
#[cfg(test)]
mod tests {
    #[test] fn good() {}
    #[test] fn bad() { assert_eq!(1, 2); }
    #[test] #[ignore] fn ignored() {}
    #[test] #[should_panic] fn panics() { panic!() }
}
RS
have cargo && keep cargo env CARGO_HOME="$work/cargo-home" RUSTUP_HOME="${RUSTUP_HOME:-/root/.rustup}" cargo test --offline

suite cc
cat >g.cc <<'CC'
#include <gtest/gtest.h>
TEST(A, Good) {}
TEST(A, Bad) { EXPECT_EQ(1, 2); }
TEST(A, Skipped) { GTEST_SKIP(); }
class P : public testing::TestWithParam<int> {};
TEST_P(P, Odd) { EXPECT_TRUE(GetParam() % 2); }
INSTANTIATE_TEST_SUITE_P(I, P, testing::Values(1, 2));
int main(int n, char **v) { testing::InitGoogleTest(&n, v); return RUN_ALL_TESTS(); }
CC
g++ -std=c++14 -o g g.cc -lgtest -lpthread 2>/dev/null && keep gtest ./g
cat >d.cc <<'CC'
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
TEST_CASE("outer <a> & b") {
  SUBCASE("good") { CHECK(1 == 1); CHECK(2 == 2); }
  SUBCASE("bad") { CHECK(1 == 2); SUBCASE("deep") { CHECK(1 == 1); } }
}
TEST_CASE("second") { SUBCASE("throws") { CHECK(true); throw 1; } }
CC
g++ -std=c++14 -o d d.cc 2>/dev/null && keep doctest ./d -s -r=xml

suite php
cat >ATest.php <<'PHP'
<?php
use PHPUnit\Framework\TestCase;
final class ATest extends TestCase {
  public function testAddsNumbers(): void { $this->assertSame(2, 1 + 1); }
  public function testFails(): void { $this->assertSame(1, 2); }
  public function testSkipped(): void { $this->markTestSkipped('no'); }
  public function testIncomplete(): void { $this->markTestIncomplete('no'); }
  /** @dataProvider data */
  public function testData(int $n): void { $this->assertLessThan(2, $n); }
  public function data(): array { return ['one' => [1], 'two (2)' => [2]]; }
}
PHP
have phpunit && keep phpunit phpunit --testdox --colors=never ATest.php

suite ruby
cat >mini.rb <<'RB'
require 'minitest/autorun'
class TestA < Minitest::Test
  def test_good; assert true; end
  def test_bad; assert false; end
  def test_error; raise 'x'; end
  def test_skip; skip 'no'; end
end
RB
cat >unit.rb <<'RB'
require 'test/unit'
class TestB < Test::Unit::TestCase
  def test_good; assert true; end
  def test_bad; assert false; end
  def test_error; raise 'x'; end
  def test_omit; omit 'no'; end
  test('with a name') { assert true }
end
RB
cat >a_spec.rb <<'RB'
describe 'Thing' do
  it('works') { expect(1).to eq 1 }
  it('fails') { expect(1).to eq 2 }
  it('waits')
  context('inside') { it('works - too') {} }
end
RB
mkdir -p features/step_definitions
printf 'Feature: F\n  Scenario: good\n    Given it passes\n  Scenario: bad\n    Given it fails\n' >features/a.feature
printf 'Feature: G\n  Scenario: good\n    Given it passes\n' >features/b.feature
printf "Given('it passes') {}\nGiven('it fails') { raise 'x' }\n" >features/step_definitions/s.rb
if have ruby; then
    keep minitest ruby mini.rb -v --seed 1
    keep test-unit ruby unit.rb -v
    have rspec && keep rspec bash -c "rspec --format json a_spec.rb | ruby -rjson -e 'JSON.parse(STDIN.read)[\"examples\"].each { |e| puts %(#{e[\"full_description\"]} - #{e[\"status\"]}) }'"
    have cucumber && keep cucumber bash -c 'for f in features/*.feature; do printf "%s " $f; cucumber --format progress $f; done'
fi
