# SPDX-License-Identifier: MIT
import pytest

from urlresolve import normalize, resolve

BASE = "http://h/a/b/c?x=1"


@pytest.mark.parametrize("link, wanted", [
    ("d", "http://h/a/b/d"),
    ("./d", "http://h/a/b/d"),
    ("../d", "http://h/a/d"),
    ("..", "http://h/a/"),
    ("/d/./e", "http://h/d/e"),
    ("//other/d", "http://other/d"),
    ("d?y=2#z", "http://h/a/b/d?y=2#z"),
])
def test_resolve(link, wanted):
    assert resolve(BASE, link) == wanted


def test_default_port_and_case():
    assert normalize("HTTP://User@Host.Example:80") == "http://User@host.example/"


def test_escapes_are_kept():
    assert normalize("http://h/a%2fb c") == "http://h/a%2Fb%20c"
