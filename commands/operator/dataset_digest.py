"""DEBUG DIGEST: a digest of all data, the same for every server with the same data.

The digest is compatible with that of Redis. Unordered parts (keys, members of sets, fields of
hashes) are combined with exclusive or, so their order does not matter. Ordered parts (items
of lists, entries of streams) are mixed in one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

from storage.aof.rebuild import rebuild_value
from storage.database import Database
from storage.keyspace import Keyspace
from storage.values.hashes import Hash
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import MAX_ID, SEQUENCE_MASK, Stream
from storage.values.types import type_name

_SIZE = 20
_EMPTY = bytes(_SIZE)
# The number of each type in Redis.
_TYPE_NUMBERS = {"string": 0, "list": 1, "set": 2, "zset": 3, "hash": 4, "stream": 6}
# The number of all other types; those of Redis are smaller.
_OTHER_TYPE = 1 << 16


def _sha1(data: bytes | bytearray) -> bytes:
    return sha1(data, usedforsecurity=False).digest()


def _combined(digest: bytes, other: bytes) -> bytes:
    number = int.from_bytes(digest, "big") ^ int.from_bytes(other, "big")
    return number.to_bytes(_SIZE, "big")


def _added(digest: bytes, data: bytes | bytearray) -> bytes:
    """Add data to the digest whose order does not matter."""
    return _combined(digest, _sha1(data))


def _mixed(digest: bytes, *parts: bytes | bytearray) -> bytes:
    """Add data to the digest whose order matters."""
    for data in parts:
        digest = _sha1(_added(digest, data))
    return digest


def keyspace_digest(keyspace: Keyspace) -> bytes:
    total = _EMPTY
    for database in keyspace.databases:
        if database.data:
            total = _mixed(total, database.index.to_bytes(4, "big"))
        for key in database.data:
            total = _added(total, _value_digest(database, key, _mixed(_EMPTY, key)))
    return total


def value_digest(database: Database, key: bytes) -> bytes:
    """Return the digest of a value, independent of its key; zeros if the key is missing."""
    return _value_digest(database, key, _EMPTY) if key in database.data else _EMPTY


def _value_digest(database: Database, key: bytes, digest: bytes) -> bytes:
    value = database.data[key]
    digest = _mixed(digest, _TYPE_NUMBERS.get(type_name(value), _OTHER_TYPE).to_bytes(4, "big"))
    match value:
        case bytes() | bytearray():
            digest = _mixed(digest, value)
        case List():
            digest = _mixed(digest, *value)
        case Stream():
            digest = _mixed(digest, *_stream_parts(value))
        case Set():
            for member in value:
                digest = _added(digest, member)
        case Hash():
            for field, content in value.items():
                digest = _added(digest, _mixed(_EMPTY, field, content))
        case SortedSet():
            for member, score in value.items():
                digest = _added(digest, _mixed(_EMPTY, member, b"%.17g" % score))
        case _:
            # A type that Redis does not have: the requests that recreate the value describe it.
            for request in rebuild_value(b"", value):
                digest = _mixed(digest, *request)
    if database.deadline(key) is not None:
        digest = _added(digest, b"!!expire!!")
    return digest


def _stream_parts(stream: Stream) -> Iterable[bytes]:
    for entry_id, row in stream.range(0, MAX_ID):
        yield b"%d.%d" % (entry_id >> 64, entry_id & SEQUENCE_MASK)
        yield from row
