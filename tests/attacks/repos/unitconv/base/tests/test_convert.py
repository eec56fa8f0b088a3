# SPDX-License-Identifier: MIT
import unittest

from unitconv import UnknownUnit

from .base import RegistryCase


class ConvertTest(RegistryCase):
    def test_length(self):
        self.assertConverts(2, "ft", 0.6096, "m")

    def test_prefixes(self):
        for unit, wanted in (("km", 0.002), ("mm", 2000)):
            with self.subTest(unit=unit):
                self.assertConverts(2, "m", wanted, unit)

    def test_temperature(self):
        self.assertConverts(20, "degC", 293.15, "K")

    def test_kinds_do_not_mix(self):
        with self.assertRaises(ValueError):
            self.q(1, "m").to("s")

    def test_unknown(self):
        with self.assertRaises(UnknownUnit):
            self.q(1, "furlong").to("m")


if __name__ == "__main__":
    unittest.main()
