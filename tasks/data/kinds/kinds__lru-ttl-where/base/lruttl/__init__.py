# SPDX-License-Identifier: MIT
from .cache import Cache
from .stats import Stats

__all__ = ["Cache", "Stats"]
