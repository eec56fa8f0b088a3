# SPDX-License-Identifier: MIT
import pytest

from ledger import Money, parse_amount


@pytest.mark.parametrize("text, cents", [("12.50", 1250), ("3", 300), (".5", 50), ("-2", -200)])
def test_parse(text, cents):
    assert parse_amount(text) == Money(cents)


def test_currency():
    assert parse_amount("7 USD") == Money(700, "USD")


@pytest.mark.parametrize("text", ["", "x", "1.234", "--1"])
def test_not_an_amount(text):
    with pytest.raises(ValueError):
        parse_amount(text)


def test_str():
    assert str(Money(-5)) == "-0.05 EUR"
