"""Writing a snapshot: the whole of a keyspace, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct

from storage.keyspace import Keyspace
from storage.rdb import codes
from storage.rdb.checksum import crc64
from storage.rdb.primitive_writer import SHORT, length, string
from storage.rdb.value_writer import least_version, type_code, write_body
from storage.values.hashes import Hash
from storage.values.streams import Stream
from storage.values.types import Value

# About as many bytes are handed on at a time.
_CHUNK = 1 << 16
_INT64, _UINT64 = Struct("<q"), Struct("<Q")
# Strings that begin like this many others: neither a number nor worth compressing.
_PLAIN_FROM, _PLAIN_TO = 12, 20

Facts = Mapping[str, str | int]


def needed_version(keyspace: Keyspace) -> int:
    """The oldest version that holds everything in the keyspace."""
    version = codes.OLDEST_WRITTEN
    for database in keyspace.databases:
        values = database.data.values()
        # The classes are gathered without a step of Python per key.
        if {Hash, Stream}.isdisjoint(set(map(type, values))):
            continue
        for value in values:
            if value.__class__ is Hash or value.__class__ is Stream:
                version = max(version, least_version(value))
                if version == codes.VALKEY:
                    return version
    return version


def save(
    keyspace: Keyspace,
    facts: Facts,
    *,
    libraries: Iterable[bytes] = (),
    compress: bool = True,
    checksum: bool = True,
    idle_times: bool = False,
) -> Iterator[bytes]:
    """A snapshot of everything, in chunks to be written one after the other.

    The keyspace must not change until the last chunk was taken: this is for a forked
    process, or for a save that everybody waits for. Where clients go on in between, use a
    `SnapshotWriter` and give it each key as it was when the snapshot began.
    """
    writer = SnapshotWriter(needed_version(keyspace), compress=compress, checksum=checksum)
    writer.begin(facts)
    for code in libraries:
        writer.add_library(code)
    for database in keyspace.databases:
        data, expires = database.data, database.expires
        if not data:
            continue
        writer.select(database.index, len(data), len(expires))
        accessed = database.accessed if idle_times else None
        now = keyspace.now
        add = writer.add
        deadline_of = expires.get if expires else None
        for key, value in data.items():
            deadline = deadline_of(key) if deadline_of is not None else None
            if accessed is None:
                full = add(key, value, deadline)
            else:
                full = add(key, value, deadline, max(0, now - accessed.get(key, now)))
            if full:
                yield writer.take()
    writer.finish()
    yield writer.take()


class SnapshotWriter:
    """Puts a snapshot together from its parts; `take` hands out what has gathered.

    The order is `begin`, any libraries, then for each database `select` and its keys, and
    `finish`. Only a snapshot that was finished can be read.
    """

    __slots__ = ("_compress", "_crc", "_out", "_sums", "version")

    def __init__(self, version: int, *, compress: bool = True, checksum: bool = True) -> None:
        """`version` is what `needed_version` said of the keyspace that is to be written."""
        self.version = version
        self._compress = compress
        self._sums = checksum
        self._crc = 0
        self._out = bytearray()

    def begin(self, facts: Facts) -> None:
        """Write the head, with facts like the program's version and the time."""
        if self.version >= codes.VALKEY:
            self._out += b"%b%03d" % (codes.VALKEY_MAGIC, self.version)
        else:
            self._out += b"%b%04d" % (codes.REDIS_MAGIC, self.version)
        for name, fact in facts.items():
            self._out.append(codes.FACT)
            self._out += string(name.encode(), False) + string(str(fact).encode(), False)

    def add_library(self, code: bytes) -> None:
        """Write a library of functions: its source text."""
        self._out.append(codes.FUNCTION)
        self._out += string(code, self._compress)

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database; how many keys come, and how many with deadlines, are hints."""
        self.turn_to(index)
        self._out.append(codes.SIZES)
        self._out += length(keys) + length(deadlines)

    def turn_to(self, index: int) -> None:
        """Go on with a database that was begun before: keys may come in any order."""
        self._out.append(codes.SELECT)
        self._out += length(index)

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, idle: int | None = None
    ) -> bool:
        """Write a key; `idle` are the milliseconds since its last use.

        Returns whether so much has gathered that it should be taken.
        """
        out = self._out
        if deadline is not None:
            out.append(codes.EXPIRES_MS)
            out += _INT64.pack(deadline)
        if idle is not None:
            out.append(codes.IDLE)
            out += length(idle // 1000)
        compress = self._compress
        if value.__class__ is bytes:
            # Most of what is stored; a key or value of such a size stands for itself.
            size = len(key)
            if _PLAIN_FROM <= size <= _PLAIN_TO:
                out += b"\0%b%b" % (SHORT[size], key)
            else:
                out += b"\0" + string(key, compress)
            size = len(value)
            if _PLAIN_FROM <= size <= _PLAIN_TO:
                out += SHORT[size] + value
            else:
                out += string(value, compress)
        else:
            code = type_code(value, self.version)
            out.append(code)
            out += string(key, compress)
            write_body(out, code, value, compress)
        return len(out) >= _CHUNK

    def finish(self) -> None:
        """Write the end, with the checksum of everything."""
        self._out.append(codes.END)
        self._sum_up(self._out)
        self._out += _UINT64.pack(self._crc)

    def take(self) -> bytes:
        """The bytes that have gathered since the last time."""
        chunk = bytes(self._out)
        if self._sums and chunk:
            # After the end this comes too late to matter.
            self._crc = crc64(chunk, self._crc)
        self._out.clear()
        return chunk

    def _sum_up(self, data: bytearray) -> None:
        if self._sums:
            self._crc = crc64(data, self._crc)
