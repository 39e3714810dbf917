"""Reading a snapshot into a keyspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from storage.database import Database
from storage.frequencies import Frequencies
from storage.keyspace import Keyspace
from storage.rdb import codes
from storage.rdb.errors import RdbError
from storage.rdb.primitive_reader import PrimitiveReader, Readable
from storage.rdb.redis_modules import skip_module_facts
from storage.rdb.value_reader import read_value
from storage.values.types import Value

# How many bytes a step reads, roughly.
_STEP = 1 << 17
_CHECKSUM_WIDTH = 8
_FIRST_WITH_CHECKSUM = 5
_LATEST = 1 << 63
# Redis keeps the seconds since the last use in 24 bits.
_LONGEST_IDLE = (1 << 24) - 1


@dataclass(slots=True)
class Loaded:
    """What a snapshot contained besides its keys."""

    version: int = 0
    # Metadata from the program that wrote it: b"redis-ver", b"ctime", b"aof-base" ...
    facts: dict[bytes, bytes] = field(default_factory=dict)
    # The source code of function libraries.
    libraries: list[bytes] = field(default_factory=list)
    # How many items that only a Redis module can read were skipped.
    module_facts: int = 0
    keys: int = 0
    # Keys that were left out because they had expired, or were empty collections.
    expired: int = 0
    empty: int = 0
    # The offset where the snapshot ends. Other data may follow it in the same file.
    end: int = 0


def load(
    source: Readable,
    keyspace: Keyspace,
    progress: Callable[[int], None] | None = None,
    *,
    keep_expired: bool = False,
    replace: bool = False,
    checksum: bool = True,
) -> Loaded:
    """Read a snapshot from a binary file into the keyspace; `RdbError` if it is damaged.

    `progress` is called from time to time with the number of bytes read. `SnapshotReader`
    documents the other options, and reads in steps. After an error, the keys read so far
    are in the keyspace.
    """
    reader = SnapshotReader(
        source, keyspace, keep_expired=keep_expired, replace=replace, checksum=checksum
    )
    for done in reader.steps():
        if progress is not None:
            progress(done)
    return reader.loaded


class SnapshotReader:
    """Reads a snapshot a step at a time, so that a server can answer in between.

    Loading causes no events, and nothing counts as dirty. Expired keys are left out, as by
    any server that is not a replica, unless `keep_expired` is set: when a log follows the
    snapshot, a later command in it may have extended their life. A key that already exists
    is an error unless `replace` is set.
    """

    __slots__ = ("_keep_expired", "_keyspace", "_replace", "_source", "loaded")

    def __init__(
        self,
        source: Readable,
        keyspace: Keyspace,
        *,
        keep_expired: bool = False,
        replace: bool = False,
        checksum: bool = True,
    ) -> None:
        self._source = PrimitiveReader(source)
        self._source.checks = checksum
        self._keyspace = keyspace
        self._keep_expired = keep_expired
        self._replace = replace
        self.loaded = Loaded()

    def steps(self) -> Iterator[int]:
        """Read everything, yielding after each step how many bytes were read."""
        source, keyspace, loaded = self._source, self._keyspace, self.loaded
        version = loaded.version = self._read_head()
        limits, now = keyspace.limits, keyspace.now
        database = keyspace.databases[0]
        deadline: int | None = None
        accessed: int | None = None
        frequency: int | None = None
        pause_at = _STEP
        while True:
            started = source.offset
            code = source.byte()
            if code < codes.SLOT_IMPORT:
                key = source.string()
                value = read_value(source, code, version, limits)
                if deadline is not None and deadline < now and not self._keep_expired:
                    loaded.expired += 1
                elif value is None:
                    loaded.empty += 1
                else:
                    self._put(database, key, value, deadline, accessed, started)
                    loaded.keys += 1
                    if frequency is not None and isinstance(database.accessed, Frequencies):
                        database.accessed.set_counter(key, frequency, keyspace.now)
                deadline = accessed = frequency = None
                if source.offset >= pause_at:
                    pause_at = source.offset + _STEP
                    yield source.offset
            elif code == codes.EXPIRES_MS:
                deadline = self._within_range(source.signed(8), started)
            elif code == codes.EXPIRES_S:
                deadline = self._within_range(source.signed(4) * 1000, started)
            elif code == codes.IDLE:
                accessed = now - min(source.length(), _LONGEST_IDLE) * 1000
            elif code == codes.FREQUENCY:
                frequency = source.byte()
            elif code == codes.SELECT:
                database = self._select(source.length(), started)
            elif code == codes.SIZES:
                source.length()
                source.length()
            elif code == codes.FACT:
                name = source.string()
                loaded.facts[name] = source.string()
            elif code == codes.FUNCTION:
                loaded.libraries.append(source.string())
            elif code == codes.END:
                break
            else:
                self._skip(code, started)
        self._check_end(version)
        loaded.end = source.offset
        yield source.offset

    def _read_head(self) -> int:
        head = self._source.take(codes.MAGIC_LENGTH)
        for magic in (codes.REDIS_MAGIC, codes.VALKEY_MAGIC):
            digits = head[len(magic) :]
            if head.startswith(magic) and digits.isdigit():
                version = int(digits)
                if codes.is_readable(version) and (version >= codes.VALKEY) == (
                    magic == codes.VALKEY_MAGIC
                ):
                    return version
                raise RdbError(f"RDB version {version} is not supported", 0)
        raise RdbError("not an RDB file: it does not begin with REDIS or VALKEY", 0)

    def _put(
        self,
        database: Database,
        key: bytes,
        value: Value,
        deadline: int | None,
        accessed: int | None,
        started: int,
    ) -> None:
        if not database.load(key, value, deadline, accessed):
            if not self._replace:
                raise RdbError(f"duplicate key {key[:100]!r}", started)
            database.discard(key)
            database.load(key, value, deadline, accessed)

    def _within_range(self, deadline: int, started: int) -> int | None:
        # Negative deadlines are valid: Redis itself keeps those from before 1970. To Redis, -1
        # means none.
        if not -_LATEST <= deadline < _LATEST:
            raise RdbError("the expiry time is out of range", started)
        return None if deadline == -1 else deadline

    def _select(self, index: int, started: int) -> Database:
        databases = self._keyspace.databases
        if index >= len(databases):
            raise RdbError(
                f"the file has keys for database {index}, but the setting 'databases' is "
                f"{len(databases)}",
                started,
            )
        return databases[index]

    def _skip(self, code: int, started: int) -> None:
        """Skip an item that says nothing about keys."""
        source = self._source
        if code == codes.SLOT_INFO:
            for _ in range(3):
                source.length()
        elif code == codes.SLOT_IMPORT:
            source.string()
            for _ in range(source.length()):
                source.length()
                source.length()
        elif code == codes.MODULE_AUX:
            skip_module_facts(source)
            self.loaded.module_facts += 1
        else:
            # The one remaining code is FUNCTION_DRAFT.
            raise RdbError(
                "functions in the format of a Redis 7.0 pre-release are not supported", started
            )

    def _check_end(self, version: int) -> None:
        if version < _FIRST_WITH_CHECKSUM:
            return
        source = self._source
        found = source.checksum()
        started = source.offset
        said = source.unsigned(_CHECKSUM_WIDTH)
        # Zero means that the file was written without a checksum.
        if source.checks and said and said != found:
            raise RdbError("the checksum does not match: the file is damaged", started)
