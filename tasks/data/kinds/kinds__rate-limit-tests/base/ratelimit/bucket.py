# SPDX-License-Identifier: MIT
"""A token bucket on an integer millisecond clock."""


class Bucket:
    """Holds up to `burst` tokens and gains `rate` of them a second."""

    def __init__(self, rate, burst, now):
        if rate <= 0 or burst <= 0:
            raise ValueError("rate and burst must be positive")
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.updated = now

    def refill(self, now):
        if now <= self.updated:
            return
        gained = (now - self.updated) * self.rate // 1000
        self.tokens = min(self.burst, self.tokens + gained)
        self.updated = now

    def take(self, amount, now):
        self.refill(now)
        if self.tokens < amount:
            return False
        self.tokens -= amount
        return True

    @property
    def full(self):
        return self.tokens == self.burst
