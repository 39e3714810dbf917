"""Sorted sets: blocking, randomness, hostile counts and counted changes."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error
from tests.support.servers import RunningServer
from tests.support.waiting import pages


@pytest.fixture
def waiter(server: RunningServer) -> Connection:
    return server.connect()


def test_a_blocked_pop_is_served_by_the_first_write(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.block(waiter, *"BZPOPMAX a b 0".split())
    client("ZADD", "b", 1, "x", 2, "y")
    assert waiter.read() == [b"b", b"y", b"2"]
    assert client("ZRANGE", "b", 0, -1) == [b"x"]


def test_blocked_pops_are_served_in_order_of_arrival(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    second = server.connect()
    server.block(waiter, *"BZPOPMIN z 0".split())
    server.block(second, *"BZMPOP 0 1 z MIN COUNT 5".split())
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert waiter.read() == [b"z", b"a", b"1"]
    assert second.read() == [b"z", [[b"b", b"2"], [b"c", b"3"]]]
    assert client("EXISTS", "z") == 0


def test_a_blocked_pop_ignores_keys_of_other_types(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.block(waiter, *"BZPOPMIN z 0".split())
    client("SADD", "z", "a")
    client("DEL", "z")
    client("ZUNIONSTORE", "z", 1, "none")
    assert waiter.is_silent()
    client("GEOADD", "z", 0, 0, "a")
    assert waiter.read()[:2] == [b"z", b"a"]


@pytest.mark.parametrize("words", ["BZPOPMIN z 1.5", "BZMPOP 1.5 1 z MAX"])
def test_a_blocked_pop_ends_at_its_timeout(
    server: RunningServer, waiter: Connection, words: str
) -> None:
    server.freeze()
    server.block(waiter, *words.split())
    server.advance(1499)
    assert waiter.is_silent()
    server.advance(1)
    assert waiter.read() == NULL_ARRAY


def test_a_blocked_pop_returns_null_at_its_timeout_in_resp3(
    server: RunningServer, client3: Connection
) -> None:
    client3("ZADD", "z", 1.5, "a", 2, "b")
    assert client3("BZPOPMIN", "z", 0) == [b"z", b"a", 1.5]
    assert client3("BZMPOP", 0, 1, "z", "MIN") == [b"z", [[b"b", 2.0]]]


def test_random_members_repeat_only_for_negative_counts(client: Connection) -> None:
    client("ZADD", "z", *[word for n in range(300) for word in (n, f"m{n}")])
    drawn = client("ZRANDMEMBER", "z", 50)
    assert len(set(drawn)) == 50
    assert drawn != client("ZRANDMEMBER", "z", 50)
    assert len(client("ZRANDMEMBER", "z", -1000)) == 1000
    pairs = client("ZRANDMEMBER", "z", -20, "WITHSCORES")
    assert pairs[::2] == [b"m" + score for score in pairs[1::2]]
    assert client("ZRANDMEMBER", "z") in {b"m%d" % n for n in range(300)}


def test_hostile_counts_are_refused(client: Connection) -> None:
    client("ZADD", "z", 1, "a")
    refused = Error("ERR value is out of range")
    assert client("ZRANDMEMBER", "z", -(2**62)) == refused
    assert client("ZRANDMEMBER", "z", -(2**40), "WITHSCORES") == refused
    assert client("ZPOPMIN", "z", 2**62) == [b"a", b"1"]


def test_a_scan_returns_all_members_of_a_large_set(client: Connection) -> None:
    client("ZADD", "z", *[word for n in range(300) for word in (n + 0.1, f"m{n}")])
    seen: dict[bytes, bytes] = {}
    for pairs in pages(lambda cursor: client("ZSCAN", "z", cursor, "COUNT", 20)):
        assert len(pairs) <= 40
        seen.update(zip(pairs[::2], pairs[1::2], strict=True))
    assert len(seen) == 300
    # For a large set, ZSCAN prints scores with 17 digits, as in Redis; no other command does.
    assert seen[b"m0"] == b"0.10000000000000001"


def test_a_failing_increment_changes_nothing(server: RunningServer, client: Connection) -> None:
    client("ZADD", "z", "inf", "a")
    before = server.call(lambda: server.instance.keyspace.dirty)
    assert client("ZINCRBY", "z", "-inf", "a") == Error("ERR resulting score is not a number (NaN)")
    client("ZADD", "z", "inf", "a")
    client("ZREM", "z", "none")
    client("ZREMRANGEBYSCORE", "z", 5, 6)
    assert server.call(lambda: server.instance.keyspace.dirty) == before


def test_each_changed_member_counts_as_a_change(server: RunningServer, client: Connection) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    client("ZADD", "z", 1, "a", 5, "b", 4, "d")
    client("ZREM", "z", "a", "b")
    client("ZPOPMIN", "z", 9)
    assert server.call(lambda: server.instance.keyspace.dirty) == 3 + 2 + 2 + 2
