#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""similarity.py FILE: Python's side of the bench. FILE holds pairs of patches, each text a length
(4 bytes, little-endian) and UTF-8. Reads the number of a pair a line; answers with the microseconds
that SequenceMatcher(None, a, b, autojunk=False).ratio() took and with the ratio in hexadecimal."""
import difflib
import struct
import sys
import time


def main():
    with open(sys.argv[1], "rb") as stream:
        data = stream.read()
    texts, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        texts.append(data[at + 4:at + 4 + size].decode("utf-8", "surrogateescape"))
        at += 4 + size
    for line in sys.stdin:
        pair = int(line)
        start = time.perf_counter()
        ratio = difflib.SequenceMatcher(None, texts[2 * pair], texts[2 * pair + 1], autojunk=False).ratio()
        print("%.3f %s" % ((time.perf_counter() - start) * 1e6, ratio.hex()), flush=True)


main()
