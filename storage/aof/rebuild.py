"""The requests that recreate the data, for a log that does not begin with a snapshot.

They use only basic commands that every Redis version knows, and are readable for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from storage.keyspace import Keyspace
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import MAX_ID, SEQUENCE_MASK, Stream
from storage.values.types import Value

Request = list[bytes]

# How many items of a collection one request adds.
_ITEMS = 64


def rebuild(keyspace: Keyspace, libraries: Iterable[bytes] = ()) -> Iterator[list[Request]]:
    """Yield the requests that recreate the libraries of functions and each key, in groups."""
    for code in libraries:
        yield [rebuild_library(code)]
    for database in keyspace.databases:
        if database.data:
            yield [[b"SELECT", b"%d" % database.index]]
        for key, value in database.data.items():
            yield rebuild_key(key, value, database.expires.get(key))


def rebuild_library(code: bytes) -> Request:
    return [b"FUNCTION", b"LOAD", code]


def rebuild_key(key: bytes, value: Value, deadline: int | None) -> list[Request]:
    """Return the requests that recreate a key with its deadline."""
    requests = list(rebuild_value(key, value))
    if deadline is not None:
        requests.append([b"PEXPIREAT", key, b"%d" % deadline])
    return requests


def rebuild_value(key: bytes, value: Value) -> Iterator[Request]:
    match value:
        case bytes() | bytearray():
            yield [b"SET", key, bytes(value)]
        case List():
            yield from _adding(b"RPUSH", key, ([item] for item in value))
        case Set():
            yield from _adding(b"SADD", key, ([member] for member in value))
        case SortedSet():
            pairs = ([b"%.17g" % score, member] for member, score in value.items())
            yield from _adding(b"ZADD", key, pairs)
        case Hash():
            yield from _adding(b"HSET", key, value.items())
            yield from _field_deadlines(key, value)
        case Stream():
            yield from _stream(key, value)
        case _:
            assert_never(value)


def _adding(name: bytes, key: bytes, items: Iterable[Iterable[bytes]]) -> Iterator[Request]:
    count = 0
    request = [name, key]
    for item in items:
        if count == _ITEMS:
            yield request
            count, request = 0, [name, key]
        request += item
        count += 1
    yield request


def _field_deadlines(key: bytes, value: Hash) -> Iterator[Request]:
    for field, deadline in (value.deadlines or {}).items():
        yield [b"HPEXPIREAT", key, b"%d" % deadline, b"FIELDS", b"1", field]


def _id(number: int) -> bytes:
    return b"%d-%d" % (number >> 64, number & SEQUENCE_MASK)


def _stream(key: bytes, stream: Stream) -> Iterator[Request]:
    for entry_id, row in stream.range(0, MAX_ID):
        yield [b"XADD", key, _id(entry_id), *row]
    if not len(stream):
        # Adding an entry that is trimmed at once creates an empty stream. IDs must exceed 0.
        yield [b"XADD", key, b"MAXLEN", b"0", _id(max(1, stream.last_id)), b"x", b"y"]
    yield [
        b"XSETID", key, _id(stream.last_id), b"ENTRIESADDED", b"%d" % stream.entries_added,
        b"MAXDELETEDID", _id(stream.max_deleted_id),
    ]  # fmt: skip
    for name, group in stream.groups_by_name():
        read = -1 if group.entries_read is None else group.entries_read
        yield [
            b"XGROUP", b"CREATE", key, name, _id(group.last_id), b"ENTRIESREAD", b"%d" % read,
        ]  # fmt: skip
        for consumer in group.consumers_by_name():
            yield [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name]
            for entry_id, pending in consumer.pending.items():
                yield [
                    b"XCLAIM", key, name, consumer.name, b"0", _id(entry_id),
                    b"TIME", b"%d" % pending.delivery_time,
                    b"RETRYCOUNT", b"%d" % pending.deliveries, b"JUSTID", b"FORCE",
                ]  # fmt: skip
