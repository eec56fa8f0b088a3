#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Unmodified clients from PyPI against `assay serve`: OpenEnv's, the MCP SDK's, Open Reward's, SWE-ReX's, OpenAI's, mini-swe-agent. Appends its rows to
# the table of tests/conformance/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
table=${1:-/dev/stdout}
work=$PWD/build/service
python=$work/venv/bin/python
mkdir -p "$work"
if [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install -q openenv-core==0.3.0 mcp==2.3.0
fi
agents=$work/agents/bin/python # litellm wants an openai of its own
if [ ! -x "$agents" ]; then
    python3 -m venv "$work/agents"
    "$agents" -m pip install -q openai mini-swe-agent==2.4.6
fi
rewards=$work/rewards/bin/python
if [ ! -x "$rewards" ]; then
    python3 -m venv "$work/rewards"
    "$rewards" -m pip install -q openreward==0.1.167 swe-rex==1.4.0
fi
export ASSAY_BUILD_DIR=${ASSAY_BUILD_DIR:-$PWD/build/release}
export ASSAY_HOME=$work/home WORK=$work
rm -rf "$ASSAY_HOME"
"$ASSAY_BUILD_DIR/assay" suite add tasks/data/quick >/dev/null
code=0
export MSWEA_SILENT_STARTUP=1
for client in openenv mcp ors swerex openai mini; do
    case $client in openai | mini) with=$agents ;; ors | swerex) with=$rewards ;; *) with=$python ;; esac
    result=$(PYTHONPATH=tests/integration "$with" tests/conformance/service.py "$client" 2>"$work/$client.err") || {
        code=1
        tail -n 20 "$work/$client.err" >&2
    }
    echo "$result" | tail -n 1 >>"$table"
done
# What Prometheus says of its text, and of the rules that ship.
metrics=ok
PYTHONPATH=tests/integration "$python" - <<'PY' || metrics=bad
import subprocess
from serve_lib import ONE, Service, gold
service = Service("quick")
service.post("/v1/grade", {"instance_id": ONE, "patch": gold(ONE)})
text = service.get("/metrics").body
service.stop()
subprocess.run(["promtool", "check", "metrics"], input=text, check=True)
subprocess.run(["promtool", "check", "rules", "docs/service/alerts.yaml"], check=True, stdout=subprocess.DEVNULL)
PY
[ "$metrics" = ok ] || code=1
echo "| \`/metrics\` and the alert rules, checked by promtool $(promtool --version 2>&1 | sed -n '1s/.*version \([^ ]*\).*/\1/p') | $metrics | ok |" >>"$table"
exit "$code"
