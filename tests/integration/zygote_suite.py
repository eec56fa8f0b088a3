#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""zygote_suite.py DIR: write a suite of pytest tasks by which a run could tell a zygote from a start.

Each has a tree that comes before what the zygote has loaded, code that runs at start or at exit, or
tests that leave something behind for whoever comes next. Gold makes `state.py` say yes.
"""
import json
import os
import sys

PATCH = "--- a/state.py\n+++ b/state.py\n@@ -1 +1 @@\n-STATE = 'no'\n+STATE = 'yes'\n"
TEST = """import state


def test_state():
    assert state.STATE == "yes"
"""
PYTEST = ["/usr/bin/python3", "-m", "pytest", "-q"]
UNITTEST = ["/usr/bin/python3", "-m", "unittest", "-v", "test_it"]

# name: (files of the tree, more of the tests, what else)
TASKS = {
    "plain": ({}, "", {}),
    "shadow-package": ({"iniconfig/__init__.py": "raise RuntimeError('the tree')\n"}, "", {}),
    "shadow-module": ({"attr.py": "raise RuntimeError('the tree')\n"}, "", {}),
    "shadow-stdlib": ({"json.py": "TREE = 1\n"}, "import json\nassert hasattr(json, 'TREE')\n", {}),
    "shadow-late": ({"pdb.py": "TREE = 1\n"}, "import sys\nassert sys.modules.get('pdb')\n", {}),
    "shadow-path": (
        {"src/pluggy.py": "raise RuntimeError('the tree')\n"}, "", {"recipe": "path"}),
    "path": (
        {"src/mine.py": "HERE = 1\n"}, "import mine\nassert mine.HERE\n", {"recipe": "path"}),
    "sitecustomize": (
        {"src/sitecustomize.py": "import sys\nsys.customized = 1\n"},
        "import sys\nassert sys.customized\n",
        {"recipe": "path"},
    ),
    "no-sitecustomize": (
        {"sitecustomize.py": "import sys\nsys.customized = 1\n"},
        "import sys\nassert not hasattr(sys, 'customized')\n",
        {},
    ),
    "namespace": ({"xml/more.py": "", "email/x/__init__.py": ""}, "import xml.dom\n", {}),
    "data-of-that-name": ({"json/data.txt": "x\n", "pytest.txt": "x\n"}, "import json\n", {}),
    "conftest": (
        {"conftest.py": "def pytest_collection_modifyitems(items):\n    items.reverse()\n"}, "", {}),
    "plugin-option": (
        {"extra.py": "import sys\nsys.extra = 1\n"},
        "import sys\nassert sys.extra\n",
        {"test_cmd": PYTEST + ["-p", "extra"]},
    ),
    "no-plugin": ({}, "", {"test_cmd": PYTEST + ["-p", "no:cacheprovider", "-p", "no:junitxml"]}),
    "interpreter-option": ({}, "", {"test_cmd": ["/usr/bin/python3", "-W", "error"] + PYTEST[1:]}),
    "warnings": ({}, "import warnings\nwarnings.warn('w')\n", {"test_cmd": PYTEST + ["-Werror"]}),
    "stdin": ({}, "import os\nassert os.read(0, 1) == b''\n", {}),
    "command-line": (
        {}, "import sys\nassert sys.orig_argv[1:3] != ['--assay-zygote']\n"
        "assert sys.argv[1:] == ['-q'] and sys.flags.hash_randomization == 0\n", {}),
    "modules": (
        {},
        "import sys\nassert not [n for n in sys.modules if 'zygote' in n or n == 'ctypes']\n",
        {},
    ),
    # What inspect has worked out about files beforehand names no file but such as a start has seen.
    "inspected": (
        {},
        "import inspect, sys\nassert inspect.getmodule(sys._getframe()) is sys.modules[__name__]\n"
        "assert inspect.getmodule(inspect.getmodule) is inspect\n"
        "assert set(inspect.modulesbyfile.values()) <= set(sys.modules)\n"
        "assert not [p for p in inspect.modulesbyfile if 'zygote' in p]\n",
        {},
    ),
    "exit-handlers": (
        {},
        "import atexit, os, sys\nclass Late:\n    def __del__(self, write=os.write):\n"
        "        write(1, b'deleted late\\n')\nKEPT = Late()\n"
        "CYCLE = Late(); CYCLE.me = CYCLE\n"
        "atexit.register(lambda: os.write(1, b'at exit %d\\n' % ('json' in sys.modules)))\n",
        {},
    ),
    "z-exit-at-del": (
        {}, "import os\nclass Late:\n    def __del__(self, leave=os._exit):\n        leave(0)\n"
        "KEPT = Late()\n", {}),
    "z-exits-early": ({}, "import os\nos._exit(0)\n", {}),
    "threads": (
        {},
        "import threading, time\nassert threading.current_thread() is threading.main_thread()\n"
        "assert threading.main_thread().native_id == threading.get_native_id()\n"
        "threading.Thread(target=time.sleep, args=(0.05,)).start()\n",
        {},
    ),
    "processes": (
        {},
        "import multiprocessing, subprocess, sys, os\n"
        "assert subprocess.run([sys.executable, '-c', 'pass']).returncode == 0\n"
        "with multiprocessing.Pool(1) as pool:\n    assert pool.map(abs, [-1]) == [1]\n"
        "assert os.getppid() == 1\n",
        {},
    ),
    "signals": (
        {},
        "import signal\nassert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL\n",
        {},
    ),
    "gc": ({}, "import gc\nassert gc.isenabled() and gc.get_threshold()[0] > 0\ngc.collect()\n", {}),
    "random": (
        {}, "import random, os\nopen('/tmp/seen', 'x').close()\nrandom.seed(1)\n"
        "assert os.environ['PYTHONHASHSEED'] == '0'\n", {}),
    # What a zygote has worked out beforehand is what this run would find; else it is not used.
    "late-path": (
        {"conftest.py": "import os, sys\n"
         "sys.path.insert(0, os.path.join(os.path.dirname(__file__), 'late'))\n",
         "late/code.py": "TREE = 1\nclass InteractiveConsole:\n    pass\n"},
        "import code\nassert hasattr(code, 'TREE')\n", {}),
    "late-plugin-off": (
        {"pytest.ini": "[pytest]\naddopts = -p no:debugging\n",
         "conftest.py": "import sys\n\ndef pytest_sessionstart():\n    sys.at_start = set(sys.modules)\n"},
        "import sys\nassert 'pdb' not in sys.at_start\n", {}),
    "new-fixture": (
        {"conftest.py": "import builtins, pytest, _pytest.tmpdir\n\n@pytest.fixture(autouse=True)\n"
         "def mine():\n    builtins.mine = 1\n\n_pytest.tmpdir.mine = mine\ndel mine\n"},
        "import builtins\nassert builtins.mine == 1\n", {}),
    "new-option": (
        {"conftest.py": "def pytest_addoption(parser):\n    parser.addoption('--mine', default='yes')\n\n"
         "def pytest_configure(config):\n    assert config.getoption('--mine') == 'yes'\n"
         "    assert config.invocation_params.args == ('-q',)\n"
         "    assert str(config.invocation_params.dir) == '/testbed'\n"}, "", {}),
    "new-entry-point": (
        {"mine.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: mine\nVersion: 1\n",
         "mine.egg-info/entry_points.txt": "[pytest11]\nmine = mineplugin\n",
         "mineplugin.py": "import builtins\nbuiltins.mine = 1\n"},
        "import builtins\nassert builtins.mine == 1\n", {}),
    "pytest-in-pytest": (
        {}, "import os, pytest\nos.mkdir('/tmp/inner')\n"
        "with open('/tmp/inner/test_inner.py', 'w') as stream:\n"
        "    stream.write('def test_a():\\n    assert 1 == 2\\n')\n"
        "assert pytest.main(['-q', '/tmp/inner', '-p', 'no:cacheprovider']) == 1\n"
        "assert pytest.main(['-q', '/tmp/inner', '-k', 'b']) == 5\n", {}),
    "unittest": (
        {}, "", {"framework": "unittest", "test_cmd": UNITTEST}),
    "unittest-name": (
        {}, "", {"framework": "unittest", "test_cmd": UNITTEST[:3] + ["test_it.Case"]}),
    "unittest-file": (
        {}, "", {"framework": "unittest", "test_cmd": UNITTEST[:3] + ["test_it.py"]}),
    "unittest-shadow": (
        {"signal.py": "raise RuntimeError('the tree')\n"},
        "",
        {"framework": "unittest", "test_cmd": UNITTEST},
    ),
    # First in the order of names: what one leaves must not be there for the next.
    "a-leaves-1": (
        {},
        "import builtins, os, sys, pytest\n"
        "assert not hasattr(builtins, 'leak') and 'leak' not in sys.modules\n"
        "assert 'LEAK' not in os.environ and not os.path.exists('/tmp/leak')\n"
        "assert not hasattr(pytest, 'leak')\n"
        "builtins.leak = 1; sys.modules['leak'] = os; os.environ['LEAK'] = '1'\n"
        "open('/tmp/leak', 'w').close(); pytest.leak = 1\n",
        {},
    ),
}
TASKS["a-leaves-2"] = TASKS["a-leaves-3"] = TASKS["a-leaves-1"]


def put(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as stream:
        stream.write(text)


def new_file(name, text):
    lines = text.splitlines()
    return "--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n%s" % (
        name, len(lines), "".join("+%s\n" % line for line in lines))


def write_task(root, name, files, more, rest):
    folder = os.path.join(root, "zygote__" + name)
    test = TEST
    framework = rest.get("framework", "pytest")
    if framework == "unittest":
        test = ("import unittest\nimport state\n\n\nclass Case(unittest.TestCase):\n"
                "    def test_state(self):\n        self.assertEqual(state.STATE, 'yes')\n")
        test_id = "test_it.Case.test_state"
    else:
        test_id = "test_it.py::test_state"
    if more:
        test += "\n\ndef test_more():\n" + "".join("    %s\n" % line for line in more.splitlines())
    put(folder, "base/state.py", "STATE = 'no'\n")
    for path, text in files.items():
        put(folder, "base/" + path, text)
    put(folder, "gold.patch", PATCH)
    put(folder, "test.patch", new_file("test_it.py", test))
    put(folder, "problem.md", "problem\n")
    put(folder, "instance.json", json.dumps({
        "schema": 1, "instance_id": "zygote__" + name, "repo": "a/b", "base": {"dir": "base"},
        "recipe": rest.get("recipe", "plain"), "framework": framework,
        "test_cmd": rest.get("test_cmd", PYTEST),
        "FAIL_TO_PASS": [test_id],
        "PASS_TO_PASS": ["test_it.py::test_more"] if more else [],
        "limits": {"wall_ms": 20000, "cpu_ms": 20000, "memory_bytes": 536870912},
    }))


def main():
    root = sys.argv[1]
    plain = {"base": "host", "setup": [], "env": {}, "workdir": "/testbed"}
    put(root, "suite.json", json.dumps({
        "schema": 1, "name": "zygote", "version": "1",
        "recipes": {"plain": plain, "path": dict(plain, env={"PYTHONPATH": "/testbed/src"})}}))
    for name, (files, more, rest) in TASKS.items():
        write_task(root, name, files, more, rest)


main()
