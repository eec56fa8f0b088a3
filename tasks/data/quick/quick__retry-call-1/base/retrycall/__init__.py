# SPDX-License-Identifier: MIT
from .backoff import constant, exponential
from .core import GaveUp, retry

__all__ = ["GaveUp", "constant", "exponential", "retry"]
