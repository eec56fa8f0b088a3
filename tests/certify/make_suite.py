#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make_suite.py DIR: suites of seeded defects and of their healthy twins.

Every instance is the same small module with the same fix; what is wrong is in its tests, its lists or its gold
patch. A test that holds a date or a hash order takes it from today and from this Python, so that it is right
when the suite is written and wrong only under the check that it is made for.
"""
import datetime
import json
import os
import subprocess
import sys

PYTHON = "/usr/bin/python3"
BEFORE = "def answer():\n    return 41\n"
AFTER = "def answer():\n    return 42\n"
FIXED = "import mod\n\n\ndef test_answer():\n    assert mod.answer() == 42\n"
F2P = ["test_mod.py::test_answer"]


def hash_order(seed):
    code = "print(' '.join({'ash', 'oak', 'elm', 'fir', 'yew', 'box', 'bay'}))"
    return subprocess.check_output([PYTHON, "-c", code], env={"PYTHONHASHSEED": str(seed)}, text=True).strip()


def added(path, text):
    lines = text.splitlines()
    return "--- /dev/null\n+++ b/%s\n@@ -0,0 +1,%d @@\n%s\n" % (path, len(lines), "\n".join("+" + l for l in lines))


def changed(path, before, after):
    old, new = before.splitlines(), after.splitlines()
    return "--- a/%s\n+++ b/%s\n@@ -1,%d +1,%d @@\n%s\n" % (
        path, path, len(old), len(new), "\n".join(["-" + l for l in old] + ["+" + l for l in new]))


GOLD = changed("mod.py", BEFORE, AFTER)
TODAY = datetime.date.today()

PORT = """
import socket

listeners = []


def bound():
    listener = socket.socket()
    listener.bind(("127.0.0.1", %s))
    listener.listen()
    return listener


def test_bind():
    bound().close()


def test_serve():
    listeners.append(bound())  # and nobody closes it
"""
ORDER = """
state = []
%s

def test_first():
    state.append(1)


def test_second():
    assert %s
"""
RUNNING = """
import glob


def running():
    count = 0
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            count += open(path).read().rpartition(")")[2].split()[0] == "R"
        except OSError:
            pass
    return count


def test_alone():
    assert running() <= %d
"""

SAME = """
class Anything:
    def __eq__(self, other):
        return %s


def test_same():
    assert Anything() == 3
"""

# name: (defect, its test, the twin's test, ids of PASS_TO_PASS)
TESTS = {
    "date": ("date bomb",
             "import datetime\n\n\ndef test_valid():\n    assert datetime.date.today() < datetime.date(%d, 1, 1)\n"
             % (TODAY.year + 2),
             "import datetime\n\n\ndef test_valid():\n    assert datetime.date.today() < datetime.date.max\n",
             ["test_valid"]),
    "order": ("order dependence", ORDER % ("", "state"), ORDER % ("", "state is not None"),
              ["test_first", "test_second"]),
    "port": ("port clash", PORT % "18472", PORT % "0", ["test_bind", "test_serve"]),
    "network": ("network use",
                "import socket\n\n\ndef test_fetch():\n    socket.create_connection(('192.0.2.1', 80), 5).close()\n",
                "import socket\n\n\ndef test_fetch():\n    a, b = socket.socketpair()\n    a.close()\n    b.close()\n",
                ["test_fetch"]),
    "hash": ("hash seed dependence",
             "def test_trees():\n    trees = {'ash', 'oak', 'elm', 'fir', 'yew', 'box', 'bay'}\n"
             "    assert ' '.join(trees) == %r\n" % hash_order(0),
             "def test_trees():\n    assert ' '.join(sorted({'ash', 'oak', 'elm'})) == 'ash elm oak'\n",
             ["test_trees"]),
    "busy": ("fails on a busy CPU", RUNNING % 1, RUNNING % 1000, ["test_alone"]),
    "deaf": ("deaf test", SAME % "True", SAME % "other == 3", ["test_same"]),
    "junk": ("resolved without a fix",
             "import os\nimport mod\n\n\ndef test_extra():\n    assert mod.answer() == 42 or any(f.endswith('.txt') for f in os.listdir('.'))\n",
             "import mod\n\n\ndef test_extra():\n    assert mod.answer() == 42\n", None),
}


class Suites:
    def __init__(self, root):
        self.root = root
        self.expected = []
        for name in ("defects", "twins", "flaky"):
            os.makedirs(os.path.join(root, name))
            with open(os.path.join(root, name, "suite.json"), "w") as out:
                json.dump({"schema": 1, "name": name, "version": "1", "recipes": {
                    "python": {"base": "host", "setup": [], "env": {}, "workdir": "/testbed"}}}, out)

    def add(self, suite, name, tests, f2p, p2p, gold=GOLD, framework="pytest", members=None):
        folder = os.path.join(self.root, suite, name)
        os.makedirs(os.path.join(folder, "base"))
        files = {
            "base/mod.py": BEFORE,
            "problem.md": "answer() is off by one.\n",
            "gold.patch": gold,
            "test.patch": "".join(added(path, text) for path, text in sorted(tests.items())),
            "instance.json": json.dumps({
                "schema": 1, "instance_id": name, "repo": "seeded/" + name, "base": {"dir": "base"},
                "recipe": "python", "test_cmd": [PYTHON, "-m", framework, "-q"], "framework": framework,
                "FAIL_TO_PASS": f2p, "PASS_TO_PASS": p2p,
                "limits": {"wall_ms": 60000, "cpu_ms": 30000, "memory_bytes": 268435456}, **(members or {})}),
        }
        for path, text in files.items():
            with open(os.path.join(folder, path), "w") as out:
                out.write(text)

    def pair(self, name, defect, bad, good=None):
        """bad, good: arguments of add() behind the name. good None: one twin for several defects."""
        self.add("defects", "seeded__" + name, **bad)
        if good:
            self.add("twins", "twin__" + name, **good)
        self.expected.append("seeded__%s\t%s" % (name, defect))


def main(root):
    suites = Suites(root)
    assert hash_order(0) != hash_order(1)
    healthy, healthy_ids = {"test_mod.py": FIXED}, []
    for name, (defect, bad, good, p2p) in TESTS.items():
        if p2p is None:  # a test that the fix is to make pass
            rows = [dict(tests={"test_other.py": text}, f2p=["test_other.py::test_extra"], p2p=[]) for text in (bad, good)]
            suites.pair(name, defect, *rows)
            continue
        ids = ["test_other.py::" + test for test in p2p]
        suites.pair(name, defect, dict(tests={"test_mod.py": FIXED, "test_other.py": bad}, f2p=F2P, p2p=ids))
        healthy["test_%s.py" % name] = good
        healthy_ids += ["test_%s.py::%s" % (name, test) for test in p2p]
    suites.add("twins", "twin__all", healthy, F2P, healthy_ids)

    tests = {"test_mod.py": FIXED + "\n\ndef test_true():\n    assert True\n"}
    true = "test_mod.py::test_true"
    suites.pair("vacuous", "vacuous FAIL_TO_PASS", dict(tests=tests, f2p=F2P + [true], p2p=[]),
                dict(tests=tests, f2p=F2P, p2p=[true]))
    suites.pair("empty-list", "empty FAIL_TO_PASS", dict(tests=tests, f2p=[], p2p=[true]))
    suites.pair("gold", "gold fails",
                dict(tests=tests, f2p=F2P, p2p=[], gold=changed("mod.py", BEFORE, BEFORE + "\n")))
    cut = {"test_mod.py": "import pytest\nimport mod\n\n\n@pytest.mark.parametrize('a', ['one [part] two'])\n"
                          "def test_answer(a):\n    assert mod.answer() == 42\n"}
    suites.pair("cut", "truncated id", dict(tests=cut, f2p=["test_mod.py::test_answer[one"], p2p=[]),
                dict(tests=cut, f2p=["test_mod.py::test_answer[one [part] two]"], p2p=[]))
    case = {"test_mod.py": "import unittest\nimport mod\n\n\nclass Answer(unittest.TestCase):\n"
                           "    def test_answer(self):\n        self.assertEqual(mod.answer(), 42)\n"}
    suites.pair("impossible", "impossible id",
                dict(tests=case, f2p=["test_answer (test_mod.Answer)"], p2p=[], framework="unittest"),
                dict(tests=case, f2p=["test_mod.Answer.test_answer"], p2p=[], framework="unittest"))
    # Asks for the network, and is lost without: the door's variable is there even where nothing is behind it.
    door = {"test_mod.py": FIXED, "test_other.py": "import os\n\n\ndef test_door():\n    assert 'http_proxy' in os.environ\n"}
    asks = {"network": "allowlist", "hosts": ["files.example:443"]}
    none = {"test_mod.py": FIXED, "test_other.py": "def test_door():\n    assert True\n"}
    suites.pair("asks", "network use", dict(tests=door, f2p=F2P, p2p=["test_other.py::test_door"], members=asks),
                dict(tests=none, f2p=F2P, p2p=["test_other.py::test_door"], members=asks))

    luck = "import os\n\n\ndef test_luck():\n    assert os.urandom(1)[0] >= %d\n"
    for name, odds in (("seeded__flaky", 13), ("twin__flaky", 0)):  # 13 of 256: one run in twenty
        suites.add("flaky", name, tests={"test_mod.py": FIXED, "test_other.py": luck % odds}, f2p=F2P,
                   p2p=["test_other.py::test_luck"])
    with open(os.path.join(root, "expected.txt"), "w") as out:
        out.write("\n".join(suites.expected) + "\n")


main(sys.argv[1])
