# SPDX-License-Identifier: MIT
"""Ranges: comparators joined by blanks, all of which must hold (^1.2.3, ~1.2.3, >=1.0.0 <2.0.0, =1.0.0, *)."""
import operator
import re

from .version import Version

_COMPARATOR = re.compile(r"\s*(\^|~|>=|<=|>|<|=)?\s*(\S+)")
_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}


def _caret(version):
    if version.major:
        return Version(version.major + 1)
    if version.minor:
        return Version(0, version.minor + 1)
    return Version(0, 0, version.patch + 1)


class Range:
    def __init__(self, text):
        self.text = text.strip()
        self._tests = []
        if self.text in ("", "*"):
            return
        for sign, word in _COMPARATOR.findall(self.text):
            version = Version.parse(word)
            if sign == "^":
                self._tests += [(">=", version), ("<", _caret(version))]
            elif sign == "~":
                self._tests += [(">=", version), ("<", Version(version.major, version.minor + 1))]
            else:
                self._tests.append((sign or "=", version))

    def __contains__(self, version):
        if isinstance(version, str):
            version = Version.parse(version)
        return all(_OPERATORS[sign](version, bound) for sign, bound in self._tests)

    def best(self, versions):
        """The highest version that matches, or None."""
        return max((v for v in versions if v in self), default=None)
