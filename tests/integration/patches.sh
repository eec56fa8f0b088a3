#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: every example of docs/patches.md does what the page says: resolves with the tolerance
# that is named, or is refused with the reason that is named; and the options that choose how a
# patch is read and applied do, and are told apart.
. "$(dirname "$0")/lib.sh"

run 0 assay suite add "$ROOT/tasks/data/quick"
/usr/bin/python3 - "$ROOT/docs/patches.md" "$ASSAY" "$WORK" <<'PY'
import json, re, shlex, subprocess, sys
page, assay, work = sys.argv[1:]
instance = "quick__interval-set-1"

def grade(text, *options):
    p = subprocess.run([assay, "grade", "quick", instance, "-", "--json", *options], input=text.encode(),
                       capture_output=True)
    assert p.returncode == 0, (options, p.stderr)
    return json.loads(p.stdout)

blocks, fence, text = [], None, []
for number, line in enumerate(open(page, newline="").read().split("\n"), 1):
    if fence is None:
        m = re.match(r"(`{3,})text example(.*)$", line)
        if m:
            fence, words, text, at = m[1], shlex.split(m[2]), [], number
    elif line == fence:
        blocks.append((at, dict(w.split("=", 1) for w in words), "\n".join(text) + "\n"))
        fence = None
    else:
        text.append(line)
keys = set()
for at, want, text in blocks:
    verdict = grade(text, "--patch-mode", want.get("mode", "tolerant"))
    where = f"docs/patches.md:{at}: {verdict['cause']}: {verdict['reason']}"
    if "refused" in want:
        assert verdict["cause"] == "patch_rejected" and verdict["reward"] == 0, where
        assert verdict["reason"] == "model patch: " + want["refused"], where
        continue
    assert verdict["resolved"] is True, where
    assert verdict["patch"]["hunks"][0]["tolerance"] == want.get("tolerance", "exact"), (where, verdict["patch"])
    keys.add(verdict["key"])
assert len(blocks) >= 9, len(blocks)
# All of them change the file alike: one patch, one run of the tests.
assert len(keys) == 1, keys
diff, bare, block = blocks[0][2], blocks[1][2], blocks[2][2]
assert grade(diff, "--patch-mode", "strict-swebench")["cached"] is True
assert grade(bare, "--patch-mode", "strict-swebench")["cause"] == "patch_rejected"
assert grade(block, "--patch-mode", "strict-swebench")["cause"] == "patch_rejected"
assert grade(block, "--patch-format", "diff")["cause"] == "patch_rejected"
assert grade(block, "--patch-format", "search-replace-all")["resolved"] is True
with open(f"{work}/preds.jsonl", "w") as f:
    f.write(json.dumps({"instance_id": instance, "model_name_or_path": "m", "model_patch": bare}) + "\n")
PY
run 0 assay eval quick -p "$WORK/preds.jsonl" --json
has out '"resolved":true'
# Another mode is another run, with another verdict.
run 0 assay eval quick -p "$WORK/preds.jsonl" --json --patch-mode strict-swebench
has out '"cause":"patch_rejected"'
run 2 assay grade quick quick__interval-set-1 - --patch-mode loose
has err "--patch-mode: 'loose' is not one of tolerant, strict-swebench"
run 2 assay grade quick quick__interval-set-1 - --patch-format patch
has err "--patch-format: 'patch' is not one of auto, diff, search-replace"
run 2 assay grade quick quick__interval-set-1 - --patch-mode strict-swebench --patch-format apply-patch
has err "SWE-bench takes diffs alone"
echo "patches: the page's examples hold"
