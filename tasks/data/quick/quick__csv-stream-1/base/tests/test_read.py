# SPDX-License-Identifier: MIT
import pytest

from csvstream import CsvError, Reader, read


def pieces(text, size):
    reader = Reader()
    out = []
    for i in range(0, len(text), size):
        out += reader.feed(text[i:i + size])
    return out + reader.close()


def test_simple():
    assert read("a,b\nc,\n") == [["a", "b"], ["c", ""]]


def test_last_line_without_end():
    assert read("a\nb") == [["a"], ["b"]]


def test_blank_line_is_an_empty_record():
    assert read("a\n\nb\n") == [["a"], [], ["b"]]


def test_doubled_quote():
    assert read('"say ""hi""",x\n') == [['say "hi"', "x"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_line_ends(end):
    assert read(f"a{end}b{end}") == [["a"], ["b"]]


def test_open_quote():
    with pytest.raises(CsvError, match="line 2"):
        read('a\n"b')


def test_small_pieces_of_plain_text():
    assert pieces("ab,cd\nef,gh\n", 1) == [["ab", "cd"], ["ef", "gh"]]
