# SPDX-License-Identifier: MIT
"""A number and its unit."""


class Quantity:
    def __init__(self, registry, value, unit):
        self.registry, self.value, self.unit = registry, value, unit

    def to(self, unit):
        kind, factor, shift = self.registry.lookup(self.unit)
        other, other_factor, other_shift = self.registry.lookup(unit)
        if kind != other:
            raise ValueError(f"{self.unit} is no {unit}")
        value = (self.value * factor + shift - other_shift) / other_factor
        return Quantity(self.registry, value, unit)

    def __eq__(self, other):
        return round(self.value, 9) == round(other.to(self.unit).value, 9)

    def __lt__(self, other):
        return self.value < other.value

    def __repr__(self):
        return f"{self.value:g} {self.unit}"
