# SPDX-License-Identifier: MIT
from .base import RegistryCase


class CompareTest(RegistryCase):
    def test_equal(self):
        self.assertEqual(self.q(1, "km"), self.q(1000, "m"))

    def test_repr(self):
        self.assertEqual(repr(self.q(2.5, "m")), "2.5 m")
