# SPDX-License-Identifier: MIT
"""Line by line reading of the text."""
from .document import Document, IniError

COMMENT = ";#"


def strip_comment(text):
    """Drop a comment that begins the text or follows a blank."""
    for i, char in enumerate(text):
        if char in COMMENT and (i == 0 or text[i - 1] in " \t"):
            return text[:i]
        if char == ";" and text.startswith('"'):
            return text[:i]
    return text


def unquote(value, line):
    if not value.startswith('"'):
        return value
    if len(value) < 2 or not value.endswith('"'):
        return value
    out = []
    chars = iter(value[1:-1])
    for char in chars:
        if char == "\\":
            char = next(chars, None)
            if char is None:
                raise IniError("backslash at the end of a value", line)
        out.append(char)
    return "".join(out)


def parse(text):
    document = Document()
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if not stripped or stripped[0] in COMMENT:
            continue
        if stripped.startswith("["):
            head = strip_comment(stripped).strip()
            if not head.endswith("]") or len(head) < 3:
                raise IniError("malformed section header", number)
            section = head[1:-1].strip()
            document.add_section(section)
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not key.strip():
            raise IniError("expected key = value", number)
        value = strip_comment(value.strip()).strip()
        document.set(section, key.strip(), unquote(value, number))
    return document
