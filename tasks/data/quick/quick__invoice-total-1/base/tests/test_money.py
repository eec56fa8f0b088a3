# SPDX-License-Identifier: MIT
import pytest

from invoice import Money


@pytest.mark.parametrize("text", ["0.00", "12.34", "-0.05", "-100.00"])
def test_round_trip(text):
    assert str(Money.parse(text)) == text


def test_bad_amount():
    with pytest.raises(ValueError):
        Money.parse("1.5")


def test_even_split():
    assert Money(100).split([1, 1]) == [Money(50), Money(50)]
    assert Money(100).split([3, 1]) == [Money(75), Money(25)]


def test_bad_weights():
    with pytest.raises(ValueError):
        Money(100).split([0, 0])
