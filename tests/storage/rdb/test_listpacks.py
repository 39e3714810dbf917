"""Flat blocks: decoding inverts encoding, and sizes are those of Redis."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.rdb.errors import RdbError
from storage.rdb.listpacks import pack, texts, unpack
from storage.rdb.ziplists import pack_intset, unpack_intset, unpack_ziplist, unpack_zipmap
from storage.values.listpack_sizes import OVERHEAD, entry_size
from tests.storage.rdb.forms import ziplist, zipmap
from tests.storage.rdb.recipes import NUMBERS
from tests.storage.rdb.recipes import texts as some_texts

items = st.lists(some_texts(), max_size=30)


@given(items)
def test_listpacks_round_trip_and_have_the_computed_size(words: list[bytes]) -> None:
    block = pack(words)
    assert texts(unpack(block, 0)) == words
    assert len(block) == OVERHEAD + sum(map(entry_size, words))


def test_numbers_in_listpacks() -> None:
    assert unpack(pack(NUMBERS), 0) == NUMBERS
    assert unpack(pack([b"%d" % number for number in NUMBERS]), 0) == NUMBERS


@pytest.mark.parametrize("size", [0, 63, 64, 4095, 4096, 16378, 16379, 2097146, 2097147])
def test_long_strings_in_listpacks(size: int) -> None:
    words = [b"x" * size, b"after"]
    block = pack(words)
    assert unpack(block, 0) == words
    assert len(block) == OVERHEAD + sum(map(entry_size, words))


def test_listpacks_with_too_many_entries_to_count() -> None:
    for count in (65534, 65535, 65536):
        assert unpack(pack(range(count)), 0) == list(range(count))


def test_an_error_has_the_offset() -> None:
    block = pack([b"abc", b"def"])
    with pytest.raises(RdbError) as refused:
        unpack(block[:6] + b"\xf9" + block[7:], 1000)
    assert refused.value.offset == 1006


@given(st.lists(some_texts(), max_size=20), st.lists(st.sampled_from(NUMBERS), max_size=20))
def test_ziplists(words: list[bytes], numbers: list[int]) -> None:
    block = ziplist([*words, *numbers])
    assert unpack_ziplist(block, 0) == [*words, *(b"%d" % number for number in numbers)]


@given(st.dictionaries(some_texts(500), some_texts(500), max_size=20), st.integers(0, 3))
def test_zipmaps(pairs: dict[bytes, bytes], unused: int) -> None:
    expected = [word for pair in pairs.items() for word in pair]
    assert unpack_zipmap(zipmap(pairs, unused), 0) == expected


@given(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=20, unique=True).map(sorted))
def test_intsets(numbers: list[int]) -> None:
    assert unpack_intset(pack_intset(numbers), 0) == numbers


@pytest.mark.parametrize(
    ("numbers", "size"),
    [
        ([-(2**15), 0, 2**15 - 1], 8 + 3 * 2),
        ([1, 2**15], 8 + 2 * 4),
        ([-(2**15) - 1, 1], 8 + 2 * 4),
        ([-(2**31), 2**31 - 1], 8 + 2 * 4),
        ([1, 2**31], 8 + 2 * 8),
        ([-(2**31) - 1, 1], 8 + 2 * 8),
    ],
)
def test_intsets_have_the_narrowest_width(numbers: list[int], size: int) -> None:
    assert len(pack_intset(numbers)) == size
