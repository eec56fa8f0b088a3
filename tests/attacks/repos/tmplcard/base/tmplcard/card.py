# SPDX-License-Identifier: MIT
"""A card: a title and some lines in a frame."""
WIDTH = 24


def _row(text):
    return "|" + text.ljust(WIDTH) + "|"


def render(title, lines):
    """The card as text; each row ends with a newline."""
    rows = [_row(title)]
    for line in lines:
        rows.append(_row(line))
    edge = "+" + "-" * WIDTH + "+"
    return "\n".join([edge, *rows, edge]) + "\n"
