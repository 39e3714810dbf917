"""Writes values, each in the form that makes the reader choose the same encoding."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, islice
from struct import Struct
from typing import Any, assert_never

from storage.rdb import codes
from storage.rdb.listpacks import Entry, pack
from storage.rdb.primitive_writer import length, string
from storage.rdb.streams import write_stream
from storage.rdb.ziplists import pack_intset
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from storage.values.types import Value

Text = bytes | bytearray

_DOUBLE = Struct("<d")
_INT64 = Struct("<q")
_NO_DEADLINE = _INT64.pack(-1)
# Listpacks store whole scores below this magnitude as integers, others as text.
_WHOLE = 2.0**52


def least_version(value: Value) -> int:
    """Return the oldest version that can represent the value."""
    if isinstance(value, Hash):
        return codes.VALKEY if value.deadlines else codes.OLDEST_WRITTEN
    if isinstance(value, Stream):
        for group in value.groups.values():
            for consumer in group.consumers.values():
                if consumer.active_time != consumer.seen_time:
                    return codes.CONSUMER_TIMES
    return codes.OLDEST_WRITTEN


def type_code(value: Value, version: int) -> int:
    """Return the type code under which this version stores the value."""
    if isinstance(value, (bytes, bytearray)):
        return codes.STRING
    if isinstance(value, Hash):
        if value.deadlines:
            return codes.HASH_DEADLINES_VALKEY
        return codes.HASH_LISTPACK if value.packed else codes.HASH
    if isinstance(value, List):
        return codes.LIST_OF_LISTPACKS
    if isinstance(value, Set):
        # The oldest version we write has no packed form of sets. A reader packs a small
        # set by itself.
        return codes.SET if value.numbers() is None else codes.SET_INTSET
    if isinstance(value, SortedSet):
        return codes.SORTED_SET_LISTPACK if value.packed else codes.SORTED_SET
    if isinstance(value, Stream):
        return codes.STREAM_3 if version >= codes.CONSUMER_TIMES else codes.STREAM_2
    assert_never(value)


def write_body(out: bytearray, code: int, value: Value, compress: bool) -> None:
    """Append a value without its type code."""
    _WRITERS[code](out, value, compress)


def _string(out: bytearray, value: Text, compress: bool) -> None:
    out += string(value, compress)


def _list(out: bytearray, value: List, compress: bool) -> None:
    nodes = value.nodes
    packed = length(codes.PACKED_NODE)
    if nodes is None:
        out += length(1) + packed + string(pack(value), compress)
        return
    out += length(len(nodes))
    items = iter(value)
    for node in nodes:
        if node.plain:
            out += length(codes.PLAIN_NODE) + string(next(items), compress)
        else:
            out += packed + string(pack(islice(items, node.entries)), compress)


def _set(out: bytearray, value: Set, compress: bool) -> None:
    out += length(len(value))
    for member in value:
        out += string(member, compress)


def _intset(out: bytearray, value: Set, compress: bool) -> None:
    numbers = value.numbers()
    assert numbers is not None
    out += string(pack_intset(numbers), compress)


def _hash(out: bytearray, value: Hash, compress: bool) -> None:
    out += length(len(value))
    for field, text in value.items():
        out += string(field, compress)
        out += string(text, compress)


def _hash_listpack(out: bytearray, value: Hash, compress: bool) -> None:
    out += string(pack(chain.from_iterable(value.items())), compress)


def _hash_with_deadlines(out: bytearray, value: Hash, compress: bool) -> None:
    out += length(len(value))
    for field, text in value.items():
        out += string(field, compress)
        out += string(text, compress)
        deadline = value.deadline(field)
        out += _NO_DEADLINE if deadline is None else _INT64.pack(deadline)


def _sorted_set(out: bytearray, value: SortedSet, compress: bool) -> None:
    out += length(len(value))
    # In descending order, so that a reader always inserts at the front.
    for score, member in reversed(value.pairs()):
        out += string(member, compress)
        out += _DOUBLE.pack(score)


def _sorted_set_listpack(out: bytearray, value: SortedSet, compress: bool) -> None:
    items: list[Entry] = []
    for score, member in value.pairs():
        whole = -_WHOLE < score < _WHOLE and score == int(score)
        items += (member, int(score) if whole else repr(score).encode())
    out += string(pack(items), compress)


# Any, because each function takes only the class to which `type_code` gives its code.
_WRITERS: dict[int, Callable[[bytearray, Any, bool], None]] = {
    codes.STRING: _string,
    codes.LIST_OF_LISTPACKS: _list,
    codes.SET: _set,
    codes.SET_INTSET: _intset,
    codes.HASH: _hash,
    codes.HASH_LISTPACK: _hash_listpack,
    codes.HASH_DEADLINES_VALKEY: _hash_with_deadlines,
    codes.SORTED_SET: _sorted_set,
    codes.SORTED_SET_LISTPACK: _sorted_set_listpack,
    codes.STREAM_2: lambda out, value, compress: write_stream(out, value, compress, 2),
    codes.STREAM_3: lambda out, value, compress: write_stream(out, value, compress, 3),
}
