# SPDX-License-Identifier: MIT
"""One bucket per client, forgotten when it is full again."""
import time

from .bucket import Bucket


def monotonic_ms():
    return time.monotonic_ns() // 1_000_000


class Limiter:
    def __init__(self, rate, burst, clock=monotonic_ms, keep=10_000):
        self.rate = rate
        self.burst = burst
        self.keep = keep
        self._clock = clock
        self._buckets = {}

    def __len__(self):
        return len(self._buckets)

    def allow(self, client, cost=1):
        """Whether the client may go on now; takes the tokens if so."""
        if cost > self.burst:
            raise ValueError("cost is above burst, the call could never succeed")
        now = self._clock()
        return self._bucket(client, now).take(cost, now)

    def retry_after(self, client, cost=1):
        """Milliseconds to wait until allow() with this cost would succeed."""
        now = self._clock()
        bucket = self._bucket(client, now)
        bucket.refill(now)
        missing = cost - bucket.tokens
        if missing <= 0:
            return 0
        return missing // self.rate * 1000

    def sweep(self):
        """Forget the clients whose bucket is full; return how many."""
        now = self._clock()
        full = []
        for client, bucket in self._buckets.items():
            bucket.refill(now)
            if bucket.full:
                full.append(client)
        for client in full:
            del self._buckets[client]
        return len(full)

    def _bucket(self, client, now):
        bucket = self._buckets.get(client)
        if bucket is None:
            if len(self._buckets) >= self.keep:
                self.sweep()
            bucket = self._buckets[client] = Bucket(self.rate, self.burst, now)
        return bucket
