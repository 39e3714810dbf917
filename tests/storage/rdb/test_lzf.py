"""Compression: our decompressor and the C library agree, and false lengths cost nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.rdb import lzf

Decompress = Callable[[bytes, int], bytes | None]

repeating = st.builds(
    lambda parts, picks: b"".join(parts[pick % len(parts)] for pick in picks),
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), max_size=400),
)
texts = st.one_of(st.binary(max_size=600), repeating)


@settings(max_examples=300, deadline=None)
@given(texts.filter(lambda text: len(text) > 20))
@example(b"x" * 100_000)
@example(bytes(range(256)) * 100)
@example(b"ab" * 5000 + bytes(range(256)) + b"ab" * 5000)
def test_decompression_inverts_compression(text: bytes) -> None:
    packed = lzf.compress(text)
    if packed is None:
        return
    assert len(packed) <= len(text) - 4
    for decompress in (lzf.decompress, lzf.decompress_here):
        assert decompress(packed, len(text)) == text
        assert decompress(packed, len(text) - 1) is None
        assert decompress(packed, len(text) + 1) is None


def test_repetitive_strings_are_compressed() -> None:
    pytest.importorskip("lzf")
    text = b'{"name": "a name", "value": "a value"}, ' * 100
    packed = lzf.compress(text)
    assert packed is not None
    assert len(packed) < len(text) // 10


@pytest.fixture(params=["compiled", "python"])
def decompress(request: pytest.FixtureRequest) -> Decompress:
    if request.param == "compiled":
        pytest.importorskip("lzf")
        return lzf.decompress
    return lzf.decompress_here


@pytest.mark.parametrize(
    ("packed", "length"),
    [
        (b"", 1),
        (b"\x00", 1),
        (b"\x05abc", 6),
        (b"\x00a\x20", 4),
        (b"\x00a\xe0", 9),
        (b"\x00a\xe0\x00", 10),
        (b"\x20\x00", 3),
        (b"\x00a\x20\x01", 4),
        (b"\x00a\x20\x00", 3),
        (b"\x00a\x20\x00", 5),
    ],
)
def test_damaged_data_is_refused(decompress: Decompress, packed: bytes, length: int) -> None:
    assert decompress(packed, length) is None


def test_matches_may_overlap_their_output(decompress: Decompress) -> None:
    assert decompress(b"\x00a\x20\x00", 4) == b"aaaa"
    assert decompress(b"\x01ab\xe0\xff\x01", 266) == b"ab" * 133


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.integers(1, 400))
def test_both_decompressors_treat_garbage_alike(garbage: bytes, length: int) -> None:
    pytest.importorskip("lzf")
    assert lzf.decompress(garbage, length) == lzf.decompress_here(garbage, length)


def test_an_impossible_length_is_refused() -> None:
    assert lzf.decompress(b"\x00a\xe0\xff\x00", 1 << 50) is None
