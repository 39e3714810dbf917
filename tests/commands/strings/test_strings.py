"""Expiry, events and log entries of string commands, and the arithmetic of long doubles.

Replies are compared with real servers in tests/differential.
"""

from __future__ import annotations

from random import Random

import pytest

from commands.engine.long_doubles import add_long_doubles, read_long_double
from commands.families import load
from commands.instance.context import Context
from storage.database import Database
from tests.support.offline import Offline
from tests.support.resp import Connection
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


@pytest.fixture
def ctx() -> Context:
    return Offline(NOW).context


def run(ctx: Context, *words: bytes) -> object:
    ctx.log_entries = None
    return load()[words[0].decode()].handler(ctx, list(words))


def test_a_string_expires_after_its_deadline(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    assert client("SET", "k", "v", "PX", "1000") == "OK"
    server.advance(1000)
    assert client("GET", "k") == b"v"
    server.advance(1)
    assert client("GET", "k") is None
    assert client("SET", "k", "w", "NX", "GET") is None
    assert client("GET", "k") == b"w"


@pytest.mark.parametrize(
    ("request_", "logged"),
    [
        ("SET k v EX 10", b"SET k v PXAT 1700000010000"),
        ("SET k v PXAT 1700000000500", b"SET k v PXAT 1700000000500"),
        ("SET k v IFEQ old", b"SET k v"),
        ("SET k v IFEQ old KEEPTTL", b"SET k v KEEPTTL"),
        ("SETEX k 10 v", b"SET k v PXAT 1700000010000"),
        ("PSETEX k 10 v", b"SET k v PXAT 1700000000010"),
        ("GETEX k EX 10", b"PEXPIREAT k 1700000010000"),
        ("GETEX k EXAT 1", b"DEL k"),
        ("GETDEL k", b"DEL k"),
        ("DELIFEQ k old", b"DEL k"),
        ("MSETEX 2 k 1 j 2 XX", None),
        ("MSETEX 2 k 1 j 2 PX 10", b"SET k 1 PXAT 1700000000010|SET j 2 PXAT 1700000000010"),
        ("MSETEX 1 k 1 KEEPTTL", b"SET k 1 KEEPTTL"),
        ("MSETEX 1 k 1", b"MSET k 1"),
        ("INCRBYFLOAT f 0.1", b"SET f 0.1 KEEPTTL"),
    ],
)
def test_log_entries_are_reproducible_and_readable_by_redis(
    ctx: Context, request_: str, logged: bytes | None
) -> None:
    run(ctx, b"SET", b"k", b"old")
    run(ctx, *request_.encode().split())
    shown = ctx.log_entries and b"|".join(b" ".join(words) for words in ctx.log_entries)
    assert shown == logged


@pytest.mark.parametrize(
    ("request_", "events"),
    [
        ("SET k v EX 10", "set expire"),
        ("SET k v NX", ""),
        ("GETEX k PX 10", "expire"),
        ("GETEX k PXAT 10", "del"),
        ("GETEX k PERSIST", ""),
        ("MSET k 1 k 2", "set set"),
        ("DECR n", "new incrby"),
        ("APPEND k x", "append"),
        ("SETRANGE k 0 x", "setrange"),
        ("SETRANGE k 9 ", ""),
        ("SETBIT k 0 0", ""),
        ("SETBIT k 0 1", "setbit"),
        ("BITFIELD k SET u8 0 1 SET u8 8 1", "setbit"),
        ("BITFIELD k OVERFLOW FAIL SET u8 0 256", ""),
        ("BITOP NOT k k", "set"),
        ("BITOP NOT k missing", "del"),
        ("PFADD h", "new pfadd"),
        ("PFMERGE h", "new pfadd"),
    ],
)
def test_changes_are_announced_with_the_event_names_of_redis(
    ctx: Context, request_: str, events: str
) -> None:
    run(ctx, b"SET", b"k", b"old")
    seen: list[str] = []

    def observe(database: Database, key: bytes, event: str | None, modified: bool) -> None:
        if event not in (None, "keymiss"):
            seen.append(str(event))

    ctx.keyspace.observers.append(observe)
    run(ctx, *request_.encode().split(b" "))
    assert " ".join(seen) == events


def test_long_doubles_round_once_half_to_even() -> None:
    def total(one: bytes, other: bytes) -> bytes | None:
        a, b = read_long_double(one), read_long_double(other)
        assert a is not None
        assert b is not None
        return add_long_doubles(a, b)

    assert total(b"0.1", b"0.2") == b"0.3"
    assert total(b"9007199254740993", b"0") == b"9007199254740993"
    # 2**64 + 1 needs 65 bits and is half way between its neighbours.
    assert total(b"18446744073709551617", b"0") == b"18446744073709551616"
    assert total(b"18446744073709551619", b"0") == b"18446744073709551620"
    assert total(b"-0", b"0") == b"0"
    assert total(b"1e4932", b"1e4932") is None
    assert total(b"inf", b"-inf") is None
    assert len(total(b"1e4932", b"0") or b"") == 4933


def test_long_doubles_add_small_integers_exactly() -> None:
    rng = Random(1)
    for _ in range(300):
        a, b = (rng.randrange(-(2**62), 2**62) for _ in range(2))
        one, other = read_long_double(b"%d" % a), read_long_double(b"%d" % b)
        assert one is not None
        assert other is not None
        assert add_long_doubles(one, other) == b"%d" % (a + b)


def test_replies_of_a_transaction_are_not_changed_by_its_later_commands(client: Connection) -> None:
    client("APPEND", "k", "a")
    client("APPEND", "k", "b")
    client("MULTI")
    for words in (("GET", "k"), ("MGET", "k"), ("APPEND", "k", "c"), ("GET", "k")):
        client(*words)
    assert client("EXEC") == [b"ab", [b"ab"], 3, b"abc"]
