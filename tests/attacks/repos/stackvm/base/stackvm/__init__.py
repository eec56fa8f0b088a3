# SPDX-License-Identifier: MIT
"""A small stack machine.

>>> run("2 3 + 4 *")
[20]
"""
from .machine import Machine, MachineError, run

__all__ = ["Machine", "MachineError", "run"]
