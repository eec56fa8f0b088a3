# SPDX-License-Identifier: MIT
from .machine import CsvError, Reader


def read(text, **options):
    """All records of a text."""
    reader = Reader(**options)
    return reader.feed(text) + reader.close()


__all__ = ["CsvError", "Reader", "read"]
