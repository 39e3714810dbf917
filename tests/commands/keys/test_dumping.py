"""DUMP and RESTORE: events, expiry, blocked clients and log entries.

Replies are compared with real servers in tests/differential; tests/storage/rdb covers the
payloads of all types.
"""

from __future__ import annotations

import pytest

from storage.rdb import dump_value
from tests.support.keyspace import dirty, listen
from tests.support.offline import bare
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

ONE = dump_value(b"1")


def test_a_value_of_every_type_can_be_restored(client: Connection) -> None:
    client("SET", "string", "value")
    client("RPUSH", "list", "a", "b")
    client("SADD", "set", "a", "b")
    client("HSET", "hash", "f", "v")
    client("ZADD", "zset", 1.5, "a")
    client("XADD", "stream", "1-1", "f", "v")
    client("XGROUP", "CREATE", "stream", "g", 0)
    for key in ("string", "list", "set", "hash", "zset", "stream"):
        assert client("RESTORE", "copy", 0, client("DUMP", key), "REPLACE") == "OK"
        assert client("TYPE", "copy") == client("TYPE", key)
        assert client("DEBUG", "DIGEST-VALUE", "copy") == client("DEBUG", "DIGEST-VALUE", key)


def test_restoring_announces_events(server: RunningServer, client: Connection) -> None:
    events = listen(server)
    before = dirty(server)
    client("RESTORE", "k", 0, ONE)
    client("RESTORE", "k", 0, ONE, "REPLACE")
    assert events == [
        (0, b"k", "new", False),
        (0, b"k", "restore", True),
        (0, b"k", "new", False),
        (0, b"k", "restore", True),
    ]
    assert dirty(server) == before + 2


def test_restoring_an_expired_value_removes_the_key(
    server: RunningServer, client: Connection
) -> None:
    events = listen(server)
    before = dirty(server)
    client("RESTORE", "k", 1, ONE, "ABSTTL")
    assert events == []
    assert dirty(server) == before
    client("SET", "k", "old")
    events.clear()
    client("RESTORE", "k", 1, ONE, "ABSTTL", "REPLACE")
    assert events == [(0, b"k", "del", True)]
    assert dirty(server) == before + 2


def test_a_failed_restore_changes_nothing(server: RunningServer, client: Connection) -> None:
    client("SET", "k", "old", "EX", 100)
    before = dirty(server)
    for words in (("x", ONE), (-1, ONE), (0, "bad"), (0, ONE[:-1] + b"?"), (0, ONE, "FREQ", 256)):
        assert isinstance(client("RESTORE", "k", *words, "REPLACE"), Error)
    assert client("GET", "k") == b"old"
    assert client("TTL", "k") == 100
    assert dirty(server) == before


def test_a_restored_key_expires(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("RESTORE", "k", 500, ONE)
    assert client("PEXPIRETIME", "k") == server.now_ms() + 500
    server.advance(500)
    assert client("GET", "k") == b"1"
    server.advance(1)
    assert client("GET", "k") is None


def test_fields_of_a_restored_hash_expire(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("HSET", "h", "f", "v", "g", "w")
    client("HPEXPIRE", "h", 500, "FIELDS", 1, "f")
    payload = client("DUMP", "h")
    client("RESTORE", "copy", 0, payload)
    assert client("HPTTL", "copy", "FIELDS", 2, "f", "g") == [500, -1]
    server.advance(501)
    assert client("HGETALL", "copy") == [b"g", b"w"]
    client("RESTORE", "late", 0, payload)
    assert client("HGETALL", "late") == [b"g", b"w"]


def test_the_rdbcompression_setting_controls_compression(client: Connection) -> None:
    pytest.importorskip("lzf")
    client("SET", "k", "abc" * 1000)
    client("CONFIG", "SET", "rdbcompression", "no")
    plain = client("DUMP", "k")
    client("CONFIG", "SET", "rdbcompression", "yes")
    packed = client("DUMP", "k")
    assert len(plain) > 3000 > 300 > len(packed)
    for payload in (plain, packed):
        client("RESTORE", "copy", 0, payload, "REPLACE")
        assert client("GET", "copy") == b"abc" * 1000


def test_restoring_wakes_a_blocked_client(server: RunningServer, client: Connection) -> None:
    client("RPUSH", "list", "item")
    payload = client("DUMP", "list")
    waiting = server.connect()
    waiting.send("BLPOP", "k", 0)
    client("RESTORE", "k", 0, payload)
    assert waiting.read() == [b"k", b"item"]


def test_log_entries_have_absolute_deadlines(server: RunningServer, client: Connection) -> None:
    server.freeze()
    at = b"%d" % (server.now_ms() + 500)
    journal = server.record()
    client("RESTORE", "k", 500, ONE)
    client("RESTORE", "k", 500, ONE, "REPLACE", "IDLETIME", 7)
    client("RESTORE", "k", 0, ONE, "REPLACE")
    client("RESTORE", "k", at, ONE, "REPLACE", "ABSTTL")
    client("RESTORE", "k", 1, ONE, "REPLACE", "ABSTTL")
    client("RESTORE", "k", 1, ONE, "REPLACE", "ABSTTL")
    assert server.call(bare, journal) == [
        [b"RESTORE", b"k", at, ONE, b"ABSTTL"],
        [b"RESTORE", b"k", at, ONE, b"REPLACE", b"IDLETIME", b"7", b"ABSTTL"],
        [b"RESTORE", b"k", b"0", ONE, b"REPLACE"],
        [b"RESTORE", b"k", at, ONE, b"REPLACE", b"ABSTTL"],
        [b"DEL", b"k"],
    ]
