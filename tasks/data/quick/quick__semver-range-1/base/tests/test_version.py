# SPDX-License-Identifier: MIT
import random
import unittest

from semverrange import Version


class TestVersion(unittest.TestCase):
    def order(self, *texts):
        versions = [Version.parse(t) for t in texts]
        shuffled = versions[:]
        random.Random(4).shuffle(shuffled)
        self.assertEqual([str(v) for v in sorted(shuffled)], list(texts))

    def test_round_trip(self):
        self.assertEqual(str(Version.parse("v1.2.3-rc.1+linux.5")), "1.2.3-rc.1+linux.5")

    def test_releases(self):
        self.order("0.9.0", "0.10.0", "1.0.0", "1.0.1")

    def test_pre_release_before_release(self):
        self.order("1.0.0-alpha", "1.0.0-beta", "1.0.0")

    def test_build_is_ignored(self):
        self.assertEqual(Version.parse("1.0.0+a"), Version.parse("1.0.0+b"))

    def test_rejects_leading_zero(self):
        with self.assertRaises(ValueError):
            Version.parse("1.02.0")
