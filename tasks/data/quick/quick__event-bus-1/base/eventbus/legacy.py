# SPDX-License-Identifier: MIT
"""The bus as it was in version 1. Kept for plug-ins that were not moved yet."""


class Bus:
    def __init__(self):
        self._handlers = {}

    def subscribe(self, name, handler):
        self._handlers.setdefault(name, []).append(handler)

    def emit(self, name, payload=None):
        for handler in self._handlers.get(name, []):
            handler(name, payload)


default = Bus()
