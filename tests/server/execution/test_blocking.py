"""Blocking commands: which clients are woken, by what and in which order, and timeouts."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error, Push
from tests.support.servers import RunningServer

WRONG_TYPE = Error("WRONGTYPE Operation against a key holding the wrong kind of value")


def waiting(server: RunningServer, *words: str | int | float, resp: int = 2) -> Connection:
    """Connect a client and block it by a command."""
    client = server.connect(resp)
    server.block(client, *words)
    return client


# --- order ------------------------------------------------------------------------------


def test_first_come_first_served(server: RunningServer, client: Connection) -> None:
    waiters = [waiting(server, "BLPOP", "k", 0) for _ in range(4)]
    assert client("RPUSH", "k", 1, 2) == 2
    assert [waiter.read() for waiter in waiters[:2]] == [[b"k", b"1"], [b"k", b"2"]]
    assert client("RPUSH", "k", 3) == 1
    assert waiters[2].read() == [b"k", b"3"]
    assert server.blocked_clients() == 1
    assert client("EXISTS", "k") == 0
    client("RPUSH", "k", 4)
    assert waiters[3].read() == [b"k", b"4"]
    assert server.entries_for_blocked() == 0


def test_each_client_gets_what_its_command_asks_for(
    server: RunningServer, client: Connection
) -> None:
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
    assert server.entries_for_blocked() == 0


def test_keys_are_tried_in_the_order_of_the_request(
    server: RunningServer, client: Connection
) -> None:
    waiter = waiting(server, "BLPOP", "a", "b", 0)
    client.pipeline([("MULTI",), ("RPUSH", "b", 1), ("RPUSH", "a", 2), ("EXEC",)])
    assert waiter.read() == [b"a", b"2"]
    assert client("LRANGE", "b", 0, -1) == [b"1"]


def test_a_request_may_name_a_key_twice(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", "k", 0)
    assert client("RPUSH", "k", 1, 2) == 2
    assert waiter.read() == [b"k", b"1"]
    assert client("LRANGE", "k", 0, -1) == [b"2"]
    assert server.entries_for_blocked() == 0


def test_a_woken_client_no_longer_waits_for_its_other_keys(
    server: RunningServer, client: Connection
) -> None:
    keys = [f"k{number}" for number in range(50)]
    waiter = waiting(server, "BLPOP", *keys, 0)
    client("RPUSH", "k25", "a")
    assert waiter.read() == [b"k25", b"a"]
    assert server.entries_for_blocked() == 0
    client("RPUSH", "k30", "b")
    assert client("LLEN", "k30") == 1


def test_an_element_is_given_to_one_client(server: RunningServer, client: Connection) -> None:
    one = waiting(server, "BLPOP", "a", "b", 0)
    other = waiting(server, "BLPOP", "b", "a", 0)
    client("RPUSH", "a", 1)
    assert one.read() == [b"a", b"1"]
    client("RPUSH", "a", 2)
    assert other.read() == [b"a", b"2"]


# --- chains -----------------------------------------------------------------------------


def test_moves_wake_clients_in_a_chain(server: RunningServer, client: Connection) -> None:
    end = waiting(server, "BLPOP", "d", 0)
    third = waiting(server, "BRPOPLPUSH", "c", "d", 0)
    second = waiting(server, "BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    assert client("RPUSH", "a", "x", "y") == 2
    assert [first.read(), second.read(), third.read()] == [b"x", b"x", b"x"]
    assert end.read() == [b"d", b"x"]
    assert client("LRANGE", "a", 0, -1) == [b"y"]
    assert client("EXISTS", "b", "c", "d") == 0
    assert server.entries_for_blocked() == 0


def test_a_move_from_a_list_to_itself_wakes_the_next_client(
    server: RunningServer, client: Connection
) -> None:
    turning = waiting(server, "BLMOVE", "k", "k", "LEFT", "RIGHT", 0)
    after = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", 1)
    assert turning.read() == b"1"
    assert after.read() == [b"k", b"1"]
    assert server.entries_for_blocked() == 0


def test_two_moves_in_opposite_directions_both_end(
    server: RunningServer, client: Connection
) -> None:
    one = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    other = waiting(server, "BLMOVE", "b", "a", "LEFT", "RIGHT", 0)
    client("RPUSH", "a", 1)
    assert (one.read(), other.read()) == (b"1", b"1")
    assert client("LRANGE", "a", 0, -1) == [b"1"]
    assert server.entries_for_blocked() == 0


# --- types ------------------------------------------------------------------------------


def test_a_value_of_another_type_wakes_no_client(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    client("SET", "k", "text")
    assert server.blocked_clients() == 1
    client("DEL", "k")
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]


def test_a_woken_client_gets_an_error_for_a_key_of_another_type(
    server: RunningServer, client: Connection
) -> None:
    waiter = waiting(server, "BLPOP", "a", "b", 0)
    client("SET", "a", "text")
    client("RPUSH", "b", 1)
    assert waiter.read() == WRONG_TYPE
    assert client("LRANGE", "b", 0, -1) == [b"1"]
    assert server.entries_for_blocked() == 0


def test_an_element_that_cannot_be_moved_goes_to_the_next_client(
    server: RunningServer, client: Connection
) -> None:
    moving = waiting(server, "BLMOVE", "a", "b", "LEFT", "RIGHT", 0)
    popping = waiting(server, "BLPOP", "a", 0)
    client("SET", "b", "text")
    client("RPUSH", "a", 1, 2)
    assert moving.read() == WRONG_TYPE
    assert popping.read() == [b"a", b"1"]
    assert client("LRANGE", "a", 0, -1) == [b"2"]


# --- commands that wake -----------------------------------------------------------------


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
def test_every_command_that_creates_a_list_wakes(
    server: RunningServer, client: Connection, steps: list[tuple[str | int, ...]]
) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    for reply in client.pipeline(steps):
        assert not isinstance(reply, Error)
    assert waiter.read() == [b"k", b"1"]
    assert server.entries_for_blocked() == 0


def test_restoring_a_list_wakes(server: RunningServer, client: Connection) -> None:
    client("RPUSH", "src", 1)
    payload = client("DUMP", "src")
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
def test_a_list_that_is_removed_again_in_the_same_step_wakes_no_client(
    server: RunningServer, client: Connection, steps: list[tuple[str | int, ...]]
) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    for reply in client.pipeline(steps):
        assert not isinstance(reply, Error)
    assert server.blocked_clients() == 1
    client.pipeline([("SELECT", 0), ("DEL", "k"), ("RPUSH", "k", "late")])
    assert waiter.read() == [b"k", b"late"]


def test_a_transaction_wakes_clients_at_its_end(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    replies = client.pipeline([("MULTI",), ("RPUSH", "k", 1), ("LLEN", "k"), ("EXEC",)])
    assert replies[-1] == [1, 1]
    assert waiter.read() == [b"k", b"1"]


# --- time -------------------------------------------------------------------------------


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
    assert server.blocked_clients() == 1
    server.advance(1)
    assert waiter.read() == NULL_ARRAY
    assert server.entries_for_blocked() == 0


def test_clients_time_out_in_the_order_of_their_deadlines(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    late = waiting(server, "BLPOP", "k", 2)
    soon = waiting(server, "BLPOP", "k", 1, resp=3)
    never = waiting(server, "BLPOP", "k", 0)
    server.advance(1000)
    assert soon.read() is None
    assert server.blocked_clients() == 2
    server.advance(1000)
    assert late.read() == NULL_ARRAY
    server.advance(10**9)
    client("RPUSH", "k", 1)
    assert never.read() == [b"k", b"1"]


def test_a_timeout_below_a_millisecond_is_rounded_up(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    waiter = waiting(server, "BLPOP", "k", 0.0001)
    server.advance(1)
    assert waiter.read() == NULL_ARRAY


def test_a_failed_retry_does_not_extend_the_timeout(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    waiter = waiting(server, "BLPOP", "k", 1)
    server.advance(900)
    client.pipeline([("MULTI",), ("RPUSH", "k", 1), ("DEL", "k"), ("EXEC",)])
    server.advance(100)
    assert waiter.read() == NULL_ARRAY


# --- the blocked client -----------------------------------------------------------------


def test_requests_sent_while_blocked_are_run_afterwards(
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


def test_pipelined_requests_keep_their_order(server: RunningServer, client: Connection) -> None:
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


def test_a_client_that_disconnects_takes_no_element(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    gone = waiting(server, "BLPOP", "k", "j", 5)
    stays = waiting(server, "BLPOP", "k", 0)
    gone.close()
    server.wait_for_blocked(1)
    client("RPUSH", "k", 1)
    assert stays.read() == [b"k", b"1"]
    assert server.entries_for_blocked() == 0
    server.advance(10_000)
    assert client("PING") == "PONG"


def test_a_client_waits_in_its_selected_database(server: RunningServer, client: Connection) -> None:
    waiter = server.connect()
    waiter("SELECT", 3)
    server.block(waiter, "BLPOP", "k", 0)
    client("RPUSH", "k", "of database 0")
    client("SELECT", 3)
    client("RPUSH", "k", "of database 3")
    assert waiter.read() == [b"k", b"of database 3"]


def test_a_client_can_block_on_an_expired_key(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("RPUSH", "k", "old")
    client("PEXPIRE", "k", 10)
    server.advance(11)
    waiter = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", "new")
    assert waiter.read() == [b"k", b"new"]


def test_a_blocked_subscriber_receives_messages(server: RunningServer, client: Connection) -> None:
    waiter = server.connect(resp=3)
    waiter("SUBSCRIBE", "news")
    server.block(waiter, "BLPOP", "k", 0)
    assert client("PUBLISH", "news", "text") == 1
    assert waiter.read() == Push([b"message", b"news", b"text"])
    client("RPUSH", "k", 1)
    assert waiter.read() == [b"k", b"1"]


def test_a_blocked_call_is_counted_once(server: RunningServer, client: Connection) -> None:
    waiter = waiting(server, "BLPOP", "k", 0)
    client("RPUSH", "k", 1)
    waiter.read()
    calls = {
        bound.command.name: bound.stats.calls
        for bound in server.call(lambda: server.instance.used_commands)
    }
    assert calls["BLPOP"] == 1


def test_many_clients_can_block_on_one_key(server: RunningServer, client: Connection) -> None:
    waiters = [waiting(server, "BLPOP", "k", 0) for _ in range(60)]
    client("RPUSH", "k", *range(59))
    assert [waiter.read()[1] for waiter in waiters[:59]] == [b"%d" % n for n in range(59)]
    client("LPUSH", "k", "last")
    assert waiters[59].read() == [b"k", b"last"]
    assert server.entries_for_blocked() == 0
