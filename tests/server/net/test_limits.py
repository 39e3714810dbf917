"""Limits on clients: sizes, numbers, time. A client beyond a limit is refused or closed."""

from __future__ import annotations

import socket

import pytest

from server.net import connections
from tests.support.info import info
from tests.support.oracles import Oracle
from tests.support.resp import Connection, ConnectionClosed, Error, request
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

MEGABYTE = 1 << 20


def is_closed(connection: Connection) -> bool:
    """Return whether the server closes the connection without sending anything."""
    try:
        replies = connection.read_until_closed()
    except TimeoutError:
        return False
    return replies == []


# --- requests ---------------------------------------------------------------------------


def test_incomplete_requests_have_a_limit(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy = server.connect()
    greedy.send_raw(b"*2\r\n$3\r\nSET\r\n$3000000\r\n" + b"x" * (MEGABYTE - 1000))
    with pytest.raises(TimeoutError):
        greedy.read(0.05)
    greedy.send_raw(b"x" * 2000)
    assert is_closed(greedy)
    assert info(client, "client_query_buffer_limit_disconnections") == "1"


def test_requests_of_a_blocked_client_have_a_limit(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    blocked = server.connect()
    blocked.send("BLPOP", "nothing", 0)
    for _ in range(3):
        blocked.send("SET", "key", "x" * 400_000)
    assert is_closed(blocked)
    assert client("EXISTS", "key") == 0


def test_the_limit_includes_many_small_words(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy = server.connect()
    greedy.send_raw(b"*1000000\r\n" + b"$8\r\n12345678\r\n" * 140_000)
    assert is_closed(greedy)


def test_queued_commands_of_a_transaction_have_a_limit(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    greedy = server.connect()
    greedy("MULTI")
    greedy.send_raw(request(["SET", "key", "x" * 300_000]) * 4)
    assert greedy.read_until_closed()[:3] == ["QUEUED"] * 3
    assert client("EXISTS", "key") == 0


def test_the_length_limit_of_words_follows_its_setting(
    server: RunningServer, client: Connection
) -> None:
    other = server.connect()
    other("PING")
    client("CONFIG", "SET", "proto-max-bulk-len", "1mb")
    assert other("SET", "key", "x" * MEGABYTE) == "OK"
    assert other("APPEND", "key", "x") == Error(
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    )
    other.send_raw(b"*2\r\n$3\r\nGET\r\n$%d\r\n" % (MEGABYTE + 1))
    assert other.read() == Error("ERR Protocol error: invalid bulk length")
    assert is_closed(other)


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET key 1\r\n",
        b"post\r\n",
        b"*2\r\n$5\r\nhOsT:\r\n$1\r\nx\r\n",
        b"PING\r\nHost: localhost\r\nSET key 1\r\n",
        b"MULTI\r\nSET key 1\r\nPOST x\r\nEXEC\r\n",
    ],
    ids=repr,
)
def test_http_requests_are_closed_without_a_reply(
    server: RunningServer, client: Connection, redis7: Oracle, sent: bytes
) -> None:
    for cut in (server.connect(), redis7.connect()):
        cut.send_raw(sent)
        assert is_closed(cut)
    assert client("EXISTS", "key") == 0


# --- replies ----------------------------------------------------------------------------


def test_a_subscriber_that_does_not_read_is_closed(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    sleeper, reader = server.connect(), server.connect()
    for subscriber in (sleeper, reader):
        subscriber("SUBSCRIBE", "news")
    message = b"x" * 100_000
    for _ in range(200):
        heard = client("PUBLISH", "news", message)
        assert reader.read() == [b"message", b"news", message]
        if heard == 1:
            break
    assert heard == 1
    assert info(client, "client_output_buffer_limit_disconnections") == "1"
    assert client("PUBLISH", "news", "x") == 1


def test_a_client_that_does_not_read_its_replies_is_closed(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0")
    client("SET", "key", b"x" * 100_000)
    sleeper = server.connect()
    sleeper("PING")
    sleeper.send_raw(request(["GET", "key"]) * 300)
    server.wait_for_clients(1)
    assert info(client, "client_output_buffer_limit_disconnections") == "1"
    assert client("STRLEN", "key") == 100_000


def test_without_a_limit_all_replies_are_sent(server: RunningServer, client: Connection) -> None:
    client("SET", "key", b"x" * 100_000)
    patient = server.connect()
    patient.send_raw(request(["GET", "key"]) * 200)
    client("PING")
    assert [len(patient.read()) for _ in range(200)] == [100_000] * 200


def test_the_soft_limit_closes_a_client_only_after_its_time(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 10")
    client("SET", "key", b"x" * 100_000)
    sleeper = server.connect()
    sleeper("PING")
    sleeper.send_raw(request(["GET", "key"]) * 300)
    wait_until(lambda: _unsent(server) > MEGABYTE, "a megabyte of unsent replies")
    server.advance(9_000)
    client("PING")
    assert server.clients() == 2
    server.advance(2_000)
    server.wait_for_clients(1)


def _unsent(server: RunningServer) -> int:
    """Return the size of the replies that await the slowest client."""

    def read() -> int:
        return max(int(client.wire.unsent) for client in server.instance.clients.values())

    return server.call(read)


# --- number, idle time, origin ----------------------------------------------------------


def test_clients_beyond_the_limit_are_refused(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "maxclients", 2)
    second = server.connect()
    assert second("PING") == "PONG"
    third = server.connect()
    assert third.read_until_closed() == [Error("ERR max number of clients reached")]
    assert info(client, "rejected_connections") == "1"
    second.close()
    server.wait_for_clients(1)
    assert server.connect()("PING") == "PONG"


def test_idle_clients_are_closed(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("CONFIG", "SET", "timeout", 10)
    idle, blocked, subscriber, monitor = (server.connect() for _ in range(4))
    idle("PING")
    server.block(blocked, "BLPOP", "nothing", 0)
    subscriber("SUBSCRIBE", "news")
    monitor("MONITOR")
    server.advance(9_000)
    assert (client("PING"), server.clients()) == ("PONG", 5)
    server.advance(2_000)
    server.wait_for_clients(4)
    assert is_closed(idle)
    client("RPUSH", "nothing", "x")
    assert blocked.read() == [b"nothing", b"x"]


def test_without_a_password_only_local_clients_are_served(
    server: RunningServer, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_foreign(_: socket.socket) -> bool:
        return True

    client("PING")
    monkeypatch.setattr(connections, "_is_foreign", is_foreign)
    (refusal,) = server.connect().read_until_closed()
    assert refusal.code == "DENIED"
    assert client("CONFIG", "SET", "requirepass", "secret") == "OK"
    assert server.connect()("PING") == Error("NOAUTH Authentication required.")
    client("CONFIG", "SET", "requirepass", "", "protected-mode", "no")
    assert server.connect()("PING") == "PONG"


@pytest.mark.parametrize(
    ("address", "foreign"),
    [
        *[(local, False) for local in ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1")],
        *[(other, True) for other in ("10.0.0.1", "192.168.127.1", "fe80::1", "::ffff:10.0.0.1")],
    ],
)
def test_which_addresses_count_as_local(address: str, foreign: bool) -> None:
    class Peer:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def getpeername(self) -> tuple[str, int]:
            return address, 1

    assert connections._is_foreign(Peer()) is foreign  # type: ignore[arg-type]


def test_is_closed_distinguishes_closed_from_silent_connections(server: RunningServer) -> None:
    """The tests above rely on it."""
    connection = server.connect(timeout=0.05)
    assert not is_closed(connection)
    connection("QUIT")
    with pytest.raises(ConnectionClosed):
        connection.read()


def test_a_flood_of_http_is_logged_once_a_minute(
    server: RunningServer, client: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    server.freeze()

    def notices() -> int:
        for _ in range(3):
            attacker = server.connect()
            attacker.send_raw(b"POST / HTTP/1.1\r\n")
            assert is_closed(attacker)
        return sum("sends HTTP" in record.message for record in caplog.records)

    assert (notices(), notices()) == (1, 1)
    server.advance(60_000)
    assert client("PING") == "PONG"
    assert notices() == 2
