"""Namespaces: each has exactly one text, and each text is at most one namespace."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.domain.namespaces import escape, parse, render, segment_at, split, unescape
from commands.engine.errors import CommandError

segments = st.lists(st.sampled_from([b":", b"\\", b"a", b"\x00", b"\xff"]), max_size=6).map(
    b"".join
)
namespaces = st.lists(segments, min_size=1, max_size=4).filter(lambda names: bool(names[0]))


@given(namespaces)
def test_rendering_and_parsing_are_inverse(names: list[bytes]) -> None:
    text = render(names)
    assert parse(text) == names
    assert b":".join(split(text)) == text
    assert list(map(escape, names)) == split(text)
    assert segment_at(text + b":x", 0) == escape(names[0])


@given(segments)
def test_a_text_that_can_be_parsed_is_rendered_the_same(text: bytes) -> None:
    try:
        names = parse(text)
    except CommandError as error:
        assert error.code == b"NAMESPACE"
    else:
        assert render(names) == text


@given(namespaces, namespaces)
def test_no_two_namespaces_share_a_text(one: list[bytes], other: list[bytes]) -> None:
    assert (render(one) == render(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", b"NAMESPACE empty tenant in ''"),
        (b":a", b"NAMESPACE empty tenant in ':a'"),
        (b"a\\", b"NAMESPACE backslash at the end in 'a\\'"),
        (b"a:b\\\\\\", b"NAMESPACE backslash at the end in 'a:b\\\\\\'"),
        (b"a\\n", b"NAMESPACE unknown escape in 'a\\n'"),
    ],
)
def test_invalid_namespaces(text: bytes, error: bytes) -> None:
    with pytest.raises(CommandError) as raised:
        split(text)
    assert raised.value.text == error


@pytest.mark.parametrize("text", [b"a:b", b"a\\", b"a\\x"])
def test_invalid_segments(text: bytes) -> None:
    with pytest.raises(CommandError):
        unescape(text)
    assert segment_at(text, 0) in (None, b"a")


@pytest.mark.parametrize("name", [b"x" * 10**6, b"a:\\" * 300_000, b":" * 10**6, b"\\" * 10**6])
def test_long_names_take_memory_of_their_size(name: bytes) -> None:
    """Not a multiple for each character, as patterns may that remember every repetition."""
    rendered = escape(name)
    tracemalloc.start()
    try:
        assert unescape(rendered) == name
        assert escape(name) == rendered
        assert parse(b"t:" + rendered) == [b"t", name]
        assert segment_at(rendered + b":", 0) == rendered
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * len(rendered)
