# SPDX-License-Identifier: MIT
"""Postings and the balances that follow from them."""
from .money import Money, parse_amount


class Unbalanced(Exception):
    """A transaction whose postings do not add up to nothing."""


class Book:
    def __init__(self, currency="EUR"):
        self.currency = currency
        self.postings = []

    def post(self, text, *lines):
        """Each line is 'account  amount'; the last may leave its amount out."""
        entries, total = [], Money(0, self.currency)
        for line in lines:
            account, _, amount = line.strip().partition("  ")
            money = parse_amount(amount) if amount.strip() else -total
            entries.append((account, money))
            total = total + money
        if total.cents:
            raise Unbalanced(f"{text}: {total} left over")
        self.postings += [(text, account, money) for account, money in entries]

    def balance(self, account):
        total = Money(0, self.currency)
        for _, name, money in self.postings:
            if name == account or name.startswith(account):
                total = total + money
        return total

    def accounts(self):
        return sorted({name for _, name, _ in self.postings})
