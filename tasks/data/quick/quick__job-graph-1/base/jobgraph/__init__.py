# SPDX-License-Identifier: MIT
from .graph import Graph
from .states import State, StateError

__all__ = ["Graph", "State", "StateError"]
