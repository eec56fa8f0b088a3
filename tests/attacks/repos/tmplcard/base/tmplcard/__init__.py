# SPDX-License-Identifier: MIT
"""Cards as text."""
from .card import render

__all__ = ["render"]
