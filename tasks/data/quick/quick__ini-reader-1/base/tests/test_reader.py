# SPDX-License-Identifier: MIT
import unittest

from inireader import IniError, parse


class TestReader(unittest.TestCase):
    def test_sections_in_order(self):
        self.assertEqual(parse("[b]\nx=1\n[a]\ny=2\n").sections(), ["b", "a"])

    def test_trailing_comment(self):
        self.assertEqual(parse("k = v ; note\n").get("", "k"), "v")

    def test_hash_without_blank_is_text(self):
        self.assertEqual(parse("url = http://x/#top\n").get("", "url"), "http://x/#top")

    def test_quotes_keep_blanks(self):
        self.assertEqual(parse('k = "  v "\n').get("", "k"), "  v ")

    def test_bad_line_is_named(self):
        with self.assertRaises(IniError) as caught:
            parse("[s]\nnonsense\n")
        self.assertEqual(caught.exception.line, 2)

    def test_bool(self):
        doc = parse("[s]\non = Yes\noff = 0\n")
        self.assertTrue(doc.getbool("s", "on"))
        self.assertFalse(doc.getbool("s", "off", True))
