"""Words in quotes, and text for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commands.engine.words import printable, quoted, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"a b  c", [b"a", b"b", b"c"]),
        (b"a \"b c\" 'd e'", [b"a", b"b c", b"d e"]),
        (rb'a "\x41\n\t\"\\"', [b"a", b'A\n\t"\\']),
        (rb"a 'it\'s \n'", [b"a", rb"it's \n"]),
        (b'save ""', [b"save", b""]),
        (b'x"y z"', [b"xy z"]),
        (b'a "b', None),
        (b"a 'b", None),
        (b'a "b"c', None),
        (rb'a "b\"', None),
    ],
)
def test_words_of_a_line(line: bytes, words: list[bytes] | None) -> None:
    assert split_words(line) == words


def test_only_words_that_need_quotes_get_them() -> None:
    assert quoted(b"plain-1.0:/x#y") == b"plain-1.0:/x#y"
    assert quoted(b"") == b'""'
    assert quoted(b"#x") == b'"#x"'
    assert quoted(b'a "b"\n\xff') == rb'"a \"b\"\n\xff"'


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_quoted_words_read_back_as_themselves_from_one_line(words: list[bytes]) -> None:
    line = b" ".join(map(quoted, words))
    assert split_words(line) == words
    assert line.decode("ascii").isprintable()


@example("\ud800 \udc7f \udc80 \udfff")
@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_text_for_a_terminal_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
