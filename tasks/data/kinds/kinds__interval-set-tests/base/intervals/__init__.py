# SPDX-License-Identifier: MIT
from .calendar import free_slots
from .intervalset import IntervalSet

__all__ = ["IntervalSet", "free_slots"]
