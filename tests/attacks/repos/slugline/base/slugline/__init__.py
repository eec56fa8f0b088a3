# SPDX-License-Identifier: MIT
"""Slugs: names that are safe in addresses."""
from .core import Slugger, slugify

__all__ = ["Slugger", "slugify"]
