#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""difflib_oracle.py CASES ANSWERS: what Python's own difflib says, for difflib_test.c.

CASES holds pairs of texts, each text as a length (4 bytes, little-endian) and UTF-8. ANSWERS gets
for each pair the ratio (8 bytes) and their unified diff (a length and bytes), as SWE-RL makes it.
"""
import difflib
import struct
import sys


def texts(data):
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4:at + 4 + size].decode("utf-8", "surrogateescape")
        at += 4 + size


def unified(old, new):
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), "old", "new", lineterm="")
    return "\n".join(list(diff)[2:])


def main():
    with open(sys.argv[1], "rb") as cases, open(sys.argv[2], "wb") as answers:
        stream = texts(cases.read())
        for old, new in zip(stream, stream):
            ratio = difflib.SequenceMatcher(None, old, new, autojunk=False).ratio()
            diff = unified(old, new).encode("utf-8", "surrogateescape")
            answers.write(struct.pack("<dI", ratio, len(diff)) + diff)


main()
