#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A trajectory that SWE-agent from PyPI recorded (swe_agent.py; its model replays what is written there) is imported,
# graded, done again here and exported to the same content. Appends its row to the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/swe_agent
python=$work/venv/bin/python
id=quick__text-table-1
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q simple-parsing==0.1.9 tenacity==9.2.1 rich==15.0.0 PyYAML==6.0.4
    "$python" -m pip install -q --no-deps sweagent==0.0.1 # one of its requirements is not on PyPI
fi
assay=${ASSAY_BUILD_DIR:-$PWD/build/release}/assay
export ASSAY_HOME=$work/home
rm -rf "$ASSAY_HOME" "$work/run"
mkdir "$work/run"
"$python" tests/conformance/swe_agent.py "tasks/data/quick/$id/base" "tasks/data/quick/$id/gold.patch" "$work/run" $id \
    >"$work/log" 2>&1
"$assay" suite add tasks/data/quick >/dev/null
code=0
"$assay" episodes import "$work/run/$id.traj" --suite quick --grade --json >"$work/imported"
"$assay" episodes replay 1 --json >"$work/replayed" || code=1
"$assay" episodes export 1 --format swe-agent >"$work/exported"
result=$("$python" - "$work" "$work/run/$id.traj" <<'PY'
import json, sys
imported, replayed, exported = (json.load(open(f"{sys.argv[1]}/{n}")) for n in ("imported", "replayed", "exported"))
same = "the same" if exported == json.load(open(sys.argv[2])) else "DIFFERS"
print(f"{imported['turns']} turns, resolved {imported['resolved']}, {replayed['differing']} differ here, exported {same}")
PY
)
[[ $result == "5 turns, resolved True, 0 differ here, exported the same" ]] || code=1
version=$("$python" -c 'from importlib.metadata import version; print(version("sweagent"))')
echo "| a trajectory of SWE-agent $version | $result | resolved, none differs, the same |" >>"$table"
exit "$code"
