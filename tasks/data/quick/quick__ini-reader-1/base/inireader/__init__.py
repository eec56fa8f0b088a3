# SPDX-License-Identifier: MIT
from .document import Document, IniError
from .reader import parse

__all__ = ["Document", "IniError", "parse"]
