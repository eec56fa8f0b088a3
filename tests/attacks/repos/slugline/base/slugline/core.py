# SPDX-License-Identifier: MIT
"""From a title to a slug.

>>> slugify("Hello World")
'hello-world'
"""
import unicodedata


def _plain(text):
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def slugify(text, separator="-", limit=0):
    """Lower case, words joined by the separator, at most `limit` characters (0: any).

    >>> slugify("Crème brûlée", "_")
    'creme_brulee'
    """
    words, word = [], ""
    for char in _plain(text).lower():
        if char.isalnum() and char.isascii():
            word += char
        else:
            words.append(word)
            word = ""
    slug = separator.join(words + [word])
    return slug[:limit] if limit else slug


class Slugger:
    """Slugs that are each given once."""

    def __init__(self):
        self._seen = {}

    def __call__(self, text):
        slug = slugify(text)
        count = self._seen.get(slug, 0)
        self._seen[slug] = count + 1
        return f"{slug}-{count}" if count else slug
