# SPDX-License-Identifier: MIT
from dataclasses import dataclass


@dataclass
class Stats:
    hits: int = 0
    misses: int = 0
    evictions: int = 0
    expired: int = 0

    @property
    def rate(self):
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
