"""A copy holds the data as it was when the copy began, whatever is changed during it."""

from __future__ import annotations

import io
import random

import hiredis
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from commands.operator.dataset_digest import keyspace_digest
from storage import rdb
from storage.aof.writer import RequestWriter
from storage.copying import Copy
from storage.keyspace import Keyspace
from tests.support.fuzzing import PREPARATION, Commands
from tests.support.offline import Offline, frozen_instance

NOW = 1_700_000_000_000
# Far more slices than the data has keys.
MOST_SLICES = 10_000

# Every kind of change to every type of value: in place, replacing it, and beside it.
CHANGES = [
    line.encode().split()
    for line in """
    SET number 11|INCR number|APPEND string more|SETRANGE string 1 x|SETBIT bitmap 3 1
    RPUSH list x|LPOP list|LSET list 0 y|LTRIM list 1 -1|LMOVE list list LEFT RIGHT|LREM list 1 a
    SADD set x|SREM set a|SPOP set|SADD intset 9|SMOVE set intset b|SINTERSTORE new set set
    ZADD zset 9 x|ZINCRBY zset 1 a|ZPOPMIN zset|ZREM zset b|ZUNIONSTORE zset 1 geo
    HSET hash a 2 f 3|HDEL hash b|HINCRBY hash a 1|HPERSIST hash FIELDS 1 f|HGETALL hash
    HPEXPIRE hash 5 FIELDS 1 f|HPEXPIRE hash 8 FIELDS 2 a f
    XADD stream 9-9 f v|XDEL stream 1-1|XTRIM stream MAXLEN 0|XSETID stream 99-0
    XREADGROUP GROUP group other STREAMS stream >|XREADGROUP GROUP group consumer STREAMS stream 0
    XACK stream group 1-1|XCLAIM stream group new 0 1-1|XAUTOCLAIM stream group new 0 0
    XGROUP CREATE stream second 0|XGROUP DESTROY stream group|XGROUP SETID stream group 0
    XGROUP CREATECONSUMER stream group c|XGROUP DELCONSUMER stream group consumer
    PFADD hll x y z|PFMERGE hll hll|GEOADD geo 1 1 c|PEXPIRE list 5|PERSIST list|EXPIRE set 100
    RENAME list new|RENAME stream zset|RENAME hash new|RENAMENX new list|COPY zset new REPLACE
    DEL list|UNLINK stream|GETDEL string|MOVE hash 1|MOVE set 1|SWAPDB 0 1|SELECT 0|SELECT 1
    FLUSHDB|FLUSHALL|SORT list ALPHA STORE new|GETEX string PX 5|SET number 5 PX 5
    """.replace("\n", "|").split("|")
    if line.strip()
]


class Arena:
    """An instance without sockets, in which no client blocks."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._session = Offline(NOW)
        self.instance = self._session.instance
        self.keyspace = self.instance.keyspace
        fuzz = Commands(self.rng)
        self._writes = [
            command
            for command in fuzz.commands
            if command.writes and "blocking" not in command.flags
        ]
        self._fuzz = fuzz
        for number in b"10":
            self.ask([b"SELECT", b"%c" % number])
            for request in PREPARATION:
                self.ask(request)

    def ask(self, argv: list[bytes]) -> None:
        self._session.run(argv)

    def change(self) -> None:
        """Let time pass, or run a write whose arguments mostly fit."""
        rng = self.rng
        if rng.random() < 0.1:
            self.instance.clock.advance(rng.choice((1, 10)))
            self.keyspace.refresh_now()
            self.keyspace.sweep_expired(100)
        elif rng.random() < 0.6:
            request = rng.choice(CHANGES)
            # Flushing more often would mostly leave no data to change.
            if not request[0].startswith(b"FLUSH") or rng.random() < 0.1:
                self.ask(request)
        else:
            self.ask(self._fuzz.of(rng.choice(self._writes)))

    def changes(self, most: int) -> None:
        for _ in range(self.rng.randrange(most)):
            self.change()


def run_copy(arena: Arena, copy: Copy) -> bytes:
    """Take slices of the copy, with changes in between, until it is finished."""
    written: list[bytes] = []
    for _ in range(MOST_SLICES):
        if copy.finished:
            return b"".join(written)
        arena.changes(8)
        # Without any time, a slice is one key.
        written.append(copy.slice(0))
    raise AssertionError("the copy does not finish")


def loaded(snapshot: bytes) -> Keyspace:
    # Long before any deadline.
    keyspace = frozen_instance(0).keyspace
    rdb.load(io.BytesIO(snapshot), keyspace, keep_expired=True)
    return keyspace


def contents(keyspace: Keyspace) -> dict[tuple[int, bytes], tuple[bytes, int | None]]:
    """Return all values with their deadlines. Unlike the digest this includes stream groups."""
    return {
        (database.index, key): (rdb.dump_value(value), database.expires.get(key))
        for database in keyspace.databases
        for key, value in database.data.items()
    }


def test_renaming_a_key_does_not_change_it_in_the_copy() -> None:
    arena = Arena(0)
    database = arena.keyspace.databases[0]
    expected = rdb.dump_value(database.data[b"list"])
    writer = rdb.SnapshotWriter(rdb.needed_version(arena.keyspace))
    writer.begin({})
    copy = Copy(arena.keyspace, writer)
    value = database.discard(b"list")
    assert value is not None
    database.store(b"new", value, "rename_to")
    arena.ask([b"RPUSH", b"new", b"more"])
    found = loaded(copy.slice(60)).databases[0]
    assert copy.finished
    assert rdb.dump_value(found.data[b"list"]) == expected
    assert b"new" not in found.data


@given(st.integers(0, 1 << 32))
@settings(max_examples=20, deadline=None, phases=[Phase.generate])
def test_a_rewritten_log_holds_the_data_of_its_start(seed: int) -> None:
    arena = Arena(seed)
    arena.changes(30)
    digest = keyspace_digest(arena.keyspace)
    copy = Copy(arena.keyspace, RequestWriter())
    written = run_copy(arena, copy)
    replayed = Arena(seed)
    # No key expires during the replay, as when a log is loaded.
    replayed.instance.clock.freeze(0)
    replayed.keyspace.refresh_now()
    replayed.keyspace.flush_all()
    reader = hiredis.Reader()
    reader.feed(written)
    for request in iter(reader.gets, False):
        replayed.ask(request)
    assert keyspace_digest(replayed.keyspace) == digest


@given(st.integers(0, 1 << 32))
@settings(max_examples=100, deadline=None, phases=[Phase.generate])
def test_a_snapshot_holds_the_data_of_its_start(seed: int) -> None:
    arena = Arena(seed)
    keyspace = arena.keyspace
    arena.changes(30)
    digest, expected = keyspace_digest(keyspace), b"".join(rdb.save(keyspace, {}))
    writer = rdb.SnapshotWriter(rdb.needed_version(keyspace))
    writer.begin({})
    copy = Copy(keyspace, writer)
    written = run_copy(arena, copy)
    assert keyspace.copying is None
    arena.changes(8)
    found = loaded(written)
    assert contents(found) == contents(loaded(expected))
    assert keyspace_digest(found) == digest
