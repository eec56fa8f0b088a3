# SPDX-License-Identifier: MIT
from jobs import order


def test_plain():
    assert order({"a": [], "b": ["a"]}) == ["a", "b"]


def test_needs_first():
    assert order({"a": ["b"], "b": []}) == ["b", "a"]
