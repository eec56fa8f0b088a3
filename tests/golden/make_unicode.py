#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write policy/unicode_table.c: where HF tokenizers knows another Unicode than PCRE2 10.42 and utf8proc 2.8.

    python3 tests/golden/make_unicode.py > policy/unicode_table.c

Needs HF tokenizers (PyPI) and a Python whose unicodedata is of Unicode 14, as PCRE2 10.42 is. HF is asked about every
code point: which category its regular expressions see, and whether its NFC knows the combining class.
"""

import sys
import unicodedata

from tokenizers import Regex, normalizers
from tokenizers.pre_tokenizers import Split

# One old code point of each category; none is in ASCII, so that no letter of a pattern matches it.
OLD = dict(
    Lu=0x391, Ll=0x3B1, Lt=0x1C5, Lm=0x2B0, Lo=0x5D0, Mn=0x300, Mc=0x903, Me=0x488, Nd=0x660, Nl=0x16EE, No=0xB2,
    Pc=0x203F, Pd=0x2010, Ps=0xF3A, Pe=0xF3B, Pi=0xAB, Pf=0xBB, Po=0xA7, Sm=0xAC, Sc=0xA2, Sk=0xA8, So=0xA9, Zs=0xA0,
    Zl=0x2028, Zp=0x2029, Cc=0x80, Cf=0xAD, Co=0xE000, Cn=0xFFFE,
)  # fmt: skip
# What PCRE2 calls \s (PCRE2_UCP): category Z, the horizontal and the vertical spaces.
PCRE2_SPACE_BESIDES_Z = {*range(9, 14), 0x85, 0x180E}
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, CODES))


def members(pattern):
    """The code points that HF's regular expression matches."""
    inside = bytearray(b"\1") * len(CODES)
    for _, (first, end) in Split(Regex(pattern), "removed").pre_tokenize_str(TEXT):
        inside[first:end] = bytes(end - first)
    return {CODES[i] for i in range(len(CODES)) if inside[i]}


def differing_classes():
    """(code point, old code point of the class that HF sees)"""
    category = {c: name for name in OLD for c in members(r"\p{%s}" % name)}
    space = members(r"\s")
    rows = []
    for c in CODES:
        ours = unicodedata.category(chr(c))
        ours_space = ours[0] == "Z" or c in PCRE2_SPACE_BESIDES_Z
        assert ours_space == (c in space) or c == 0x180E, hex(c)
        if category[c] != ours or ours_space != (c in space):
            rows.append((c, OLD[category[c]]))
    return rows


def unknown_to_nfc():
    """Code points that HF's NFC takes for letters without decomposition."""
    nfd, nfc = normalizers.NFD(), normalizers.NFC()
    rows = []
    for c in CODES:
        letter = chr(c)
        probes = [letter]
        # Between two marks of other classes a mark changes places; one without a class stays.
        if unicodedata.combining(letter):
            probes += ["a" + letter + "\u0345", "a\u0345" + letter, "a" + letter + "\u0334", "a\u0334" + letter]
        if unicodedata.decomposition(letter) and not unicodedata.decomposition(letter).startswith("<"):
            probes.append(unicodedata.normalize("NFD", letter))
        if any(nfd.normalize_str(p) != unicodedata.normalize("NFD", p) for p in probes) or any(
            nfc.normalize_str(p) != unicodedata.normalize("NFC", p) for p in probes
        ):
            rows.append((c, 0))
    return rows


def ranges(rows):
    out = []
    for c, value in rows:
        if out and out[-1][1] == c - 1 and out[-1][2] == value:
            out[-1][1] = c
        else:
            out.append([c, c, value])
    return out


def write(name, rows, comment):
    print(f"\n// {comment}\nconst struct assay_unicode_range {name}[] = {{")
    line = "       "
    for first, last, value in rows:
        item = f" {{0x{first:x}, 0x{last:x}, 0x{value:x}}},"
        if len(line + item) > 100:
            print(line)
            line = "       "
        line += item
    print(line + f"\n}};\nconst size_t {name}_count = sizeof({name}) / sizeof({name}[0]);")


def main():
    if unicodedata.unidata_version != "14.0.0":
        sys.exit("this needs a Python with Unicode 14 (3.11)")
    print("// SPDX-License-Identifier: MIT")
    print("// unicode_table.c - written by tests/golden/make_unicode.py; do not edit.")
    print('#include "policy/unicode_table.h"\n\n// clang-format off')
    write("assay_unicode_newer", ranges(differing_classes()), "First, last, an old code point of their class.")
    write("assay_unicode_inert", ranges(unknown_to_nfc()), "First, last: what HF's NFC does not know.")
    print("// clang-format on")


main()
