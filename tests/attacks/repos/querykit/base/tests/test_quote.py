# SPDX-License-Identifier: MIT
import pytest

from querykit import quote


@pytest.mark.parametrize("value, text", [(None, "NULL"), (True, "TRUE"), (1.5, "1.5"), ("a", "'a'"), ((1, "b"), "(1, 'b')")])
def test_quote(value, text):
    assert quote(value) == text
