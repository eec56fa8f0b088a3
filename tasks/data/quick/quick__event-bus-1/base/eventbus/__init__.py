# SPDX-License-Identifier: MIT
from .bus import Bus

default = Bus()
subscribe = default.subscribe
emit = default.emit

__all__ = ["Bus", "default", "emit", "subscribe"]
