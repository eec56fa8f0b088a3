# SPDX-License-Identifier: MIT
"""Names of cells: 'B3' is column 1, row 2."""
import re

_NAME = re.compile(r"([A-Z]+)([1-9][0-9]*)$")


def to_index(name):
    match = _NAME.match(name)
    if not match:
        raise ValueError(f"not a cell: {name!r}")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 65
    return column, int(match[2]) - 1


def to_name(column, row):
    letters = ""
    while True:
        letters = chr(65 + column % 26) + letters
        column = column // 26
        if not column:
            return f"{letters}{row + 1}"


def span(first, last):
    """Every cell between two corners, row by row."""
    (c1, r1), (c2, r2) = to_index(first), to_index(last)
    return [to_name(c, r) for r in range(r1, r2) for c in range(c1, c2 + 1)]
