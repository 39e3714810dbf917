"""Who is woken, by what, in which order; and what ends a wait besides that."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error, Push
from tests.support.servers import RunningServer

WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def blocked(server: RunningServer) -> int:
    return server.blocked_clients()


def waiting(server: RunningServer, *words: str | int | float, resp: int = 2) -> Connection:
    """A new client that waits by a command."""
    before = blocked(server)
    client = server.connect(resp)
    start(server, client, *words, expected=before + 1)
    return client


def start(
    server: RunningServer, client: Connection, *words: str | int | float, expected: int = 1
) -> None:
    client.send(*words)
    for _ in range(10_000):
        if blocked(server) == expected:
            return
    raise AssertionError(f"{words} did not block")


def assert_no_traces(server: RunningServer) -> None:
    """Nobody waits, and nothing is remembered of those who did."""

    assert server.blocked_clients() == 0
    assert server.traces_of_waiting() == 0


# --- order ---------------------------------------------------------------------------------


def test_first_come_first_served(server: RunningServer, client: Connection) -> None:
    waiters = [waiting(server, "BLPOP", "k", 0) for _ in range(4)]
    assert client("RPUSH", "k", 1, 2) == 2
    assert [waiter.read() for waiter in waiters[:2]] == [[b"k", b"1"], [b"k", b"2"]]
    assert client("RPUSH", "k", 3) == 1
    assert waiters[2].read() == [b"k", b"3"]
    assert blocked(server) == 1
    assert client("EXISTS", "k") == 0
    client("RPUSH", "k", 4)
    assert waiters[3].read() == [b"k", b"4"]
    assert_no_traces(server)


def test_each_takes_what_it_asked_for(server: RunningServer, client: Connection) -> None:
    first = waiting(server, "BLPOP", "k", 0)
    last = waiting(server, "BRPOP", "k", 0)
    two = waiting(server, "BLMPOP", 0, 2, "j", "k", "LEFT", "COUNT", 2)
    moved = waiting(server, "BLMOVE", "k", "m", "RIGHT", "LEFT", 0)
    client("RPUSH", "k", 1, 2, 3, 4, 5, 6)
    assert first.read() == [b"k", b"1"]
    assert last.read() == [b"k", b"6"]
    assert two.read() == [b"k", [b"2", b"3"]]
    assert moved.read() == b"5"
    assert client("LRANGE", "k", 0, -1) == [b"4"]
    assert client("LRANGE", "m", 0, -1) == [b"5"]
    assert_no_traces(server)


def test_keys_count_in_the_order_of_the_request(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "a", "b", 0)
    client.pipeline([("MULTI",), ("RPUSH", "b", 1), ("RPUSH", "a", 2), ("EXEC",)])
    assert waiter.read() == [b"a", b"2"]
    assert client("LRANGE", "b", 0, -1) == [b"1"]


def test_the_same_key_twice(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", "k", 0)
    assert client("RPUSH", "k", 1, 2) == 2
    assert waiter.read() == [b"k", b"1"]
    assert client("LRANGE", "k", 0, -1) == [b"2"]
    assert_no_traces(server)


def test_one_client_on_many_keys_leaves_them_all(server: RunningServer, client: Connection) -> None:
    keys = [f"k{number}" for number in range(50)]
    waiter = waiting(server, "BLPOP", *keys, 0)
    client("RPUSH", "k25", "a")
    assert waiter.read() == [b"k25", b"a"]
    assert_no_traces(server)
    client("RPUSH", "k30", "b")
    assert client("LLEN", "k30") == 1


def test_an_element_is_given_once(server: RunningServer, client: Connection) -> None:
    one = waiting(server, "BLPOP", "a", "b", 0)
    other = waiting(server, "BLPOP", "b", "a", 0)
    client("RPUSH", "a", 1)
    assert one.read() == [b"a", b"1"]
    client("RPUSH", "a", 2)
    assert other.read() == [b"a", b"2"]


# --- chains --------------------------------------------------------------------------------


def test_a_chain_of_moves(server: RunningServer, client: Connection) -> None:
    end = waiting(server, "BLPOP", "d", 0)
    third = waiting(server, "BRPOPLPUSH", "c", "d", 0)
    second = waiting(server, "BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    assert client("RPUSH", "a", "x", "y") == 2
    assert [first.read(), second.read(), third.read()] == [b"x", b"x", b"x"]
    assert end.read() == [b"d", b"x"]
    assert client("LRANGE", "a", 0, -1) == [b"y"]
    assert client("EXISTS", "b", "c", "d") == 0
    assert_no_traces(server)


def test_a_list_that_turns_in_itself(server: RunningServer, client: Connection) -> None:
    turning = waiting(server, "BLMOVE", "k", "k", "LEFT", "RIGHT", 0)
    after = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", 1)
    assert turning.read() == b"1"
    assert after.read() == [b"k", b"1"]
    assert_no_traces(server)


def test_two_that_feed_each_other(server: RunningServer, client: Connection) -> None:
    one = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    other = waiting(server, "BLMOVE", "b", "a", "LEFT", "RIGHT", 0)
    client("RPUSH", "a", 1)
    assert (one.read(), other.read()) == (b"1", b"1")
    assert client("LRANGE", "a", 0, -1) == [b"1"]
    assert_no_traces(server)


# --- types ---------------------------------------------------------------------------------


def test_another_type_wakes_nobody(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    client("SET", "k", "text")
    assert blocked(server) == 1
    client("DEL", "k")
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]


def test_another_type_among_the_keys_is_met_when_woken(
    server: RunningServer, client: Connection
) -> None:
    waiter = waiting(server, "BLPOP", "a", "b", 0)
    client("SET", "a", "text")
    client("RPUSH", "b", 1)
    assert waiter.read() == WRONG_TYPE
    assert client("LRANGE", "b", 0, -1) == [b"1"]
    assert_no_traces(server)


def test_a_destination_of_another_type_lets_the_next_one_have_it(
    server: RunningServer, client: Connection
) -> None:
    moving = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    popping = waiting(server, "BLPOP", "a", 0)
    client("SET", "b", "text")
    client("RPUSH", "a", 1, 2)
    assert moving.read() == WRONG_TYPE
    assert popping.read() == [b"a", b"1"]
    assert client("LRANGE", "a", 0, -1) == [b"2"]


# --- what wakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [("RPUSH", "src", 1), ("RENAME", "src", "k")],
        [("RPUSH", "src", 1), ("SET", "k", "text"), ("RENAME", "src", "k")],
        [("RPUSH", "src", 1), ("RENAMENX", "src", "k")],
        [("RPUSH", "src", 1), ("COPY", "src", "k")],
        [("RPUSH", "src", 1), ("SET", "k", "text"), ("COPY", "src", "k", "REPLACE")],
        [("RPUSH", "src", 1), ("LMOVE", "src", "k", "LEFT", "RIGHT")],
        [("RPUSH", "src", 1), ("RPOPLPUSH", "src", "k")],
        [("RPUSH", "src", 1), ("SORT", "src", "STORE", "k")],
        [("SELECT", 1), ("RPUSH", "k", 1), ("MOVE", "k", 0)],
        [("SELECT", 1), ("RPUSH", "k", 1), ("SWAPDB", 0, 1)],
        [("SELECT", 1), ("RPUSH", "k", 1), ("SWAPDB", 1, 0)],
        [("SELECT", 1), ("RPUSH", "k", 1), ("COPY", "k", "k", "DB", 0)],
        [("MULTI",), ("SET", "k", 1), ("DEL", "k"), ("LPUSH", "k", 1), ("EXEC",)],
        [("MULTI",), ("LPUSH", "k", 0), ("LSET", "k", 0, 1), ("EXEC",)],
    ],
    ids=lambda steps: " / ".join(" ".join(map(str, step)) for step in steps),
)
def test_whatever_makes_a_list_wakes(
    server: RunningServer, client: Connection, steps: list[tuple[str | int, ...]]
) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    for reply in client.pipeline(steps):
        assert not isinstance(reply, Error)
    assert waiter.read() == [b"k", b"1"]
    assert_no_traces(server)


def test_restored_lists_wake(server: RunningServer, client: Connection) -> None:
    client("RPUSH", "src", 1)
    payload = client("DUMP", "src")
    if isinstance(payload, Error):
        pytest.skip("no DUMP")
    waiter = waiting(server, "BLPOP", "k", 0)
    assert client("RESTORE", "k", 0, payload) == "OK"
    assert waiter.read() == [b"k", b"1"]


@pytest.mark.parametrize(
    "steps",
    [
        [("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("EXEC",)],
        [("MULTI",), ("RPUSH", "k", 1), ("LPOP", "k"), ("EXEC",)],
        [("MULTI",), ("RPUSH", "k", 1), ("RENAME", "k", "elsewhere"), ("EXEC",)],
        [("MULTI",), ("RPUSH", "k", 1), ("FLUSHALL",), ("EXEC",)],
        [("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("SET", "k", "text"), ("EXEC",)],
        [("RPUSH", "other", 1), ("SELECT", 1), ("RPUSH", "k", 1)],
        [("DEL", "k"), ("FLUSHALL",), ("FLUSHDB",), ("SWAPDB", 0, 1)],
        [("LPUSHX", "k", 1), ("RPUSHX", "k", 1), ("SADD", "k", 1), ("DEL", "k")],
        [("MULTI",), ("RPUSH", "k", 1), ("PEXPIRE", "k", -1), ("EXEC",)],
    ],
    ids=lambda steps: " / ".join(" ".join(map(str, step)) for step in steps),
)
def test_what_is_gone_before_anybody_looks_wakes_nobody(
    server: RunningServer, client: Connection, steps: list[tuple[str | int, ...]]
) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    for reply in client.pipeline(steps):
        assert not isinstance(reply, Error)
    assert blocked(server) == 1
    client.pipeline([("SELECT", 0), ("DEL", "k"), ("RPUSH", "k", "late")])
    assert waiter.read() == [b"k", b"late"]


def test_a_transaction_wakes_only_at_its_end(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    replies = client.pipeline([("MULTI",), ("RPUSH", "k", 1), ("LLEN", "k"), ("EXEC",)])
    assert replies[-1] == [1, 1]
    assert waiter.read() == [b"k", b"1"]


# --- time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("BLPOP", "k", 0.5),
        ("BRPOP", "k", "j", 0.5),
        ("BLMPOP", 0.5, 1, "k", "LEFT"),
        ("BLMOVE", "k", "j", "LEFT", "LEFT", 0.5),
        ("BRPOPLPUSH", "k", "j", 0.5),
    ],
)
def test_timeouts_follow_the_clock(
    server: RunningServer, client: Connection, words: tuple[str | float, ...]
) -> None:
    server.freeze()
    waiter = waiting(server, *words)
    server.advance(499)
    assert client("PING") == "PONG"
    assert blocked(server) == 1
    server.advance(1)
    assert waiter.read() == NULL_ARRAY
    assert_no_traces(server)


def test_timeouts_end_in_their_own_order(server: RunningServer, client: Connection) -> None:
    server.freeze()
    late = waiting(server, "BLPOP", "k", 2)
    soon = waiting(server, "BLPOP", "k", 1, resp=3)
    never = waiting(server, "BLPOP", "k", 0)
    server.advance(1000)
    assert soon.read() is None
    assert blocked(server) == 2
    server.advance(1000)
    assert late.read() == NULL_ARRAY
    server.advance(10**9)
    client("RPUSH", "k", 1)
    assert never.read() == [b"k", b"1"]


def test_less_than_a_millisecond_is_one(server: RunningServer, client: Connection) -> None:
    server.freeze()
    waiter = waiting(server, "BLPOP", "k", 0.0001)
    server.advance(1)
    assert waiter.read() == NULL_ARRAY


def test_a_retry_does_not_prolong_the_wait(server: RunningServer, client: Connection) -> None:
    server.freeze()
    waiter = waiting(server, "BLPOP", "k", 1)
    server.advance(900)
    client.pipeline([("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("EXEC",)])
    server.advance(100)
    assert waiter.read() == NULL_ARRAY


# --- the waiting client ----------------------------------------------------------------------


def test_what_it_sends_meanwhile_is_answered_afterwards(
    server: RunningServer, client: Connection
) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    waiter.send("GET", "s")
    waiter.send("BLPOP", "j", 0)
    waiter.send("PING")
    client("SET", "s", "text")
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]
    assert waiter.read() == b"text"
    client("RPUSH", "j", 2)
    assert waiter.read() == [b"j", b"2"]
    assert waiter.read() == "PONG"


def test_requests_in_one_piece_keep_their_order(server: RunningServer, client: Connection) -> None:
    waiter = server.connect()
    requests = [
        b"*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n",
        b"*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n",
    ]
    waiter.send_raw(requests[1] + b"".join(requests))
    assert waiter.read() == "PONG"
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]
    assert waiter.read() == "PONG"
    client("RPUSH", "k", 2)
    assert waiter.read() == [b"k", b"2"]
    assert waiter.read() == b"x"


def test_one_that_leaves_takes_nothing(server: RunningServer, client: Connection) -> None:
    server.freeze()
    gone = waiting(server, "BLPOP", "k", "j", 5)
    stays = waiting(server, "BLPOP", "k", 0)
    gone.close()
    while blocked(server) != 1:
        pass
    client("RPUSH", "k", 1)
    assert stays.read() == [b"k", b"1"]
    assert_no_traces(server)
    server.advance(10_000)
    assert client("PING") == "PONG"


def test_it_waits_in_the_database_it_had_selected(
    server: RunningServer, client: Connection
) -> None:
    waiter = server.connect()
    waiter("SELECT", 3)
    start(server, waiter, "BLPOP", "k", 0)
    client("RPUSH", "k", "of database 0")
    client("SELECT", 3)
    client("RPUSH", "k", "of database 3")
    assert waiter.read() == [b"k", b"of database 3"]


def test_the_awaited_key_runs_out_at_once(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("RPUSH", "k", "old")
    client("PEXPIRE", "k", 10)
    server.advance(11)
    waiter = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", "new")
    assert waiter.read() == [b"k", b"new"]


def test_messages_reach_a_waiting_subscriber(server: RunningServer, client: Connection) -> None:
    waiter = server.connect(resp=3)
    waiter("SUBSCRIBE", "news")
    start(server, waiter, "BLPOP", "k", 0)
    assert client("PUBLISH", "news", "text") == 1
    assert waiter.read() == Push([b"message", b"news", b"text"])
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]


def test_a_call_is_counted_once(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", 1)
    waiter.read()
    calls = {
        bound.command.name: bound.stats.calls
        for bound in server.call(lambda: server.instance.used_commands)
    }
    assert calls["BLPOP"] == 1


def test_many_waiters_for_one_key(server: RunningServer, client: Connection) -> None:
    waiters = [waiting(server, "BLPOP", "k", 0) for _ in range(60)]
    client("RPUSH", "k", *range(59))
    assert [waiter.read()[1] for waiter in waiters[:59]] == [b"%d" % n for n in range(59)]
    client("LPUSH", "k", "last")
    assert waiters[59].read() == [b"k", b"last"]
    assert_no_traces(server)
