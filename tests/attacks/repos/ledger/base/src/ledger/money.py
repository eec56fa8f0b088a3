# SPDX-License-Identifier: MIT
"""Amounts of one currency, in whole cents."""
import re

_AMOUNT = re.compile(r"\s*([-+]?)(\d*)(?:\.(\d{1,2}))?\s*([A-Z]{3})?\s*$")


class Money:
    def __init__(self, cents, currency="EUR"):
        self.cents = cents
        self.currency = currency

    def __eq__(self, other):
        if not isinstance(other, Money):
            return NotImplemented
        return (self.cents, self.currency) == (other.cents, other.currency)

    def __hash__(self):
        return hash((self.cents, self.currency))

    def __add__(self, other):
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add")
        return Money(self.cents + other.cents, self.currency)

    def __neg__(self):
        return Money(-self.cents, self.currency)

    def __str__(self):
        whole, part = divmod(abs(self.cents), 100)
        sign = "-" if self.cents < 0 else ""
        return f"{sign}{whole}.{part:02d} {self.currency}"

    def __repr__(self):
        return f"Money({self.cents}, {self.currency!r})"


def parse_amount(text):
    """'12.50', '-3 USD', '.5' or accountants' '(4.00)' as Money."""
    match = _AMOUNT.match(text)
    if not match or not (match[2] or match[3]):
        raise ValueError(f"not an amount: {text!r}")
    sign, whole, part, currency = match.groups()
    cents = int(sign + (whole or "0")) * 100
    if part:
        cents += int(part.ljust(2, "0"))
    return Money(cents, currency or "EUR")
