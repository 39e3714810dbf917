"""Sorted sets over the wire: what a comparison of replies does not show."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error
from tests.support.servers import RunningServer


@pytest.fixture
def waiter(server: RunningServer) -> Connection:
    return server.connect()


def wait(server: RunningServer, waiter: Connection, words: str, waiting: int = 1) -> None:
    """Send a request and go on once so many clients are blocked."""
    waiter.send(*words.split())
    for _ in range(5000):
        if server.blocked_clients() == waiting:
            return
    pytest.fail(f"does not wait: {words}")


def test_a_waiting_pop_is_served_by_the_first_write(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    wait(server, waiter, "BZPOPMAX a b 0")
    client("ZADD", "b", 1, "x", 2, "y")
    assert waiter.read() == [b"b", b"y", b"2"]
    assert client("ZRANGE", "b", 0, -1) == [b"x"]


def test_waiting_pops_are_served_in_order_of_arrival(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    second = server.connect()
    wait(server, waiter, "BZPOPMIN z 0")
    wait(server, second, "BZMPOP 0 1 z MIN COUNT 5", waiting=2)
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    assert waiter.read() == [b"z", b"a", b"1"]
    assert second.read() == [b"z", [[b"b", b"2"], [b"c", b"3"]]]
    assert client("EXISTS", "z") == 0


def test_a_waiting_pop_ignores_keys_of_other_types(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    wait(server, waiter, "BZPOPMIN z 0")
    client("SADD", "z", "a")
    client("DEL", "z")
    client("ZUNIONSTORE", "z", 1, "none")
    assert waiter.is_silent()
    client("GEOADD", "z", 0, 0, "a")
    assert waiter.read()[:2] == [b"z", b"a"]


@pytest.mark.parametrize("words", ["BZPOPMIN z 1.5", "BZMPOP 1.5 1 z MAX"])
def test_a_wait_ends_with_its_timeout(
    server: RunningServer, waiter: Connection, words: str
) -> None:
    server.freeze()
    wait(server, waiter, words)
    server.advance(1499)
    assert waiter.is_silent()
    server.advance(1)
    assert waiter.read() == NULL_ARRAY


def test_waiting_answers_in_resp3(server: RunningServer, client3: Connection) -> None:
    client3("ZADD", "z", 1.5, "a", 2, "b")
    assert client3("BZPOPMIN", "z", 0) == [b"z", b"a", 1.5]
    assert client3("BZMPOP", 0, 1, "z", "MIN") == [b"z", [[b"b", 2.0]]]


def test_random_members_are_distinct_or_not(client: Connection) -> None:
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


def test_a_large_set_is_scanned_whole(client: Connection) -> None:
    client("ZADD", "z", *[word for n in range(300) for word in (n + 0.1, f"m{n}")])
    seen = {}
    cursor = b"0"
    while True:
        cursor, pairs = client("ZSCAN", "z", cursor, "COUNT", 20)
        assert len(pairs) <= 40
        seen.update(zip(pairs[::2], pairs[1::2], strict=True))
        if cursor == b"0":
            break
    assert len(seen) == 300
    # Redis prints the scores of a large set with all 17 digits here, and only here.
    assert seen[b"m0"] == b"0.10000000000000001"


def test_nothing_is_changed_by_a_failing_increment(
    server: RunningServer, client: Connection
) -> None:
    client("ZADD", "z", "inf", "a")
    before = server.call(lambda: server.instance.keyspace.dirty)
    assert client("ZINCRBY", "z", "-inf", "a") == Error("ERR resulting score is not a number (NaN)")
    client("ZADD", "z", "inf", "a")
    client("ZREM", "z", "none")
    client("ZREMRANGEBYSCORE", "z", 5, 6)
    assert server.call(lambda: server.instance.keyspace.dirty) == before


def test_dirty_counts_members(server: RunningServer, client: Connection) -> None:
    client("ZADD", "z", 1, "a", 2, "b", 3, "c")
    client("ZADD", "z", 1, "a", 5, "b", 4, "d")
    client("ZREM", "z", "a", "b")
    client("ZPOPMIN", "z", 9)
    assert server.call(lambda: server.instance.keyspace.dirty) == 3 + 2 + 2 + 2
