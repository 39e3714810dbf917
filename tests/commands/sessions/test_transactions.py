"""Effects of other clients, of time and of errors on a transaction. Replies are compared with
real servers in tests/differential/cases/transactions.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.offline import bare
from tests.support.resp import NULL_ARRAY, Connection, ConnectionClosed, Error, Push
from tests.support.servers import Loop, RunningServer

ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")


def transact(client: Connection, *requests: tuple[str | int, ...]) -> Any:
    """Run the requests in a transaction; return the reply of EXEC."""
    return client.pipeline([("MULTI",), *requests, ("EXEC",)])[-1]


@pytest.fixture
def other(server: RunningServer) -> Connection:
    return server.connect()


# --- queueing ---------------------------------------------------------------------------


def test_nothing_runs_before_exec(client: Connection, other: Connection) -> None:
    assert client("MULTI") == "OK"
    assert client("SET", "k", "mine") == "QUEUED"
    assert other("GET", "k") is None
    other("SET", "k", "theirs")
    assert client("GET", "k") == "QUEUED"
    assert client("EXEC") == ["OK", b"mine"]


def test_multi_and_watch_are_refused_inside_without_aborting(client: Connection) -> None:
    # As in Redis. In Valkey 9, EXEC fails after this.
    client("MULTI")
    assert client("MULTI") == Error("ERR MULTI calls can not be nested")
    assert client("WATCH", "k") == Error("ERR WATCH inside MULTI is not allowed")
    assert client("PING") == "QUEUED"
    assert client("EXEC") == ["PONG"]


def test_an_aborted_exec_ends_the_transaction(client: Connection) -> None:
    client("MULTI")
    client("SET", "k", "v")
    assert client("EXEC", "now") == Error(
        "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
    )
    assert client("EXEC") == Error("ERR EXEC without MULTI")
    assert client("EXISTS", "k") == 0


def test_a_transaction_that_is_too_large_closes_the_connection(loop: Loop) -> None:
    server = loop.start_server(client_query_buffer_limit="1mb")
    try:
        client = server.connect()
        client("MULTI")
        with pytest.raises((ConnectionClosed, OSError)):
            for _ in range(20):
                client("SET", "k", "x" * 100_000)
        assert server.connect()("EXISTS", "k") == 0
    finally:
        server.close()


def test_an_aborted_transaction_queues_no_more_commands(
    server: RunningServer, client: Connection
) -> None:
    client("MULTI")
    client("NOSUCH")
    for _ in range(3):
        assert client("SET", "k", "v") == "QUEUED"
    (known,) = server.call(lambda: list(server.instance.clients.values()))
    assert known.transaction is not None
    assert known.transaction.queue == []
    assert client("EXEC") == ABORTED


def test_a_disconnected_clients_transaction_is_dropped(
    server: RunningServer, client: Connection, other: Connection
) -> None:
    client("WATCH", "k")
    client("MULTI")
    client("SET", "k", "v")
    client.close()
    server.wait_for_clients(1)
    assert other("EXISTS", "k") == 0
    assert server.call(lambda: dict(server.instance.keyspace.databases[0].watched)) == {}


# --- watching ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        ("SET", "k", "v"),
        ("DEL", "k"),
        ("RENAME", "k", "elsewhere"),
        ("RENAME", "from", "k"),
        ("EXPIRE", "k", 100),
        ("PERSIST", "timed"),
        ("APPEND", "k", "x"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("SWAPDB", 0, 1),
        ("MOVE", "k", 1),
        ("COPY", "from", "k", "REPLACE"),
        ("LPOP", "list"),
        ("LSET", "list", 0, "a"),
        ("LREM", "list", 0, "a"),
        ("RPUSH", "none", "a"),
    ],
    ids=lambda change: " ".join(map(str, change)),
)
def test_changing_a_watched_key_aborts_the_transaction(
    client: Connection, other: Connection, change: tuple[str | int, ...]
) -> None:
    other.pipeline(
        [
            ("MSET", "k", 1, "from", 2),
            ("SET", "timed", 3, "PX", 10**6),
            ("RPUSH", "list", "a", "b"),
        ]
    )
    client("WATCH", "unrelated", "k", "timed", "list", "none")
    assert not isinstance(other(*change), Error)
    assert transact(client, ("SET", "k", "mine")) == NULL_ARRAY
    assert other("GET", "k") != b"mine"


@pytest.mark.parametrize(
    "change",
    [
        ("GET", "k"),
        ("SET", "k", "v", "NX"),
        ("DEL", "none"),
        ("LREM", "list", 0, "nothing like it"),
        ("LPUSHX", "none", "a"),
        ("LINSERT", "list", "BEFORE", "nothing like it", "a"),
        ("PERSIST", "k"),
        ("SET", "unrelated", "v"),
        ("LMOVE", "none", "list", "LEFT", "LEFT"),
    ],
    ids=lambda change: " ".join(map(str, change)),
)
def test_commands_that_change_no_watched_key_do_not_abort(
    client: Connection, other: Connection, change: tuple[str | int, ...]
) -> None:
    other.pipeline([("SET", "k", 1), ("RPUSH", "list", "a", "b")])
    client("WATCH", "k", "list", "none")
    assert not isinstance(other(*change), Error)
    assert transact(client, ("SET", "k", "mine")) == ["OK"]


def test_expiry_of_a_watched_key_aborts_the_transaction(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("SET", "k", "v", "PX", 100)
    client("WATCH", "k")
    server.advance(100)
    assert transact(client, ("PING",)) == ["PONG"]
    client("WATCH", "k")
    server.advance(1)
    assert transact(client, ("PING",)) == NULL_ARRAY


def test_a_key_already_expired_when_watched_does_not_abort(
    server: RunningServer, client: Connection, other: Connection
) -> None:
    server.freeze()
    client("SET", "k", "v", "PX", 100)
    server.advance(101)
    client("WATCH", "k")
    assert other("GET", "k") is None
    assert transact(client, ("PING",)) == ["PONG"]


def test_exec_unwatch_and_discard_reset_the_watched_keys(
    client: Connection, other: Connection
) -> None:
    client("WATCH", "k")
    other("SET", "k", 1)
    assert transact(client) == NULL_ARRAY
    assert transact(client, ("GET", "k")) == [b"1"]
    client("WATCH", "k")
    other("SET", "k", 2)
    client("UNWATCH")
    assert transact(client, ("GET", "k")) == [b"2"]
    client("WATCH", "k")
    other("SET", "k", 3)
    client("MULTI")
    client("DISCARD")
    assert transact(client, ("GET", "k")) == [b"3"]


def test_a_change_after_multi_aborts_the_transaction(client: Connection, other: Connection) -> None:
    client("WATCH", "k")
    client("MULTI")
    client("SET", "k", "mine")
    other("SET", "k", "theirs")
    assert client("SET", "k", "again") == "QUEUED"
    assert client("EXEC") == NULL_ARRAY
    assert client("GET", "k") == b"theirs"


def test_an_aborted_exec_returns_null_in_resp3(client3: Connection, other: Connection) -> None:
    client3("WATCH", "k")
    other("SET", "k", 1)
    assert transact(client3) is None


def test_watching_is_per_database(client: Connection, other: Connection) -> None:
    client("WATCH", "k")
    other("SELECT", 1)
    other("SET", "k", 1)
    assert transact(client) == []
    client("SELECT", 1)
    client("WATCH", "k")
    client("SELECT", 0)
    other("SET", "k", 2)
    assert transact(client) == NULL_ARRAY


def test_watching_a_key_repeatedly_is_stored_once(
    server: RunningServer, client: Connection
) -> None:
    for _ in range(20):
        client("WATCH", "k", "k")
    (known,) = server.call(lambda: list(server.instance.clients.values()))
    assert len(known.watching) == 1
    client("UNWATCH")
    assert server.call(lambda: dict(server.instance.keyspace.databases[0].watched)) == {}


# --- running ----------------------------------------------------------------------------


def test_blocking_commands_do_not_block_inside(client: Connection) -> None:
    assert transact(
        client,
        ("BLPOP", "k", 0),
        ("BLMOVE", "k", "j", "LEFT", "LEFT", 0),
        ("RPUSH", "k", 1),
        ("BLPOP", "k", 0),
    ) == [NULL_ARRAY, None, 1, [b"k", b"1"]]
    assert client("PING") == "PONG"


def test_the_clock_does_not_advance_inside(server: RunningServer, client: Connection) -> None:
    server.freeze()
    assert transact(
        client, ("SET", "k", 1, "PX", 10), ("PTTL", "k"), ("GET", "k"), ("PTTL", "k")
    ) == ["OK", 10, b"1", 10]


def test_an_error_inside_does_not_stop_the_others(client: Connection) -> None:
    client("SET", "s", "text")
    reply = transact(client, ("SET", "a", 1), ("LPUSH", "s", 1), ("SET", "b", 2))
    assert reply[0] == reply[2] == "OK"
    assert reply[1].code == "WRONGTYPE"
    assert client("EXISTS", "a", "b") == 2


def test_a_clients_own_messages_follow_the_reply(client3: Connection) -> None:
    client3("SUBSCRIBE", "a")
    client3.send("PUBLISH", "a", "1")
    assert [client3.read(), client3.read()] == [1, Push([b"message", b"a", b"1"])]
    for request in [("MULTI",), ("PUBLISH", "a", "2"), ("PING",), ("EXEC",)]:
        client3.send(*request)
    assert [client3.read() for _ in range(3)] == ["OK", "QUEUED", "QUEUED"]
    assert [client3.read(), client3.read()] == [
        [1, "PONG"],
        Push([b"message", b"a", b"2"]),
    ]


def test_messages_to_others_keep_the_order_of_the_requests(
    server: RunningServer, client: Connection
) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "a", "b")
    listener.read()
    transact(client, ("PUBLISH", "b", 1), ("PUBLISH", "a", 2), ("PUBLISH", "b", 3))
    assert [listener.read_push().items[1:] for _ in range(3)] == [
        [b"b", b"1"],
        [b"a", b"2"],
        [b"b", b"3"],
    ]


def test_each_queued_request_is_counted(server: RunningServer, client: Connection) -> None:
    transact(client, ("SET", "k", 1), ("SET", "k", 2), ("BLPOP", "none", 0))
    calls = {
        bound.command.name: bound.stats.calls
        for bound in server.call(lambda: server.instance.used_commands)
    }
    assert (calls["MULTI"], calls["SET"], calls["BLPOP"], calls["EXEC"]) == (1, 2, 1, 1)


def test_only_commands_that_changed_data_are_logged(
    server: RunningServer, client: Connection
) -> None:
    client("RPUSH", "l", "a", "b", "c")
    journal = server.record()
    transact(
        client,
        ("GET", "k"),
        ("SET", "k", "v"),
        ("BLPOP", "l", 0),
        ("LPUSHX", "none", "a"),
        ("LMPOP", 1, "l", "RIGHT", "COUNT", 9),
        ("LPUSH", "k", "fails"),
    )
    assert server.call(bare, journal) == [
        [b"SET", b"k", b"v"],
        [b"LPOP", b"l"],
        [b"RPOP", b"l", b"2"],
    ]
