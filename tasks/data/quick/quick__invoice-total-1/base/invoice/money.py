# SPDX-License-Identifier: MIT
"""Amounts in whole cents."""
import functools
import re

_FORM = re.compile(r"(-?)(\d+)(?:\.(\d{2}))?")


@functools.total_ordering
class Money:
    __slots__ = ("cents",)

    def __init__(self, cents):
        if not isinstance(cents, int):
            raise TypeError("cents must be an integer")
        self.cents = cents

    @classmethod
    def parse(cls, text):
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"not an amount: {text!r}")
        sign, whole, part = match.groups()
        cents = int(whole) * 100 + int(part or 0)
        return cls(-cents if sign else cents)

    def __add__(self, other):
        return Money(self.cents + other.cents)

    def __sub__(self, other):
        return Money(self.cents - other.cents)

    def __mul__(self, count):
        return Money(self.cents * count)

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    def __lt__(self, other):
        return self.cents < other.cents

    def __hash__(self):
        return hash(("Money", self.cents))

    def __str__(self):
        sign = "-" if self.cents < 0 else ""
        return f"{sign}{abs(self.cents) // 100}.{abs(self.cents) % 100:02d}"

    def __repr__(self):
        return f"Money({self})"

    def percent(self, rate):
        """`rate` is in hundredths of a percent: 1900 is 19 %."""
        return Money(round(self.cents * rate / 10_000))

    def split(self, weights):
        """Parts in proportion to the weights."""
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError("weights must not be negative, and one must be above 0")
        return [Money(self.cents * weight // whole) for weight in weights]
