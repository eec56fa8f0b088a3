# SPDX-License-Identifier: MIT
import pytest

from ledger import Unbalanced
from support import check_balances


def test_balances(book):
    check_balances(book, assets__bank="60.00 EUR", expenses="40.00 EUR")


def test_unbalanced(book):
    with pytest.raises(Unbalanced):
        book.post("odd", "a  1", "b  1")


def test_accounts(book):
    assert book.accounts() == ["assets:bank", "equity", "expenses:rent"]
