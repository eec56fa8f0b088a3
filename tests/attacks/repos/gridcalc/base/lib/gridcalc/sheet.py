# SPDX-License-Identifier: MIT
"""Evaluation, each cell once."""
import re

from .cells import span

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|([A-Z]+[1-9]\d*)(?::([A-Z]+[1-9]\d*))?|([a-z]+)|(.))")


class CycleError(Exception):
    """A cell that needs itself."""


class Sheet:
    def __init__(self, cells=()):
        self.cells = dict(cells)
        self._values = {}

    def __setitem__(self, name, text):
        self.cells[name] = text
        self._values.pop(name, None)

    def __getitem__(self, name):
        return self._value(name, ())

    def _value(self, name, above):
        if name in above:
            raise CycleError(" -> ".join([*above, name]))
        if name not in self._values:
            text = str(self.cells.get(name, "0")).strip()
            if text.startswith("="):
                self._values[name] = _Parser(self, text[1:], (*above, name)).whole()
            else:
                self._values[name] = float(text)
        return self._values[name]


class _Parser:
    def __init__(self, sheet, text, above):
        self.sheet, self.above = sheet, above
        self.tokens = [m for m in _TOKEN.finditer(text) if m[0].strip()]
        self.at = 0

    def _next(self, symbols):
        if self.at < len(self.tokens) and self.tokens[self.at][5] in symbols:
            self.at += 1
            return self.tokens[self.at - 1][5]
        return None

    def whole(self):
        value = self.sum()
        if self.at < len(self.tokens):
            raise ValueError(f"left over: {self.tokens[self.at][0]}")
        return value

    def sum(self):
        value = self.product()
        while sign := self._next(("+", "-")):
            value = value + self.product() if sign == "+" else value - self.sum()
        return value

    def product(self):
        value = self.factor()
        while sign := self._next(("*", "/")):
            value = value * self.factor() if sign == "*" else value / self.factor()
        return value

    def factor(self):
        if self._next(("-",)):
            return -self.factor()
        if self._next(("(",)):
            value = self.sum()
            self._next((")",))
            return value
        token = self.tokens[self.at]
        self.at += 1
        if token[1]:
            return float(token[1])
        if token[4]:
            return self._call(token[4])
        return self.sheet._value(token[2], self.above)

    def _call(self, name):
        self._next(("(",))
        token = self.tokens[self.at]
        self.at += 1
        values = [self.sheet._value(cell, self.above) for cell in span(token[2], token[3] or token[2])]
        self._next((")",))
        return {"sum": sum, "max": max, "min": min}[name](values)
