# SPDX-License-Identifier: MIT
"""What several test files share."""


def check_balances(book, **wanted):
    for account, text in wanted.items():
        account = account.replace("__", ":")
        assert str(book.balance(account)) == text, account
