"""How much memory a key takes: an estimate that costs the same however large its value is.

The parts that Python can measure at once are measured: tables, arrays, strings. Of the members
of a collection only some are looked at: the first and last of a dict, and members at even
distances of a sequence. The rest is taken to be like them.

The estimate follows what the allocator takes, which rounds small blocks up to sixteen bytes. It
depends on the value alone and not on what was done with it, so counting again gives the same.
Lists of members that scans and random picks build are left out, since reading makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import islice
from sys import getsizeof
from typing import Any

from storage.memory_usage import size_of
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Node, Stream
from storage.values.types import Value

SAMPLES = 5
# The header of a `bytes` object, with the mean of what rounding up adds.
_STRING = 41
# An entry of a dict, averaged over the sizes that its table may have: 30 to 120 bytes while it
# grows, 60 to 120 while as many keys go as come. The size of the tables themselves is not used: it
# doubles at one key, for which a third of the others would have to go.
SLOT = 64
# The places of a key in the tables of its database: its value, and when it was used.
KEY_SLOTS = 2 * SLOT
# A deadline: an entry, the number, and a place in a bucket (`storage.deadlines`).
DEADLINE = SLOT + 32 + 48
# A score, and the pair that a sorted set keeps in order.
_PAIR = 32 + getsizeof((1, 2)) + 8
# A node of a list: its counts, and its place.
_LIST_NODE = 64 + 2 * 32 + 8
# The ID of a stream's entry, its place, and a row without its items.
_ENTRY = 48 + 8 + getsizeof(()) + 8
# A node of a stream: its counts, its lists, and the names of its fields.
_NODE = 500
# A delivery that is not acknowledged: its object, and places in two sorted dicts.
_PENDING = 64 + 2 * (SLOT + 8) + 48 + 32
_GROUP = 1000


def key_footprint(key: bytes, value: Value, samples: int = SAMPLES) -> int:
    """Return the bytes of a key and its value, and of their places in the tables."""
    size = (len(key) + 48 & ~15) + KEY_SLOTS
    if value.__class__ is bytes and len(value) > 1:
        # As in `footprint`, without another call: most keys are strings.
        return size + (len(value) + 48 & ~15)
    return size + footprint(value, samples)


def footprint(value: Value, samples: int = SAMPLES) -> int:
    """Return the bytes of a value; with `samples` 0, look at every member."""
    if value.__class__ is bytes:
        # Python shares the strings that are shorter.
        return len(value) + 48 & ~15 if len(value) > 1 else 0
    measure = _MEASURES.get(value.__class__)
    return size_of(value, samples) if measure is None else measure(value, samples)


def _members(table: Collection[bytes], samples: int) -> int:
    """The bytes of strings that are the keys of a dict."""
    count = len(table)
    if not samples or count <= 2 * samples:
        return count * _STRING + sum(map(len, table))
    reverse: Any = reversed
    ends = sum(map(len, islice(table, samples))) + sum(map(len, islice(reverse(table), samples)))
    return count * _STRING + ends * count // (2 * samples)


def _items(items: Sequence[bytes], first: int, samples: int) -> int:
    """The bytes of the strings of a sequence from `first` on."""
    count = len(items) - first
    if not samples or count <= 2 * samples:
        return count * _STRING + sum(map(len, islice(items, first, None)))
    looked = 2 * samples
    step = count // looked
    total = sum([len(items[first + place * step]) for place in range(looked)])
    return count * _STRING + total * count // looked


def _hash(value: Hash, samples: int) -> int:
    size = getsizeof(value) + _members(value, samples) + _values(value, samples)
    if value.deadlines:
        size += getsizeof(value.deadlines) + len(value.deadlines) * (32 + _PAIR)
    return size


def _values(table: Hash, samples: int) -> int:
    values = table.values()
    count = len(values)
    if not samples or count <= 2 * samples:
        return count * _STRING + sum(map(len, values))
    ends = sum(map(len, islice(values, samples)))
    ends += sum(map(len, islice(reversed(values), samples)))
    return count * _STRING + ends * count // (2 * samples)


def _list(value: List, samples: int) -> int:
    items, head = value.storage
    size = getsizeof(value) + getsizeof(items) + _items(items, head, samples)
    return size if value.nodes is None else size + 640 + len(value.nodes) * _LIST_NODE


def _set(value: Set, samples: int) -> int:
    table = value.storage
    if isinstance(table, dict):
        return getsizeof(value) + getsizeof(table) + _members(table, samples)
    return getsizeof(value) + getsizeof(table) + 64


def _sorted_set(value: SortedSet, samples: int) -> int:
    return getsizeof(value) + _members(value, samples) + 200 + len(value) * _PAIR


def _stream(value: Stream, samples: int) -> int:
    nodes = value.nodes
    size = 500 + len(nodes) * _NODE + len(value) * (_ENTRY + _mean_row(nodes, samples))
    for group in value.groups.values():
        size += _GROUP + len(group.consumers) * _GROUP + len(group.pending) * _PENDING
    return size


def _mean_row(nodes: Sequence[Node], samples: int) -> int:
    """The mean bytes of the items of an entry, by the first entries of some nodes."""
    looked = total = 0
    if samples and len(nodes) > samples:
        step = len(nodes) // samples
        nodes = [nodes[place * step] for place in range(samples)]
    for node in nodes:
        for row in islice(node.rows, 2) if samples else node.rows:
            looked += 1
            parts = row[1::2] if row[::2] == tuple(node.fields) else row
            total += 8 * len(row) + len(parts) * _STRING + sum(map(len, parts))
    return total // looked if looked else 0


# Any, because each function takes only the class to which it belongs.
_MEASURES: dict[type[Value], Callable[[Any, int], int]] = {
    Hash: _hash,
    List: _list,
    Set: _set,
    SortedSet: _sorted_set,
    Stream: _stream,
}
