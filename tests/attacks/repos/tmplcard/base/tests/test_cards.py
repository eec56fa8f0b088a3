# SPDX-License-Identifier: MIT
import pathlib

from tmplcard import render

GOLDEN = pathlib.Path(__file__).parent / "golden"


def same(name, text):
    assert text == (GOLDEN / f"{name}.txt").read_text()


def test_plain():
    same("plain", render("Shopping", ["milk", "bread and butter"]))
