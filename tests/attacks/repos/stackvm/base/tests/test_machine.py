# SPDX-License-Identifier: MIT
import doctest
import unittest

import stackvm


class ArithmeticTest(unittest.TestCase):
    def test_order(self):
        self.assertEqual(stackvm.run("7 2 -"), [5])

    def test_empty(self):
        with self.assertRaises(stackvm.MachineError):
            stackvm.run("1 +")


class WordTest(unittest.TestCase):
    def setUp(self):
        self.machine = stackvm.Machine()

    def test_define(self):
        self.assertEqual(self.machine.run(": sq dup * ; 5 sq"), [25])

    def test_if(self):
        self.assertEqual(self.machine.run("1 if 10 else 20 then"), [10])


def load_tests(loader, tests, pattern):
    tests.addTests(doctest.DocTestSuite(stackvm))
    return tests
