# SPDX-License-Identifier: MIT
import pytest

from texttable import render


def test_plain():
    assert render(["name", "n"], [["a", 1], ["bcdef", 22]]).splitlines() == [
        "| name  |  n |",
        "|-------|----|",
        "| a     |  1 |",
        "| bcdef | 22 |",
    ]


def test_none_and_float():
    assert render(["x"], [[None], [1.005]]).splitlines()[2:] == ["|      |", "| 1.00 |"]


def test_max_width():
    assert render(["x"], [["abcdef"]], max_width=4).splitlines()[2] == "| abc\u2026 |"


def test_center():
    assert render(["head", "b"], [["x", 1]], aligns=["center", "left"]).splitlines()[2] == "|  x   | 1 |"


def test_row_length():
    with pytest.raises(ValueError):
        render(["a", "b"], [["x"]])
