"""XREAD and XREADGROUP with BLOCK."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error
from tests.support.servers import RunningServer

NOGROUP = Error("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option")
WRONGTYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


@pytest.fixture
def waiter(server: RunningServer) -> Connection:
    return server.connect()


def entry(entry_id: bytes, key: bytes = b"s") -> list[object]:
    return [[key, [[entry_id, [b"a", b"b"]]]]]


def test_dollar_means_the_end_of_the_stream_when_blocking_began(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    client("XADD", "s", "1-1", "a", "b")
    server.block(waiter, *"XREAD BLOCK 0 STREAMS s $".split())
    client("MULTI")
    client("XADD", "s", "1-2", "a", "b")
    client("XADD", "s", "1-3", "a", "b")
    client("XDEL", "s", "1-2")
    client("EXEC")
    assert waiter.read() == entry(b"1-3")


def test_blocking_for_the_last_entry_returns_the_next_one(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    client("XADD", "s", "1-1", "a", "b")
    client("XDEL", "s", "1-1")
    server.block(waiter, *"XREAD BLOCK 0 STREAMS s +".split())
    client("XADD", "s", "1-2", "a", "b")
    assert waiter.read() == entry(b"1-2")


def test_an_entry_in_any_of_several_streams_ends_the_wait(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.block(waiter, *"XREAD BLOCK 0 STREAMS s t $ $".split())
    client("XADD", "t", "1-1", "a", "b")
    assert waiter.read() == entry(b"1-1", b"t")
    assert server.blocked_clients() == 0


def test_an_entry_up_to_the_id_does_not_end_the_wait(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.block(waiter, *"XREAD BLOCK 0 STREAMS s 5".split())
    client("XADD", "s", "4-0", "a", "b")
    client("XADD", "s", "6-0", "a", "b")
    assert waiter.read() == entry(b"6-0")


def test_the_timeout_follows_the_clock(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.freeze()
    server.block(waiter, *"XREAD BLOCK 100 STREAMS s $".split())
    server.advance(99)
    assert client("PING") == "PONG"
    assert server.blocked_clients() == 1
    server.advance(1)
    assert waiter.read() is NULL_ARRAY


def test_consumers_of_a_group_share_new_entries(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    server.block(waiter, *"XREADGROUP GROUP g first BLOCK 0 STREAMS s >".split())
    second = server.connect()
    server.block(second, *"XREADGROUP GROUP g second BLOCK 0 STREAMS s >".split())
    client("XADD", "s", "1-1", "a", "b")
    assert waiter.read() == entry(b"1-1")
    client("XADD", "s", "1-2", "a", "b")
    assert second.read() == entry(b"1-2")
    assert client("XPENDING", "s", "g")[3] == [[b"first", b"1"], [b"second", b"1"]]


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("DEL s", NOGROUP),
        ("FLUSHALL", NOGROUP),
        ("XGROUP DESTROY s g", NOGROUP),
        ("RENAME s t", NOGROUP),
        ("SET s x", WRONGTYPE),
    ],
)
def test_removing_the_group_ends_the_wait(
    server: RunningServer, client: Connection, waiter: Connection, words: str, reply: Error
) -> None:
    client("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    server.block(waiter, *"XREADGROUP GROUP g c BLOCK 0 STREAMS s >".split())
    client(*words.split())
    assert waiter.read() == reply


def test_a_blocked_consumer_exists_and_becomes_active_with_new_entries(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.freeze()
    client("XADD", "s", "1-1", "a", "b")
    client("XGROUP", "CREATE", "s", "g", "$")
    server.block(waiter, *"XREADGROUP GROUP g c BLOCK 0 STREAMS s >".split())
    server.advance(40)
    client("XDEL", "s", "1-1")
    consumer = [b"name", b"c", b"pending", 0, b"idle", 40, b"inactive", -1]
    assert client("XINFO", "CONSUMERS", "s", "g") == [consumer]
    client("XADD", "s", "1-2", "a", "b")
    assert waiter.read() == entry(b"1-2")
    consumer = [b"name", b"c", b"pending", 1, b"idle", 0, b"inactive", 0]
    assert client("XINFO", "CONSUMERS", "s", "g") == [consumer]


def test_setting_a_group_back_takes_effect_with_the_next_entry(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    client("XADD", "s", "1-1", "a", "b")
    client("XGROUP", "CREATE", "s", "g", "$")
    server.block(waiter, *"XREADGROUP GROUP g c BLOCK 0 STREAMS s >".split())
    client("XGROUP", "SETID", "s", "g", "0")
    assert server.blocked_clients() == 1
    client("XADD", "s", "1-2", "a", "b")
    assert [entry[0] for entry in waiter.read()[0][1]] == [b"1-1", b"1-2"]
