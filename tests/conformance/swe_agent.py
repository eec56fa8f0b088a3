# SPDX-License-Identifier: MIT
"""SWE-agent's own agent records a trajectory: its loop, parser, replay model and writer, unchanged.

    python swe_agent.py REPOSITORY GOLD_PATCH WORK INSTANCE_ID

What its package wants besides (containers, data sets, models of others) is not there: modules of those names are
empty, and the environment's shell is a bash in a copy of the repository instead of one in a container.
"""
import importlib.abc
import importlib.machinery
import json
import shutil
import subprocess
import sys
import types
import uuid
from pathlib import Path

ABSENT = ("anthropic", "config", "datasets", "docker", "ghapi", "git", "gymnasium", "openai", "swebench", "together")


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules whose every name is a class of its own."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: type(name, (Exception,), {})
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Absent())

from sweagent.agent.agents import Agent, AgentArguments, AgentConfig  # noqa: E402
from sweagent.agent.models import ModelArguments  # noqa: E402
from sweagent.environment.swe_env import SWEEnv  # noqa: E402

SUBMIT = """\
# @yaml
# signature: submit
# docstring: submits the changes
submit() {
    cd "$ROOT"
    echo "<<SUBMISSION||"
    git add -A
    git diff --cached
    echo "||SUBMISSION>>"
}
"""


class Shell(SWEEnv):
    """The environment, but for its container."""

    name = "swe_main"

    def __init__(self, folder, instance_id):
        self.record = {"instance_id": instance_id}
        self.container_obj = types.SimpleNamespace(id="bash")
        self.logger = types.SimpleNamespace(info=lambda *a: None, warning=lambda *a: None, error=print)
        self.returncode = 0
        self.bash = subprocess.Popen(["bash", "--norc", "--noprofile"], cwd=folder, text=True, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.communicate(f"export ROOT='{folder}' PYTHONDONTWRITEBYTECODE=1")

    def communicate(self, input, timeout_duration=25):
        mark = uuid.uuid4().hex
        self.bash.stdin.write(f"{input}\necho {mark}$?\n")
        self.bash.stdin.flush()
        text = ""
        while mark not in text:
            text += self.bash.stdout.readline()
        text, _, code = text.partition(mark)
        self.returncode = int(code)
        return text

    def add_commands(self, commands):
        for command in commands:
            self.communicate(command["contents"])


def say(thought, action):
    return f"{thought}\n```\n{action}\n```\n"


def main():
    repository, gold, work, instance_id = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    shutil.copytree(repository, work / "repository")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "base"]):
        subprocess.run(["git", *words], cwd=work / "repository", check=True)
    answers = [
        say("I look around.", "ls"),
        say("There is a package.", "cd texttable && grep -n 'def ' cells.py"),
        say("What does it do?", "cd .. && python3 -c \"from texttable.cells import pad; print(pad('a', 3, 'left'), '|')\""),
        say("Now I know.", f"patch -p1 <<'PATCH'\n{gold.read_text()}PATCH"),
        say("Done.", "submit"),
    ]
    (work / "replay.jsonl").write_text(json.dumps({instance_id: answers}) + "\n")
    (work / "submit.sh").write_text(SUBMIT)
    config = AgentConfig(system_template="You act by commands.\n{command_docs}", instance_template="{issue}\n{observation}",
                         next_step_template="{observation}", command_files=[str(work / "submit.sh")],
                         parse_function="ThoughtActionParser")
    arguments = AgentArguments(model=ModelArguments(model_name="replay", replay_path=str(work / "replay.jsonl")),
                               config=config)
    env = Shell(str(work / "repository"), instance_id)
    info = Agent("primary", arguments).run({"issue": "Mend it."}, env, observation="", traj_dir=work)
    print(info["exit_status"])


main()
