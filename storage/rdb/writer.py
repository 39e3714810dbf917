"""Writes snapshots: a whole keyspace in chunks, or key by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct

from storage.frequencies import Frequencies, Uses, uses_of
from storage.keyspace import Keyspace
from storage.rdb import codes
from storage.rdb.checksum import crc64
from storage.rdb.primitive_writer import SHORT, length, string
from storage.rdb.value_writer import least_version, type_code, write_body
from storage.values.hashes import Hash
from storage.values.streams import Stream
from storage.values.types import Value

# The approximate size of a chunk.
_CHUNK = 1 << 16
_INT64, _UINT64 = Struct("<q"), Struct("<Q")
# Strings of these lengths are stored as they are: too long for a number, too short to
# compress.
_PLAIN_FROM, _PLAIN_TO = 12, 20

Facts = Mapping[str, str | int]


def needed_version(keyspace: Keyspace) -> int:
    """Return the oldest version that can represent everything in the keyspace."""
    version = codes.OLDEST_WRITTEN
    for database in keyspace.databases:
        values = database.data.values()
        # This collects the classes in C, without running Python code per key.
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
    """Yield a snapshot of the whole keyspace in chunks.

    The keyspace must not change before the last chunk: use this in a forked process, or for
    a save that blocks the server. When clients continue in between, use a `SnapshotWriter`
    and give it each key as it was when the snapshot began.
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
        uses = uses_of(database.accessed, keyspace.now, idle_times=idle_times)
        add = writer.add
        deadline_of = expires.get if expires else None
        for key, value in data.items():
            deadline = deadline_of(key) if deadline_of is not None else None
            if add(key, value, deadline, uses):
                yield writer.take()
    writer.finish()
    yield writer.take()


class SnapshotWriter:
    """Assembles a snapshot from its parts; `take` returns the bytes written so far.

    The order is `begin`, any libraries, then for each database `select` and its keys, and
    finally `finish`, without which the snapshot cannot be read.
    """

    __slots__ = ("_compress", "_crc", "_out", "_sums", "version")

    def __init__(self, version: int, *, compress: bool = True, checksum: bool = True) -> None:
        """`version` is the result of `needed_version` for the keyspace to be written."""
        self.version = version
        self._compress = compress
        self._sums = checksum
        self._crc = 0
        self._out = bytearray()

    def begin(self, facts: Facts) -> None:
        """Write the header, with metadata such as the program's version and the time."""
        if self.version >= codes.VALKEY:
            self._out += b"%b%03d" % (codes.VALKEY_MAGIC, self.version)
        else:
            self._out += b"%b%04d" % (codes.REDIS_MAGIC, self.version)
        for name, fact in facts.items():
            self._out.append(codes.FACT)
            self._out += string(name.encode(), False) + string(str(fact).encode(), False)

    def add_library(self, code: bytes) -> None:
        """Write the source code of a function library."""
        self._out.append(codes.FUNCTION)
        self._out += string(code, self._compress)

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database; `keys` and `deadlines` are size hints for the reader."""
        self.reselect(index)
        self._out.append(codes.SIZES)
        self._out += length(keys) + length(deadlines)

    def reselect(self, index: int) -> None:
        """Continue a database that was begun before: keys may come in any order."""
        self._out.append(codes.SELECT)
        self._out += length(index)

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, uses: Uses | None = None
    ) -> bool:
        """Write a key and, with `uses`, when or how often it was used.

        Return whether enough bytes are buffered for a chunk.
        """
        out = self._out
        if deadline is not None:
            out.append(codes.EXPIRES_MS)
            out += _INT64.pack(deadline)
        if uses is not None:
            accessed, now = uses
            if isinstance(accessed, Frequencies):
                out.append(codes.FREQUENCY)
                out.append(accessed.counter(key, now))
            else:
                out.append(codes.IDLE)
                out += length(max(0, now - accessed.get(key, now)) // 1000)
        compress = self._compress
        if value.__class__ is bytes:
            # The most common case, so that of plain strings is handled inline.
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
        """Write the end marker and the checksum of everything before."""
        self._out.append(codes.END)
        self._sum_up(self._out)
        self._out += _UINT64.pack(self._crc)

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        chunk = bytes(self._out)
        if self._sums and chunk:
            # After `finish` this has no effect any more: the checksum is written.
            self._crc = crc64(chunk, self._crc)
        self._out.clear()
        return chunk

    def _sum_up(self, data: bytearray) -> None:
        if self._sums:
            self._crc = crc64(data, self._crc)
