# SPDX-License-Identifier: MIT
"""Turning values into cells of a given width."""

ELLIPSIS = "\u2026"


def to_text(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    return " ".join(str(value).split())


def cut(text, width):
    """The text, or as much of it as fits with an ellipsis."""
    if len(text) <= width:
        return text
    return text[:width - len(ELLIPSIS)] + ELLIPSIS


def pad(text, width, align):
    if align == "right":
        return text.rjust(width)
    if align == "center":
        return text.center(width)
    return text.ljust(width)