#!/bin/sh
# SPDX-License-Identifier: MIT
# What must hold: rows in Parquet are the rows that they are in JSON Lines, over row groups and
# batches, with every text byte for byte; without pyarrow the message says what to install.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip "git is missing"

printf 'PAR1xxxx' >"$WORK/rows.parquet"
printf '#!/bin/sh\nexec /usr/bin/python3 -S "$@"\n' >"$WORK/bare"
chmod +x "$WORK/bare"
ASSAY_PYTHON="$WORK/bare" run 1 assay suite add "$WORK/rows.parquet"
has err "python3 -m pip install pyarrow"

python=${ASSAY_PYTHON:-python3}
"$python" -c 'import pyarrow.parquet' 2>/dev/null || skip "this Python has no pyarrow (ASSAY_PYTHON names one that has)"
export ASSAY_PYTHON="$python"
run 1 assay suite add "$WORK/rows.parquet"
has err "not read as Parquet"

mkdir -p "$WORK/repos/acme__thing"
git -C "$WORK/repos/acme__thing" init -q
printf 'one\r\ntwo\n' >"$WORK/repos/acme__thing/x.txt"
git -C "$WORK/repos/acme__thing" add -A
git -C "$WORK/repos/acme__thing" -c user.email=t@localhost -c user.name=t -c core.autocrlf=false commit -q -m base
commit=$(git -C "$WORK/repos/acme__thing" rev-parse HEAD)
"$python" - "$WORK" "$commit" <<'PY'
import json, sys
import pyarrow, pyarrow.parquet
work, commit = sys.argv[1:]
patch = "diff --git a/x.txt b/x.txt\n--- a/x.txt\n+++ b/x.txt\n@@ -1,2 +1,2 @@\n one\r\n-two\n+\u00fcber \U0001f600 \"2\"\\\n"
rows = [{"repo": "acme/thing", "instance_id": f"acme__thing-{i}", "version": None if i % 7 == 0 else "1.0",
         "base_commit": commit, "patch": patch, "test_patch": patch.replace("x.txt", f"tests/t{i}.py").replace("@@ -1,2 +1,2 @@\n one\r\n-two\n", "@@ -0,0 +1 @@\n").replace(f"--- a/tests/t{i}.py", "--- /dev/null"),
         "problem_statement": f"Row {i}\r\n\tends here ", "hints_text": "", "created_at": "2026-01-01T00:00:00Z",
         "FAIL_TO_PASS": [f"tests/t{i}.py::test_a[\u00e9]"], "PASS_TO_PASS": [], "number": i, "share": i / 7,
         "test_cmd": "python3 -m pytest", "log_parser": "parse_log_pytest"} for i in range(150)]
with open(f"{work}/rows.jsonl", "w", newline="") as out:
    out.writelines(json.dumps(r) + "\n" for r in rows)
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), f"{work}/rows.parquet", row_group_size=40)
PY
run 0 assay suite add "$WORK/rows.jsonl" --repos "$WORK/repos" --name lines
run 0 assay suite add "$WORK/rows.parquet" --repos "$WORK/repos" --name columns
has out "150 instances added"
run 0 assay suite export lines "$WORK/lines.jsonl"
run 0 assay suite export columns "$WORK/columns.jsonl"
"$python" - "$WORK" <<'PY' || fail "the two differ"
import json, sys
lines, columns = ([json.loads(l) for l in open(f"{sys.argv[1]}/{n}.jsonl", newline="")] for n in ("lines", "columns"))
assert len(lines) == 150 and lines == columns, next((p for p in zip(lines, columns) if p[0] != p[1]), len(columns))
PY
