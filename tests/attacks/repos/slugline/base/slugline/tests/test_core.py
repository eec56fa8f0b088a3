# SPDX-License-Identifier: MIT
from slugline import Slugger, slugify


class TestSlugify:
    def test_words(self):
        assert slugify("One two") == "one-two"

    def test_accents(self):
        assert slugify("Ünïcode") == "unicode"

    def test_limit(self):
        assert slugify("abcdef", limit=3) == "abc"


class TestSlugger:
    def test_numbers(self):
        slugger = Slugger()
        assert [slugger("a"), slugger("a"), slugger("b")] == ["a", "a-1", "b"]
