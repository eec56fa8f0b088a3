# SPDX-License-Identifier: MIT
"""A spreadsheet of text cells: '3', '=A1+2*B1', '=sum(A1:A3)'."""
from .sheet import CycleError, Sheet

__all__ = ["CycleError", "Sheet"]
