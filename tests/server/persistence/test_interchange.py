"""Real servers load our log and we load theirs: the data is the same afterwards."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.support.data_directories import ours, theirs
from tests.support.oracles import BINARIES
from tests.support.persistence import rewritten
from tests.support.resp import Connection, Error, Word
from tests.support.servers import Loop

KEYS = 12


@pytest.fixture(params=BINARIES)
def make(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if BINARIES[name]() is None:
        pytest.skip(f"there is no {name}-server for this machine")
    return name


def some_writes(rng: Random, count: int) -> list[tuple[Word, ...]]:
    """Return writes of every kind, valid and invalid, on a few keys, with sizes around the
    thresholds of the encodings.

    Scores are sums of powers of two: DEBUG DIGEST of Valkey spells others differently.
    """

    def key() -> bytes:
        return b"k%d" % rng.randrange(KEYS)

    def text() -> bytes:
        size = rng.choice([0, 1, 5, 20, 44, 45, 64, 65, 300])
        return bytes(rng.choices(b"ab\r\n\0\xff $*1", k=size))

    def number() -> int:
        return rng.choice([0, 1, -5, 300, 70000, 2**40, -(2**63), 2**63 - 1])

    makers: list[Callable[[], tuple[Word, ...]]] = [
        lambda: ("SET", key(), text()),
        lambda: ("SET", key(), number(), "PX", 10_000_000),
        lambda: ("SETEX", key(), 5000, text()),
        lambda: ("APPEND", key(), text()),
        lambda: ("SETRANGE", key(), rng.randrange(20), text()),
        lambda: ("INCRBY", key(), rng.randrange(-9, 9)),
        lambda: ("INCRBYFLOAT", key(), "0.25"),
        lambda: ("GETEX", key(), "EX", 9999),
        lambda: ("GETDEL", key()),
        lambda: ("RPUSH", key(), *[text() for _ in range(rng.choice([1, 3, 130]))]),
        lambda: ("LPUSH", key(), number(), text()),
        lambda: ("LINSERT", key(), "BEFORE", number(), text()),
        lambda: ("LMOVE", key(), key(), "LEFT", "RIGHT"),
        lambda: ("RPOP", key(), 2),
        lambda: ("SADD", key(), *[rng.randrange(600) for _ in range(rng.choice([1, 5, 200]))]),
        lambda: ("SADD", key(), text(), text()),
        lambda: ("SPOP", key(), rng.randrange(1, 4)),
        lambda: ("SUNIONSTORE", key(), key(), key()),
        lambda: ("HSET", key(), text(), text(), rng.randrange(5), number()),
        lambda: ("HDEL", key(), rng.randrange(5)),
        lambda: ("HINCRBYFLOAT", key(), rng.randrange(5), "1.5"),
        lambda: ("ZADD", key(), "1.5", text(), "-inf", rng.randrange(9), 12345678.5, "x"),
        lambda: ("ZADD", key(), *[w for n in range(150) for w in (n, b"m%d" % n)]),
        lambda: ("ZPOPMIN", key(), 2),
        lambda: ("ZINCRBY", key(), "0.5", "x"),
        lambda: ("ZUNIONSTORE", key(), 2, key(), key()),
        lambda: ("XADD", key(), "MAXLEN", "~", 50, "*", "f", text()),
        lambda: ("XADD", key(), "*", text(), text(), "g", number()),
        lambda: ("XGROUP", "CREATE", key(), "group", "0", "MKSTREAM"),
        lambda: ("XREADGROUP", "GROUP", "group", "c1", "COUNT", 2, "STREAMS", key(), ">"),
        lambda: ("XAUTOCLAIM", key(), "group", "c2", 0, "0", "COUNT", 1),
        lambda: ("XTRIM", key(), "MAXLEN", 20),
        lambda: ("PFADD", key(), text(), text()),
        lambda: ("SETBIT", key(), rng.randrange(500), 1),
        lambda: ("GEOADD", key(), 13.4, 52.5, text()),
        lambda: ("EXPIRE", key(), rng.randrange(1000, 5000)),
        lambda: ("PERSIST", key()),
        lambda: ("RENAME", key(), key()),
        lambda: ("COPY", key(), key(), "REPLACE"),
        lambda: ("DEL", key()),
        lambda: ("SELECT", rng.choice([0, 0, 0, 9])),
        lambda: ("MOVE", key(), 9),
        lambda: ("MULTI",),
        lambda: ("EXEC",),
    ]  # fmt: skip
    writes = [rng.choice(makers)() for _ in range(count)]
    return [*writes, ("EXEC",)]


def rewrite(connection: Connection) -> None:
    reply = connection("BGREWRITEAOF")
    assert not isinstance(reply, Error), reply
    rewritten(connection)


def write_some(connection: Connection, seed: int) -> None:
    connection.pipeline(some_writes(Random(seed), 400))


def state(connection: Connection) -> tuple[object, ...]:
    """Return what two servers with the same data agree on: values, sizes, pending entries."""
    pending = []
    connection("SELECT", 0)
    for number in range(KEYS):
        key = b"k%d" % number
        if connection("TYPE", key) == "stream":
            pending.append((key, connection("XPENDING", key, "group")))
    deadlines = [connection("PEXPIRETIME", b"k%d" % number) for number in range(KEYS)]
    return connection("DEBUG", "DIGEST"), connection("DBSIZE"), pending, deadlines


@pytest.mark.parametrize("seed", range(4))
def test_a_real_server_loads_our_log(loop: Loop, tmp_path: Path, make: str, seed: int) -> None:
    with ours(loop, tmp_path) as connection:
        write_some(connection, seed)
        if seed % 2:
            rewrite(connection)
            write_some(connection, seed + 100)
        expected = state(connection)
    check_with_redis_check_aof(tmp_path)
    with theirs(make, tmp_path) as connection:
        assert state(connection) == expected


@pytest.mark.parametrize("seed", range(4))
def test_redkeep_loads_the_log_of_a_real_server(
    loop: Loop, tmp_path: Path, make: str, seed: int
) -> None:
    preamble = "no" if seed == 3 else "yes"
    with theirs(make, tmp_path, "--aof-use-rdb-preamble", preamble) as connection:
        write_some(connection, seed)
        if seed % 2:
            rewrite(connection)
            write_some(connection, seed + 100)
        expected = state(connection)
    with ours(loop, tmp_path) as connection:
        assert state(connection) == expected


def test_servers_take_turns_on_one_directory(loop: Loop, tmp_path: Path, make: str) -> None:
    """Each adds to the data of the other, with and without a snapshot as base of the log."""
    for turn, preamble in enumerate(("yes", "no", "yes")):
        with ours(loop, tmp_path, aof_use_rdb_preamble=preamble) as connection:
            write_some(connection, 10 * turn)
            rewrite(connection)
            write_some(connection, 10 * turn + 1)
            expected = state(connection)
        with theirs(make, tmp_path) as connection:
            assert state(connection) == expected
            write_some(connection, 10 * turn + 2)
            rewrite(connection)
            write_some(connection, 10 * turn + 3)
            expected = state(connection)
        with ours(loop, tmp_path) as connection:
            assert state(connection) == expected


def check_with_redis_check_aof(directory: Path) -> None:
    """Check the log with the tool of Redis, if it is installed."""
    tool = shutil.which("redis-check-aof")
    if tool is None:
        return
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    finished = subprocess.run([tool, manifest], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout
    assert "All AOF files and manifest are valid" in finished.stdout


DOMAIN_WRITES = [
    ("JOB.SUBMIT", "gpu", "train", "spam", '{"rounds": 3}', "PRIORITY", 5),
    ("JOB.SUBMIT", "gpu", "backfill", "spam", "{}"),
    ("JOB.CLAIM", "gpu", "w1", "KINDS", 2, "train", "backfill", "LEASE", 60000),
    ("MODEL.REGISTER", "spam", "WEIGHTS", "w1", "METRICS", '{"auc": 0.91}', "BY", "ada"),
    ("MODEL.REGISTER", "spam", "PARENT", 1, "INACTIVE"),
    ("MODEL.ACTIVATE", "spam", 2),
    ("CP.PUT", "acme", "thread-1", "STEP", 0, "STATE", "{}"),
    ("CP.PUT", "acme", "thread-1", "STEP", 1, "STATE", '{"messages": [1]}'),
    ("STORE.MPUT", "acme:agent-a", "colour", "green", "size", "7"),
    ("STORE.PUT", "acme:agent-a", "greeting", "hello", "TTL", 600000),
    ("QUEUE.PUSH", "orders", '{"order":17}', "ID", "order-17"),
    ("QUEUE.PUSH", "orders", "second"),
    ("QUEUE.READ", "orders", "workers", "w1", "LEASE", 5000),
    ("QUEUE.HEARTBEAT", "orders", "workers", "w1", "LEASES", 2),
]
DOMAIN_READS = [
    ("JOB.LIST", "gpu"), ("JOB.STATS", "gpu"), ("MODEL.VERSIONS", "spam"), ("MODEL.LIST",),
    ("CP.LATEST", "acme", "thread-1"), ("CP.HISTORY", "acme", "thread-1", "LIMIT", 10),
    ("STORE.LIST", "acme:agent-a", "WITHVALUES"), ("STORE.NAMESPACES", "acme"),
    ("QUEUE.INFO", "orders"), ("QUEUE.PRESENCE", "orders", "workers"),
]  # fmt: skip


@pytest.mark.parametrize("rewrites", [False, True])
def test_real_servers_load_domain_objects_as_ordinary_keys(
    loop: Loop, tmp_path: Path, make: str, rewrites: bool
) -> None:
    def answers(connection: Connection) -> list[object]:
        return [connection(*words) for words in DOMAIN_READS]

    def every_key(connection: Connection) -> dict[bytes, str]:
        return {key: connection("TYPE", key) for key in connection("KEYS", "*")}

    server = loop.start_server(dir=str(tmp_path), appendonly="yes")
    server.freeze(server.now_ms())
    connection = server.connect()
    for words in DOMAIN_WRITES:
        reply = connection(*words)
        assert not isinstance(reply, Error), (words, reply)
    if rewrites:
        rewrite(connection)
    expected, keys = answers(connection), every_key(connection)
    assert [answer for answer in expected if isinstance(answer, Error)] == []
    frozen_at = server.now_ms()
    server.close()
    with theirs(make, tmp_path) as connection:
        assert every_key(connection) == keys
    again = loop.start_server(dir=str(tmp_path), appendonly="yes")
    again.freeze(frozen_at)
    connection = again.connect()
    assert every_key(connection) == keys
    assert answers(connection) == expected
    again.close()
