# SPDX-License-Identifier: MIT
"""Build SQL text from Python values."""
from .build import Query, quote

__all__ = ["Query", "quote"]
