# SPDX-License-Identifier: MIT
import pytest

from ledger import Book


@pytest.fixture
def book():
    book = Book()
    book.post("start", "assets:bank  100.00", "equity")
    book.post("rent", "expenses:rent  40", "assets:bank")
    return book
