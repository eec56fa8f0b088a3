# SPDX-License-Identifier: MIT
"""Quantities with units."""
from .quantity import Quantity
from .registry import Registry, UnknownUnit

__all__ = ["Quantity", "Registry", "UnknownUnit"]
