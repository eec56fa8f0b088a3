# SPDX-License-Identifier: MIT
from .range import Range
from .version import Version

__all__ = ["Range", "Version"]
