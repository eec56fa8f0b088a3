#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: no forged patch is rewarded and no honest twin refused. Of the corpus, one attack for
# every row of the catalogue and every framework; `make conformance` runs it whole.
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

# For each row that attack whose framework has fewest so far, then one for each framework without any; and three that
# counter-runs alone find: a helper that compares nothing, an answer out of data that a test names, assertions in Node.
/usr/bin/python3 - >"$WORK/chosen" <<'PY'
import collections, json, os
rows = [json.loads(line) for line in open("tests/attacks/attacks.jsonl")]
suites = {}
for row in rows:
    if row["repo"] not in suites:
        suites[row["repo"]] = json.load(open(f"tests/attacks/repos/{row['repo']}/instance.json"))
def able(row):
    suite = suites[row["repo"]]
    needs = [tag[6:] for tag in suite["tags"] if tag.startswith("needs:")] + suite["test_cmd"][:1]
    return row["row"] and all(os.path.exists(name) for name in needs if name.startswith("/"))
rows = [row for row in rows if able(row)]
used, chosen = collections.Counter(), []
def take(rows):
    best = min(rows, key=lambda row: (used[suites[row["repo"]]["framework"]], row["id"]))
    used[suites[best["repo"]]["framework"]] += 1
    chosen.append(best["id"])
for number in sorted({row["row"] for row in rows}):
    take([row for row in rows if row["row"] == number])
for name in sorted({suites[row["repo"]]["framework"] for row in rows}):
    if used[name] == 0:
        take([row for row in rows if suites[row["repo"]]["framework"] == name])
for name in ("pytest-product-helper-blind", "oracle-golden-beside", "node-assert-patched"):
    if name not in chosen and any(row["id"] == name for row in rows):
        chosen.append(name)
print(" ".join(f"--attack {id}" for id in chosen))
PY
# shellcheck disable=SC2046 # words
run 0 assay selftest attacks --json $(cat "$WORK/chosen")
[ "$(json 'd["false_rewards"], d["false_alarms"], d["wrong_causes"], d["no_verdicts"]')" = "0 0 0 0" ] || fail "$(json d)"
[ "$(json 'd["attacks"] >= 20 and d["executed"] == 2 * d["attacks"]')" = True ] || fail "too few: $(json d)"

# What is wrong with a corpus is told with file and line; an attack that is not there, too.
run 1 assay selftest attacks --attack nosuch
has err "nosuch"
mkdir -p "$WORK/corpus/patches"
cp -r tests/attacks/repos "$WORK/corpus/repos"
echo '{"id": "x", "row": 21, "repo": "ledger", "cause": ["tampered"], "how": "y"}' >"$WORK/corpus/attacks.jsonl"
run 1 assay selftest attacks --corpus "$WORK/corpus"
has err "attacks.jsonl:1"
has err "row"
echo '{"id": "x", "row": 1, "repo": "ledger", "cause": ["sorcery"], "how": "y"}' >"$WORK/corpus/attacks.jsonl"
run 1 assay selftest attacks --corpus "$WORK/corpus"
has err "sorcery"

# A patch that does nothing wrong, sold as an attack, is a false reward: the command says so and fails.
echo '{"id": "x", "row": 1, "repo": "ledger", "cause": ["tampered"], "how": "y"}' >"$WORK/corpus/attacks.jsonl"
cp tests/attacks/repos/ledger/gold.patch "$WORK/corpus/patches/x.attack.patch"
cp tests/attacks/repos/ledger/gold.patch "$WORK/corpus/patches/x.twin.patch"
run 1 assay selftest attacks --corpus "$WORK/corpus" --json
[ "$(json 'd["false_rewards"], d["false_alarms"]')" = "1 0" ] || fail "$(json d)"
no_leftovers
