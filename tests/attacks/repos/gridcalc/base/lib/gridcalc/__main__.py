# SPDX-License-Identifier: MIT
import sys

from . import Sheet


def main(words):
    *cells, wanted = words
    print(f"{Sheet(cell.split(':=', 1) for cell in cells)[wanted]:g}")


main(sys.argv[1:])
