# SPDX-License-Identifier: MIT
"""Tables in the manner of Markdown."""
from . import cells


def _aligns(rows, count):
    """Columns that hold only numbers go to the right."""
    out = []
    for i in range(count):
        column = [row[i] for row in rows if row[i] is not None]
        numeric = column and all(isinstance(v, (int, float)) for v in column)
        out.append("right" if numeric else "left")
    return out


def render(head, rows, max_width=None, aligns=None):
    """The table as a string without a final line end."""
    if max_width is not None and max_width < 2:
        raise ValueError("max_width must be at least 2")
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"expected {len(head)} cells, got {len(row)}")
    aligns = aligns or _aligns(rows, len(head))
    table = [[cells.to_text(v) for v in row] for row in [head, *rows]]
    if max_width is not None:
        table = [[cells.cut(text, max_width) for text in row] for row in table]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = []
    for row in table:
        padded = [cells.pad(t, w, a) for t, w, a in zip(row, widths, aligns)]
        lines.append("| " + " | ".join(padded) + " |")
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
