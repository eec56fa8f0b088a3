# SPDX-License-Identifier: MIT
import pytest

from gridcalc.cells import span, to_index, to_name


@pytest.mark.parametrize("name, index", [("A1", (0, 0)), ("C7", (2, 6))])
def test_index(name, index):
    assert to_index(name) == index
    assert to_name(*index) == name


def test_not_a_cell():
    with pytest.raises(ValueError):
        to_index("A0")
