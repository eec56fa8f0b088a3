#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""mini-swe-agent itself, with a model whose answers are written down.

    mini_agent.py record DIR OUT    works in DIR on this machine, writes its trajectory to OUT
    mini_agent.py drive GOLD        is the program of `assay run --actor command:...`: the same agent, and every
                                    command of it is done in the episode's box"""
import json
import sys
from pathlib import Path

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.local import LocalEnvironment
from minisweagent.exceptions import Submitted
from minisweagent.models.test_models import DeterministicModel, make_output


class Box(LocalEnvironment):
    """An environment whose commands run in an episode of assay."""

    def execute(self, action, cwd="", *, timeout=None):
        seen = ask({"tool": "bash", "arguments": {"command": action["command"], "apart": True}})[0]
        text, code = seen["text"], 0
        lines = text.splitlines()
        if lines and lines[-1].startswith("[exit code "):
            code, text = int(lines[-1][11:-1]), "\n".join(lines[:-1])
        if lines == ["[no output; exit code 0]"]:
            text = ""
        output = {"output": text, "returncode": code, "exception_info": ""}
        self._check_finished(output)
        return output


def ask(message):
    print(json.dumps(message), flush=True)
    line = sys.stdin.readline()  # none after the episode's end
    return json.loads(line)["results"] if line else []


def agent(environment, commands, out=None):
    outputs = [make_output(f"THOUGHT: step {i}", [{"command": c}]) for i, c in enumerate(commands)]
    return DefaultAgent(DeterministicModel(outputs=outputs), environment, system_template="You work.", cost_limit=0,
                        instance_template="{{task}}", output_path=out)


def commands(patch):
    return ["ls -A", "head -n 3 README.md; false", "cd tests && ls", "ls",
            f"cat >/tmp/fix.diff <<'EOF'\n{patch}EOF\npatch -p1 </tmp/fix.diff",
            "/usr/bin/python3 -c 'import texttable; print(texttable.__name__)'",
            "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT && cat /tmp/fix.diff"]


if sys.argv[1] == "record":
    directory, out = sys.argv[2:4]
    patch = sys.stdin.read()
    agent(LocalEnvironment(cwd=directory), commands(patch), Path(out)).run("mend it")
else:
    reset = json.loads(sys.stdin.readline())
    with open(sys.argv[2], newline="") as file:
        patch = file.read()
    result = agent(Box(), commands(patch)).run(reset["problem"])
    assert result["exit_status"] == "Submitted", result
    ask({"tool": "submit"})
