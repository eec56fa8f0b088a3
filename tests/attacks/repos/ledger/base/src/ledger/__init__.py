# SPDX-License-Identifier: MIT
"""Double-entry accounts in plain text."""
from .book import Book, Unbalanced
from .money import Money, parse_amount

__all__ = ["Book", "Money", "Unbalanced", "parse_amount"]
