# SPDX-License-Identifier: MIT
import unittest

from semverrange import Range, Version


class TestRange(unittest.TestCase):
    def test_caret(self):
        r = Range("^1.2.3")
        self.assertIn("1.9.0", r)
        self.assertNotIn("2.0.0", r)
        self.assertNotIn("1.2.2", r)

    def test_caret_zero(self):
        self.assertIn("0.2.9", Range("^0.2.3"))
        self.assertNotIn("0.3.0", Range("^0.2.3"))
        self.assertNotIn("0.0.4", Range("^0.0.3"))

    def test_two_comparators(self):
        self.assertIn("1.5.0", Range(">=1.0.0 <2.0.0"))

    def test_best(self):
        versions = [Version.parse(t) for t in ("1.0.0", "1.10.0", "1.9.0", "2.0.0")]
        self.assertEqual(str(Range("~1.10.0").best(versions)), "1.10.0")
        self.assertIsNone(Range("^3.0.0").best(versions))
