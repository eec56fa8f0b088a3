# SPDX-License-Identifier: MIT
import unittest

from unitconv import Quantity, Registry


class RegistryCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.registry = Registry()
        for line in ("m = 1 length", "ft = 0.3048 m", "s = 1 time", "K = 1 temperature", "degC = 1 K + 273.15"):
            cls.registry.define(line)

    def q(self, value, unit):
        return Quantity(self.registry, value, unit)

    def assertConverts(self, value, unit, wanted, to):
        self.assertAlmostEqual(self.q(value, unit).to(to).value, wanted, places=6)
