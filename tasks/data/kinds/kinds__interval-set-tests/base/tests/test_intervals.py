# SPDX-License-Identifier: MIT
import unittest

from intervals import IntervalSet, free_slots


class TestIntervalSet(unittest.TestCase):
    def test_merges_what_touches(self):
        self.assertEqual(str(IntervalSet([(5, 7), (1, 3), (3, 5)])), "[1, 7)")

    def test_add_joins(self):
        s = IntervalSet([(1, 3), (6, 8)])
        s.add(2, 6)
        self.assertEqual(list(s), [(1, 8)])

    def test_remove_splits(self):
        s = IntervalSet([(1, 9)])
        s.remove(3, 4)
        self.assertEqual(list(s), [(1, 3), (4, 9)])
        self.assertEqual(s.total, 7)

    def test_contains_is_half_open(self):
        s = IntervalSet([(1, 3)])
        self.assertIn(1, s)
        self.assertNotIn(3, s)

    def test_add_after_copy(self):
        s = IntervalSet([(1, 2)]).copy()
        s.add(2, 4)
        self.assertEqual(list(s), [(1, 4)])

    def test_union(self):
        self.assertEqual(str(IntervalSet([(1, 2)]) | IntervalSet([(2, 3)])), "[1, 3)")

    def test_free_slots(self):
        self.assertEqual(free_slots((9, 17), [(10, 11), (12, 16)], 1), [(9, 10), (11, 12), (16, 17)])
