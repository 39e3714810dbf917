"""Reads and writes streams: nodes of entries, statistics of past entries, and groups.

A node is a listpack stored under the ID of its first entry; the other IDs are differences
from that. It begins with the number of entries, the number of deleted ones, and the names
of the first entry's fields, so that entries with the same fields need not repeat them:

    count, deleted, fields, name..., 0
    flags, milliseconds, sequence, value..., words               (the first entry's fields)
    flags, milliseconds, sequence, fields, name, value..., words (other fields)

The last word of each entry is how many listpack entries it took.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from storage.rdb import codes
from storage.rdb.errors import RdbError
from storage.rdb.listpacks import Entry, pack, unpack
from storage.rdb.primitive_reader import PrimitiveReader
from storage.rdb.primitive_writer import length, string
from storage.values.consumer_groups import MOST_COUNTED, Consumer, Group, Pending
from storage.values.streams import SEQUENCE_MASK, Node, Stream

_DELETED, _SAME_FIELDS = 1, 2
_ID_WIDTH = 16
_INT64 = Struct("<q")
_UNKNOWN = (1 << 64) - 1


# --- writing -------------------------------------------------------------------------------


def write_stream(out: bytearray, stream: Stream, compress: bool, form: int) -> None:
    """Append a stream in the second or third form of the format."""
    out += length(len(stream.nodes))
    for node in stream.nodes:
        out += string(node.first.to_bytes(_ID_WIDTH, "big"), compress)
        out += string(pack(_node_words(node)), compress)
    out += length(len(stream))
    out += _id(stream.last_id) + _id(stream.first_id) + _id(stream.max_deleted_id)
    out += length(stream.entries_added)
    out += length(len(stream.groups))
    for name, group in stream.groups_by_name():
        out += string(name, compress)
        _write_group(out, group, compress, form)


def _node_words(node: Node) -> Iterator[Entry]:
    fields = node.fields
    yield len(node.ids)
    yield 0
    yield len(fields)
    yield from fields
    yield 0
    first_ms, first_sequence = node.first >> 64, node.first & SEQUENCE_MASK
    for entry_id, row in zip(node.ids, node.rows, strict=True):
        names = list(row[::2])
        same = names == fields
        yield _SAME_FIELDS if same else 0
        yield _signed((entry_id >> 64) - first_ms)
        yield _signed((entry_id & SEQUENCE_MASK) - first_sequence)
        if same:
            yield from row[1::2]
            yield 3 + len(fields)
        else:
            yield len(names)
            yield from row
            yield 4 + len(row)


def _signed(number: int) -> int:
    """Convert an unsigned 64-bit difference to the signed number that stores it."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _id(entry_id: int) -> bytes:
    return length(entry_id >> 64) + length(entry_id & SEQUENCE_MASK)


def _write_group(out: bytearray, group: Group, compress: bool, form: int) -> None:
    out += _id(group.last_id)
    out += length(_UNKNOWN if group.entries_read is None else group.entries_read)
    out += length(len(group.pending))
    for entry_id, pending in group.pending.items():
        out += entry_id.to_bytes(_ID_WIDTH, "big")
        out += _INT64.pack(pending.delivery_time)
        out += length(pending.deliveries)
    out += length(len(group.consumers))
    for consumer in group.consumers_by_name():
        out += string(consumer.name, compress)
        out += _INT64.pack(consumer.seen_time)
        if form >= 3:
            out += _INT64.pack(consumer.active_time)
        out += length(len(consumer.pending))
        for entry_id in consumer.pending:
            out += entry_id.to_bytes(_ID_WIDTH, "big")


# --- reading -------------------------------------------------------------------------------


def read_stream(source: PrimitiveReader, code: int) -> Stream:
    """Read a stream in any of the three forms of the format."""
    stream = Stream()
    started = source.offset
    for _ in range(source.length()):
        _read_node(source, stream)
    count = source.length()
    if count != len(stream):
        raise RdbError("the stream's entry count does not match its entries", started)
    stream.last_id = _read_id(source)
    if stream.nodes and stream.nodes[-1].last > stream.last_id:
        raise RdbError("the stream has entries after its last ID", started)
    if code == codes.STREAM_1:
        stream.entries_added = count
    else:
        _read_id(source)  # the first entry's ID, which the nodes tell more reliably
        stream.max_deleted_id = _read_id(source)
        if stream.max_deleted_id > stream.last_id:
            raise RdbError("the stream has deleted entries after its last ID", started)
        stream.entries_added = _read_count(source)
        if stream.entries_added < count:
            raise RdbError("the stream has more entries than were ever added", started)
    for _ in range(source.length()):
        name = source.string()
        if name in stream.groups:
            raise RdbError("duplicate consumer group", source.offset)
        stream.groups[name] = _read_group(source, stream, code)
    return stream


def _read_id(source: PrimitiveReader) -> int:
    return source.length() << 64 | source.length()


def _read_count(source: PrimitiveReader) -> int:
    """Read a count, which a server that does not stop at the largest one may have written."""
    return min(source.length(), MOST_COUNTED)


def _read_time(source: PrimitiveReader, least: int = 0) -> int:
    # The time that has passed since an earlier one might not fit into a reply.
    return max(source.signed(8), least)


def _read_node(source: PrimitiveReader, stream: Stream) -> None:
    started = source.offset
    key = source.string()
    if len(key) != _ID_WIDTH:
        raise RdbError("the stream node's key is not a stream ID", started)
    first = int.from_bytes(key, "big")
    last = stream.nodes[-1].last if stream.nodes else -1
    started = source.offset
    words = unpack(source.string(), started)
    try:
        node = _make_node(first, words, last)
    except (_Damaged, IndexError):
        raise RdbError("the stream node is damaged", started) from None
    # Redis keeps no node without entries, and `Stream` does not support them.
    if node.ids:
        stream.adopt(node)


class _Damaged(Exception):
    """The words of a node do not form entries."""


def _make_node(first: int, words: list[Entry], after: int) -> Node:
    """Build a node from these words. All its IDs must be greater than `after`."""
    count, deleted, width = _number(words[0]), _number(words[1]), _number(words[2])
    at = 3 + width
    if width < 0 or words[at] != 0:
        raise _Damaged
    fields = [_text(word) for word in words[3:at]]
    at += 1
    node = Node(first, fields)
    first_ms, first_sequence = first >> 64, first & SEQUENCE_MASK
    gone = 0
    after = max(after, first - 1)
    while at < len(words):
        started = at
        flags = _number(words[at])
        entry_id = (first_ms + _number(words[at + 1])) % (1 << 64) << 64
        entry_id |= (first_sequence + _number(words[at + 2])) % (1 << 64)
        at += 3
        if flags & _SAME_FIELDS:
            values = words[at : at + width]
            at += width
            if len(values) != width:
                raise _Damaged
            items: list[bytes] = [b""] * (2 * width)
            items[::2] = fields
            items[1::2] = [_text(word) for word in values]
        else:
            size = _number(words[at])
            if not 0 <= size <= len(words):
                raise _Damaged
            at += 1
            items = [_text(word) for word in words[at : at + 2 * size]]
            at += 2 * size
        # XADD adds no entry without fields, so a log could not recreate one.
        if _number(words[at]) != at - started or entry_id <= after or not items:
            raise _Damaged
        at += 1
        after = entry_id
        node.add(entry_id, items, sum(map(len, items)))
        if flags & _DELETED:
            gone += 1
            node.drop(len(node.ids) - 1, len(node.ids))
    if (count, deleted) != (len(node.ids), gone):
        raise _Damaged
    return node


def _number(word: Entry) -> int:
    if word.__class__ is int:
        return word
    raise _Damaged


def _text(word: Entry) -> bytes:
    return b"%d" % word if word.__class__ is int else word  # type: ignore[return-value]


def _read_group(source: PrimitiveReader, stream: Stream, code: int) -> Group:
    last_id = _read_id(source)
    if code == codes.STREAM_1:
        group = Group(last_id, stream.ordinal(last_id))
    else:
        read = source.length()
        group = Group(last_id, None if read == _UNKNOWN else min(read, MOST_COUNTED))
    unowned: dict[int, Pending] = {}
    nobody = Consumer(b"", 0)
    for _ in range(source.length()):
        entry_id = int.from_bytes(source.take(_ID_WIDTH), "big")
        pending = Pending(nobody, _read_time(source), _read_count(source))
        if entry_id in unowned:
            raise RdbError("duplicate pending entry", source.offset)
        unowned[entry_id] = pending
    group.pending.update(unowned)
    for _ in range(source.length()):
        name = source.string()
        if name in group.consumers:
            raise RdbError("duplicate consumer", source.offset)
        consumer = group.add_consumer(name, _read_time(source))
        # The older forms have no active time; use the seen time for both.
        consumer.active_time = (
            _read_time(source, least=-1) if code == codes.STREAM_3 else consumer.seen_time
        )
        owned: dict[int, Pending] = {}
        for _ in range(source.length()):
            entry_id = int.from_bytes(source.take(_ID_WIDTH), "big")
            found = unowned.pop(entry_id, None)
            if found is None:
                raise RdbError("a consumer's entry is not pending in its group", source.offset)
            found.consumer = consumer
            owned[entry_id] = found
        consumer.pending.update(owned)
    if unowned:
        raise RdbError("a pending entry belongs to no consumer", source.offset)
    return group
