# SPDX-License-Identifier: MIT
from .join import resolve
from .parts import Parts, normalize

__all__ = ["Parts", "normalize", "resolve"]
