"""Reads values of every type that any version of the format ever had."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sized
from functools import partial
from itertools import islice
from typing import NoReturn, TypeVar

from storage.rdb import codes
from storage.rdb.errors import RdbError
from storage.rdb.listpacks import texts, unpack
from storage.rdb.primitive_reader import PrimitiveReader
from storage.rdb.redis_modules import module_name
from storage.rdb.streams import read_stream
from storage.rdb.ziplists import unpack_intset, unpack_ziplist, unpack_zipmap
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.list_nodes import Node, node_limits
from storage.values.listpack_sizes import OVERHEAD, entry_size
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.types import Value

C = TypeVar("C", bound=Sized)
Unpack = Callable[[bytes, int], list[bytes]]
Reader = Callable[[PrimitiveReader, Limits], Value]

# In the old text form of scores, three values of the length byte are special.
_TEXT_SCORES = {253: math.nan, 254: math.inf, 255: -math.inf}
_NUMBER_LIKE = re.compile(rb"[-+.0-9A-Za-z]+").fullmatch
# The latest time that HPEXPIREAT accepts for a field. Valkey's files may have later ones, all
# after the year 4199, and a log that recreates the field could not contain them.
_LATEST_OF_FIELDS = (1 << 46) - 1


def read_value(source: PrimitiveReader, code: int, version: int, limits: Limits) -> Value | None:
    """Read a value of this type; None for an empty collection.

    `limits` decide its encoding, as they do in Redis.
    """
    if code == codes.STRING:
        return source.string()
    if code == codes.HASH_DEADLINES_DRAFT and version < codes.VALKEY:
        reader: Reader | None = partial(_read_hash_with_deadlines, draft=True)
    else:
        reader = _READERS.get(code)
    if reader is None:
        raise RdbError(f"unknown value type {code}", source.offset)
    value = reader(source, limits)
    return value if value else None


def _unpack_listpack(block: bytes, offset: int) -> list[bytes]:
    return texts(unpack(block, offset))


def _block(source: PrimitiveReader, unpack: Unpack) -> list[bytes]:
    """Read a string that contains a flat block, and decode it."""
    started = source.offset
    return unpack(source.string(), started)


# --- lists ---------------------------------------------------------------------------------


def _read_list(source: PrimitiveReader, limits: Limits) -> List:
    return List.of([source.string() for _ in range(source.length())], limits)


def _read_list_block(source: PrimitiveReader, limits: Limits) -> List:
    items = _block(source, unpack_ziplist)
    return List.of_nodes(items, [_node(items)] if items else [], limits)


def _read_list_of_ziplists(source: PrimitiveReader, limits: Limits) -> List:
    items: list[bytes] = []
    nodes = []
    for _ in range(source.length()):
        part = _block(source, unpack_ziplist)
        if part:
            items += part
            nodes.append(_node(part))
    return List.of_nodes(items, nodes, limits)


def _read_list_of_listpacks(source: PrimitiveReader, limits: Limits) -> List:
    most_bytes, _ = node_limits(limits.list_max_listpack_size)
    items: list[bytes] = []
    nodes = []
    for _ in range(source.length()):
        container = source.length()
        if container == codes.PLAIN_NODE:
            started = source.offset
            item = source.string()
            if not item:
                raise RdbError("the plain list node is empty", started)
            items.append(item)
            nodes.append(_plain_node(item, most_bytes))
        elif container == codes.PACKED_NODE:
            started = source.offset
            block = source.string()
            part = _unpack_listpack(block, started)
            if part:
                items += part
                nodes.append(Node(len(block), len(part)))
        else:
            raise RdbError("unknown list node type", source.offset)
    return List.of_nodes(items, nodes, limits)


def _plain_node(item: bytes, most_bytes: int) -> Node:
    # `Nodes` relies on plain nodes being larger than the limit. A server with a lower limit
    # wrote this item as a plain node; here it is small enough for a listpack.
    return Node(len(item), 1, plain=True) if len(item) > most_bytes else _node([item])


def _node(items: list[bytes]) -> Node:
    return Node(OVERHEAD + sum(map(entry_size, items)), len(items))


# --- sets ----------------------------------------------------------------------------------


def _read_set(source: PrimitiveReader, limits: Limits) -> Set:
    started = source.offset
    members = [source.string() for _ in range(source.length())]
    return _distinct(Set.of(members, limits), len(members), started)


def _read_set_listpack(source: PrimitiveReader, limits: Limits) -> Set:
    started = source.offset
    members = _block(source, _unpack_listpack)
    return _distinct(Set.of_packed(members, limits), len(members), started)


def _read_intset(source: PrimitiveReader, limits: Limits) -> Set:
    started = source.offset
    return Set.of_numbers(unpack_intset(source.string(), started), limits)


def _distinct(value: C, count: int, started: int) -> C:
    if len(value) != count:
        raise RdbError("the collection has a duplicate element", started)
    return value


# --- sorted sets -----------------------------------------------------------------------------


def _read_sorted_set(source: PrimitiveReader, limits: Limits) -> SortedSet:
    return _read_scores(source, limits, PrimitiveReader.double)


def _read_sorted_set_text(source: PrimitiveReader, limits: Limits) -> SortedSet:
    return _read_scores(source, limits, _text_score)


def _read_scores(
    source: PrimitiveReader, limits: Limits, score: Callable[[PrimitiveReader], float]
) -> SortedSet:
    started = source.offset
    pairs = []
    for _ in range(source.length()):
        member = source.string()
        pairs.append((member, score(source)))
    return _make_sorted_set(pairs, limits, started)


def _text_score(source: PrimitiveReader) -> float:
    size = source.byte()
    if size in _TEXT_SCORES:
        return _TEXT_SCORES[size]
    return _parse_score(source.take(size), source.offset)


def _read_sorted_set_block(source: PrimitiveReader, limits: Limits, unpack: Unpack) -> SortedSet:
    started = source.offset
    items = _block(source, unpack)
    if len(items) % 2:
        raise RdbError("the sorted set has a member without a score", started)
    pairs = [
        (member, _parse_score(score, started))
        for member, score in zip(islice(items, 0, None, 2), islice(items, 1, None, 2), strict=True)
    ]
    return _make_sorted_set(pairs, limits, started)


def _parse_score(text: bytes, offset: int) -> float:
    # Python also accepts spaces around a number and underscores in it.
    if _NUMBER_LIKE(text):
        try:
            return float(text)
        except ValueError:
            pass
    raise RdbError("the score is not a number", offset)


def _make_sorted_set(pairs: list[tuple[bytes, float]], limits: Limits, started: int) -> SortedSet:
    if any(score != score for _, score in pairs):
        raise RdbError("the score is not a number", started)
    return _distinct(SortedSet.build(pairs, limits), len(pairs), started)


# --- hashes ----------------------------------------------------------------------------------


def _read_hash(source: PrimitiveReader, limits: Limits) -> Hash:
    started = source.offset
    count = source.length()
    fields: dict[bytes, bytes] = {}
    for _ in range(count):
        field = source.string()
        fields[field] = source.string()
    return Hash.of(_distinct(fields, count, started), limits)


def _read_hash_block(source: PrimitiveReader, limits: Limits, unpack: Unpack) -> Hash:
    started = source.offset
    items = _block(source, unpack)
    if len(items) % 2:
        raise RdbError("the hash has a field without a value", started)
    fields = dict(zip(islice(items, 0, None, 2), islice(items, 1, None, 2), strict=True))
    return Hash.of(_distinct(fields, len(items) // 2, started), limits)


def _read_hash_valkey(source: PrimitiveReader, limits: Limits) -> Hash:
    started = source.offset
    rows = []
    for _ in range(source.length()):
        field, text, deadline = source.string(), source.string(), source.signed(8)
        rows.append((field, text, None if deadline == -1 else deadline))
    return _make_hash(rows, limits, started)


def _read_hash_with_deadlines(source: PrimitiveReader, limits: Limits, draft: bool = False) -> Hash:
    """Redis' own form: deadlines relative to the earliest one, in the draft absolute."""
    started = source.offset
    soonest = 1 if draft else source.signed(8)
    rows = []
    for _ in range(source.length()):
        deadline, field, text = source.length(), source.string(), source.string()
        rows.append((field, text, soonest + deadline - 1 if deadline else None))
    return _make_hash(rows, limits, started)


def _read_hash_block_with_deadlines(
    source: PrimitiveReader, limits: Limits, draft: bool = False
) -> Hash:
    if not draft:
        source.signed(8)  # the earliest deadline, which the entries tell too
    started = source.offset
    items = unpack(source.string(), started)
    if len(items) % 3:
        raise RdbError("the hash has a field without a value or an expiry time", started)
    fields, values, deadlines = texts(items[::3]), texts(items[1::3]), items[2::3]
    rows = []
    for field, text, deadline in zip(fields, values, deadlines, strict=True):
        if not isinstance(deadline, int):
            raise RdbError("the field's expiry time is not a number", started)
        rows.append((field, text, deadline or None))
    return _make_hash(rows, limits, started)


def _make_hash(rows: list[tuple[bytes, bytes, int | None]], limits: Limits, started: int) -> Hash:
    fields = {field: text for field, text, _ in rows}
    made = Hash.of(_distinct(fields, len(rows), started), limits)
    for field, _, deadline in rows:
        if deadline is not None:
            if deadline < 0:
                raise RdbError("the field's expiry time is out of range", started)
            made.set_deadline(field, min(deadline, _LATEST_OF_FIELDS))
    return made


# --- unsupported types -------------------------------------------------------------------------


def _refuse_module(source: PrimitiveReader, limits: Limits) -> NoReturn:
    started = source.offset
    name = module_name(source.length())
    raise RdbError(
        f"the value has the module type '{name}', which only that Redis module can read", started
    )


_READERS: dict[int, Reader] = {
    codes.LIST: _read_list,
    codes.LIST_ZIPLIST: _read_list_block,
    codes.LIST_OF_ZIPLISTS: _read_list_of_ziplists,
    codes.LIST_OF_LISTPACKS: _read_list_of_listpacks,
    codes.SET: _read_set,
    codes.SET_INTSET: _read_intset,
    codes.SET_LISTPACK: _read_set_listpack,
    codes.SORTED_SET_TEXT: _read_sorted_set_text,
    codes.SORTED_SET: _read_sorted_set,
    codes.SORTED_SET_ZIPLIST: partial(_read_sorted_set_block, unpack=unpack_ziplist),
    codes.SORTED_SET_LISTPACK: partial(_read_sorted_set_block, unpack=_unpack_listpack),
    codes.HASH: _read_hash,
    codes.HASH_ZIPMAP: partial(_read_hash_block, unpack=unpack_zipmap),
    codes.HASH_ZIPLIST: partial(_read_hash_block, unpack=unpack_ziplist),
    codes.HASH_LISTPACK: partial(_read_hash_block, unpack=_unpack_listpack),
    codes.HASH_DEADLINES_VALKEY: _read_hash_valkey,
    codes.HASH_LISTPACK_DEADLINES_DRAFT: partial(_read_hash_block_with_deadlines, draft=True),
    codes.HASH_DEADLINES: _read_hash_with_deadlines,
    codes.HASH_LISTPACK_DEADLINES: _read_hash_block_with_deadlines,
    codes.STREAM_1: lambda source, _: read_stream(source, codes.STREAM_1),
    codes.STREAM_2: lambda source, _: read_stream(source, codes.STREAM_2),
    codes.STREAM_3: lambda source, _: read_stream(source, codes.STREAM_3),
    codes.MODULE_DRAFT: _refuse_module,
    codes.MODULE: _refuse_module,
}
