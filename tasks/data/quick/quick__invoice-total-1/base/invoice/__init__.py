# SPDX-License-Identifier: MIT
from .bill import Invoice
from .money import Money

__all__ = ["Invoice", "Money"]
