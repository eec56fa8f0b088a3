# SPDX-License-Identifier: MIT
import subprocess
import sys


def calc(*words):
    return subprocess.run([sys.executable, "-m", "gridcalc", *words], capture_output=True, text=True, check=True).stdout


def test_one_cell():
    assert calc("A1:=2", "B1:==A1*3", "B1") == "6\n"
