# SPDX-License-Identifier: MIT
from .render import render

__all__ = ["render"]
