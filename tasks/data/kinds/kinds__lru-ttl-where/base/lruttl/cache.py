# SPDX-License-Identifier: MIT
"""A bounded mapping that forgets what was used longest ago, and what is too old."""
import time
from collections import OrderedDict

from .stats import Stats

_MISSING = object()


class Cache:
    def __init__(self, maxsize, ttl=None, clock=time.monotonic):
        if maxsize < 1:
            raise ValueError("maxsize must be at least 1")
        self.maxsize = maxsize
        self.ttl = ttl
        self.stats = Stats()
        self._clock = clock
        self._entries = OrderedDict()  # key -> (value, deadline or None), oldest use first

    def __len__(self):
        return len(self._entries)

    def __contains__(self, key):
        entry = self._entries.get(key)
        return entry is not None and not self._dead(entry)

    def keys(self):
        """Live keys, least recently used first."""
        return [key for key, entry in self._entries.items() if not self._dead(entry)]

    def get(self, key, default=None):
        entry = self._entries.get(key, _MISSING)
        if entry is _MISSING:
            self.stats.misses += 1
            return default
        if self._dead(entry):
            del self._entries[key]
            self.stats.expired += 1
            self.stats.misses += 1
            return default
        self._entries.move_to_end(key)
        self.stats.hits += 1
        return entry[0]

    def put(self, key, value, ttl=None):
        ttl = self.ttl if ttl is None else ttl
        deadline = None if ttl is None else self._clock() + ttl
        while len(self._entries) >= self.maxsize:
            self._entries.popitem(last=False)
            self.stats.evictions += 1
        self._entries[key] = (value, deadline)
        self._entries.move_to_end(key)

    def pop(self, key, default=None):
        entry = self._entries.pop(key, None)
        if entry is None or self._dead(entry):
            return default
        return entry[0]

    def purge(self):
        """Drop every dead entry; return how many there were."""
        dead = [key for key, entry in self._entries.items() if self._dead(entry)]
        for key in dead:
            del self._entries[key]
        self.stats.expired += len(dead)
        return len(dead)

    def _dead(self, entry):
        return entry[1] is not None and self._clock() >= entry[1]
