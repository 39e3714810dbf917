"""The test house itself: what the other tests rely on."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, ConnectionClosed, Error, Map, parse_all
from tests.support.servers import Loop, RunningServer


def test_server_is_fresh_and_reachable(client: Connection, server: RunningServer) -> None:
    assert client("PING") == "PONG"
    assert client.pipeline([("PING", "a"), ("PING", b"\xff"), ("NOPE",)])[:2] == [b"a", b"\xff"]
    assert server.clients() == 1


def test_time_is_the_tests(server: RunningServer) -> None:
    server.freeze(1_000_000)
    server.advance(500)
    assert server.now_ms() == 1_000_500


def test_many_servers_live_side_by_side(loop: Loop) -> None:
    servers = [loop.start_server() for _ in range(20)]
    assert len({server.port for server in servers}) == 20
    for server in servers:
        assert server.connect()("PING") == "PONG"
        server.close()
        assert server.ended.is_set()


def test_closed_connections_are_noticed(loop: Loop) -> None:
    server = loop.start_server()
    client = server.connect()
    assert client("PING") == "PONG"
    server.call(server._server.stop)
    with pytest.raises(ConnectionClosed):
        client.read()
    server.close()


def test_replies_keep_their_types() -> None:
    status, bulk, none, null_array, error = parse_all(b"+OK\r\n$2\r\nOK\r\n_\r\n*-1\r\n-ERR x\r\n")
    assert (status, bulk, none) == ("OK", b"OK", None)
    assert null_array is NULL_ARRAY
    assert error == Error("ERR x")
    (mapped,) = parse_all(b"%1\r\n+a\r\n#t\r\n")
    assert mapped == Map([("a", True)])
