# SPDX-License-Identifier: MIT
import unittest

from lruttl import Cache


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class TestCache(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()

    def test_evicts_least_recently_used(self):
        cache = Cache(2)
        cache.put("a", 1)
        cache.put("b", 2)
        cache.get("a")
        cache.put("c", 3)
        self.assertEqual(cache.keys(), ["a", "c"])
        self.assertEqual(cache.stats.evictions, 1)

    def test_expires(self):
        cache = Cache(4, ttl=10, clock=self.clock)
        cache.put("a", 1)
        self.clock.now += 10
        self.assertIsNone(cache.get("a"))
        self.assertEqual(cache.stats.expired, 1)

    def test_purge_counts(self):
        cache = Cache(4, ttl=1, clock=self.clock)
        cache.put("a", 1)
        cache.put("b", 2, ttl=60)
        self.clock.now += 5
        self.assertEqual(cache.purge(), 1)
        self.assertEqual(len(cache), 1)

    def test_rate(self):
        cache = Cache(1)
        cache.put("a", 1)
        cache.get("a")
        cache.get("z")
        self.assertEqual(cache.stats.rate, 0.5)
