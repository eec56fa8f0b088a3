# SPDX-License-Identifier: MIT
"""Publish and subscribe inside one process."""
import bisect
import fnmatch


class Subscription:
    """What subscribe() returns; cancel() ends it, and so does leaving a with block."""

    def __init__(self, bus, pattern, handler, priority, order):
        self.pattern = pattern
        self.handler = handler
        self.key = (-priority, order)
        self._bus = bus

    def __lt__(self, other):
        return self.key < other.key

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.cancel()

    def cancel(self):
        if self._bus is not None:
            self._bus._subscriptions.remove(self)
            self._bus = None

    def wants(self, name):
        return fnmatch.fnmatchcase(name, self.pattern)


class Bus:
    def __init__(self):
        self._subscriptions = []  # highest priority first, then oldest
        self._count = 0

    def subscribe(self, pattern, handler, priority=0):
        """Call handler(name, payload) for the events whose name fits the pattern, such as `disk.*`."""
        self._count += 1
        subscription = Subscription(self, pattern, handler, priority, self._count)
        bisect.insort(self._subscriptions, subscription)
        return subscription

    def once(self, pattern, handler, priority=0):
        """Like subscribe(), for the next event only."""

        def wrapper(name, payload):
            subscription.cancel()
            handler(name, payload)

        subscription = self.subscribe(pattern, wrapper, priority)
        return subscription

    def emit(self, name, payload=None):
        """Tell everybody; return how many handlers were called."""
        called = 0
        for subscription in self._subscriptions:
            if subscription.wants(name):
                called += 1
                subscription.handler(name, payload)
        return called
