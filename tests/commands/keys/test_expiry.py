"""Expiry of keys as time passes, and log entries of the commands that set it."""

from __future__ import annotations

import pytest

from tests.support.offline import Offline
from tests.support.resp import Connection
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


def test_a_key_lives_through_its_last_millisecond(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("SET", "k", 1)
    client("PEXPIRE", "k", 1000)
    server.advance(1000)
    assert client("EXISTS", "k") == 1
    server.advance(1)
    assert client("EXISTS", "k") == 0


@pytest.mark.parametrize(("left_ms", "seconds"), [(1499, 1), (1500, 2), (499, 0), (500, 1)])
def test_seconds_are_rounded(
    server: RunningServer, client: Connection, left_ms: int, seconds: int
) -> None:
    server.freeze(NOW)
    client("SET", "k", 1)
    client("PEXPIRE", "k", left_ms)
    assert client("TTL", "k") == seconds
    assert client("PTTL", "k") == left_ms


def test_expiry_times_agree_in_both_units(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    client("SET", "k", 1)
    client("EXPIRE", "k", 100)
    assert client("PEXPIRETIME", "k") == NOW + 100_000
    assert client("EXPIRETIME", "k") == NOW // 1000 + 100


def test_a_deadline_of_now_removes_the_key_at_once(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("SET", "k", 1)
    assert client("PEXPIREAT", "k", NOW) == 1
    assert client("EXISTS", "k") == 0
    assert server.call(lambda: server.instance.keyspace.expired_keys) == 0


@pytest.mark.parametrize(
    ("request_", "logged"),
    [
        (b"EXPIRE k 10", b"PEXPIREAT k %d" % (NOW + 10_000)),
        (b"PEXPIRE k 10 NX", b"PEXPIREAT k %d" % (NOW + 10)),
        (b"EXPIREAT k 1700000001", b"PEXPIREAT k 1700000001000"),
        (b"EXPIRE k -1", b"DEL k"),
        (b"EXPIRE k 10 XX", None),
        (b"EXPIRE missing 10", None),
    ],
)
def test_log_entries_have_absolute_deadlines(request_: bytes, logged: bytes | None) -> None:
    session = Offline(NOW)
    session(b"SET", b"k", b"v")
    assert session.logged(*request_.split()) == ([] if logged is None else [logged.split()])
