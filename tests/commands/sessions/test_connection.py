"""HELLO, AUTH, RESET and QUIT."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.resp import Connection, Error, Map
from tests.support.servers import Loop, RunningServer

NOAUTH = Error("NOAUTH Authentication required.")
WRONGPASS = Error("WRONGPASS invalid username-password pair or user is disabled.")


@pytest.fixture
def locked(loop: Loop) -> Iterator[RunningServer]:
    """A server that requires a password."""
    running = loop.start_server(requirepass="secret")
    yield running
    running.close()


def test_hello_describes_server_and_connection(client: Connection) -> None:
    ident = client("CLIENT", "ID")
    assert client("HELLO", 3) == Map(
        [
            (b"server", b"redis"),
            (b"version", b"7.2.4"),
            (b"proto", 3),
            (b"id", ident),
            (b"mode", b"standalone"),
            (b"role", b"master"),
            (b"modules", []),
        ]
    )
    assert client("HELLO", 2)[:4] == [b"server", b"redis", b"version", b"7.2.4"]


def test_replies_follow_the_protocol_within_a_pipeline(client: Connection) -> None:
    client("HSET", "h", "f", "v")
    requests: list[tuple[str | int, ...]] = [
        ("HELLO", 3),
        ("HGETALL", "h"),
        ("GET", "x"),
        ("HELLO", 2),
        ("HGETALL", "h"),
    ]
    replies = client.pipeline(requests)
    assert replies[1:3] == [Map([(b"f", b"v")]), None]
    assert replies[4] == [b"f", b"v"]


def test_a_failed_hello_changes_nothing(client: Connection) -> None:
    client("HELLO", 3, "SETNAME", "me", "AUTH", "nobody", "x")
    client("HELLO", 3, "SETNAME", "a b")
    assert client("CLIENT", "GETNAME") is None
    assert b" resp=2 " in client("CLIENT", "INFO")


def test_commands_are_refused_before_authentication(locked: RunningServer) -> None:
    client = locked.connect()
    assert client("GET", "k") == NOAUTH
    assert client("PING") == NOAUTH
    assert client("NOSUCH").text.startswith("ERR unknown command")
    assert client("GET").text.startswith("ERR wrong number of arguments")
    assert client("HELLO", 3).text.startswith("NOAUTH HELLO must be called")
    assert client("AUTH", "wrong") == WRONGPASS
    assert client("AUTH", "nobody", "secret") == WRONGPASS
    assert client("PING") == NOAUTH
    assert client("AUTH", "secret") == "OK"
    assert client("PING") == "PONG"


def test_a_failed_auth_keeps_the_client_authenticated(locked: RunningServer) -> None:
    client = locked.connect()
    client("AUTH", "default", "secret")
    assert client("AUTH", "wrong") == WRONGPASS
    assert client("PING") == "PONG"
    assert locked.call(lambda: locked.instance.statistics.acl_denied_auth) == 1


def test_hello_can_authenticate(locked: RunningServer) -> None:
    client = locked.connect()
    assert client("HELLO", 3, "AUTH", "default", "wrong") == WRONGPASS
    assert client("HELLO", 3, "AUTH", "default", "secret")[b"proto"] == 3


def test_a_new_password_applies_to_new_connections(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "requirepass", "secret")
    assert client("PING") == "PONG"
    stranger = server.connect()
    assert stranger("PING") == NOAUTH
    client("CONFIG", "SET", "requirepass", "")
    assert stranger("PING") == "PONG"


def test_unauthenticated_clients_may_quit_and_reset(locked: RunningServer) -> None:
    client = locked.connect()
    assert client("RESET") == "RESET"
    client.send("QUIT")
    assert client.read_until_closed() == ["OK"]


def test_authentication_lifts_the_limits_on_request_size(locked: RunningServer) -> None:
    client = locked.connect()
    client("AUTH", "secret")
    assert client("ECHO", "x" * 100_000) == b"x" * 100_000
    client("RESET")
    client.send("ECHO", "x" * 100_000)
    [refusal] = client.read_until_closed()
    assert refusal == Error("ERR Protocol error: unauthenticated bulk length")


def test_reset_restores_the_initial_state(locked: RunningServer) -> None:
    client, other = locked.connect(), locked.connect()
    client("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "me")
    client.resp = 3
    client("SELECT", 3)
    client("CLIENT", "NO-EVICT", "ON")
    client("CLIENT", "NO-TOUCH", "ON")
    client("SUBSCRIBE", "news")
    client("MULTI")
    client("SET", "k", 1)
    assert client("RESET") == "RESET"
    assert client("GET", "k") == NOAUTH
    other("AUTH", "secret")
    assert other("PUBLISH", "news", "x") == 0
    client("AUTH", "secret")
    info = client("CLIENT", "INFO")
    for fact in (b" name= ", b" db=0 ", b" flags=N ", b" resp=2 ", b" multi=-1 ", b" sub=0 "):
        assert fact in info


def test_reset_turns_replies_on(client: Connection) -> None:
    client.send("CLIENT", "REPLY", "OFF")
    client.send("PING")
    assert client("RESET") == "RESET"
    assert client("PING") == "PONG"


def test_reset_ends_monitoring(server: RunningServer, client: Connection) -> None:
    assert client("MONITOR") == "OK"
    assert client("RESET") == "RESET"
    server.connect()("PING")
    assert client("ECHO", "next") == b"next"
    assert not server.call(lambda: bool(server.instance.guards))


def test_quit_answers_earlier_requests_and_ignores_later_ones(client: Connection) -> None:
    client.send_raw(b"PING\r\nQUIT\r\nPING\r\n")
    assert client.read_until_closed() == ["PONG", "OK"]


def test_a_resp2_subscriber_gets_pong_as_a_message(client: Connection) -> None:
    client("SUBSCRIBE", "news")
    assert client("PING") == [b"pong", b""]
    assert client("PING", "x") == [b"pong", b"x"]
