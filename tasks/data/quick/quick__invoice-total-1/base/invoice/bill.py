# SPDX-License-Identifier: MIT
"""Invoices: lines, discounts and tax."""
from dataclasses import dataclass

from .money import Money


@dataclass(frozen=True)
class Line:
    text: str
    count: int
    price: Money
    rate: int

    @property
    def net(self):
        return self.price * self.count


class Invoice:
    def __init__(self):
        self.lines = []

    def add(self, text, count, price, rate=1900):
        if isinstance(price, str):
            price = Money.parse(price)
        self.lines.append(Line(text, count, price, rate))

    @property
    def net(self):
        return sum((line.net for line in self.lines), Money(0))

    def taxes(self):
        """Tax by rate, lowest rate first."""
        out = {}
        for line in sorted(self.lines, key=lambda line: line.rate):
            out[line.rate] = out.get(line.rate, Money(0)) + line.net.percent(line.rate)
        return out

    @property
    def total(self):
        return sum(self.taxes().values(), self.net)

    def render(self):
        rows = [f"{line.count:>4} x {line.text:<20}{str(line.net):>10}" for line in self.lines]
        rows += [f"{'tax ' + format(rate / 100, 'g') + ' %':>26} {str(tax):>10}" for rate, tax in self.taxes().items()]
        rows.append(f"{'total':>26} {str(self.total):>10}")
        return "\n".join(rows)
