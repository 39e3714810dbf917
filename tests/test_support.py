"""The support modules that the other tests rely on."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, ConnectionClosed, Error, Map, parse_all
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import pages, wait_until


def test_a_new_server_is_empty_and_reachable(client: Connection, server: RunningServer) -> None:
    assert client("PING") == "PONG"
    assert client.pipeline([("PING", "a"), ("PING", b"\xff"), ("NOPE",)])[:2] == [b"a", b"\xff"]
    assert server.clients() == 1


def test_tests_control_the_clock_of_a_server(server: RunningServer) -> None:
    server.freeze(1_000_000)
    server.advance(500)
    assert server.now_ms() == 1_000_500


def test_many_servers_run_at_the_same_time(loop: Loop) -> None:
    servers = [loop.start_server() for _ in range(20)]
    assert len({server.port for server in servers}) == 20
    for server in servers:
        assert server.connect()("PING") == "PONG"
        server.close()
        assert server.ended.is_set()


def test_a_connection_closed_by_the_server_raises(loop: Loop) -> None:
    server = loop.start_server()
    client = server.connect()
    assert client("PING") == "PONG"
    server.call(server._server.stop)
    with pytest.raises(ConnectionClosed):
        client.read()
    server.close()


def test_a_wait_in_vain_fails_and_names_its_condition() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: an impossible thing"):
        wait_until(lambda: False, "an impossible thing", seconds=0.01)


def test_blocked_clients_are_counted_until_they_are_woken(
    server: RunningServer, client: Connection
) -> None:
    blocked = server.connect()
    server.block(blocked, "BLPOP", "key", 0)
    assert server.blocked_clients() == 1
    assert server.entries_for_blocked() > 0
    client("RPUSH", "key", "x")
    server.wait_for_blocked(0)
    assert server.entries_for_blocked() == 0


def test_pages_end_at_cursor_zero_and_are_limited() -> None:
    replies = {b"0": [b"7", [1]], b"7": [b"0", [2]]}
    assert list(pages(replies.__getitem__)) == [[1], [2]]
    with pytest.raises(AssertionError, match="the cursor is not 0"):
        list(pages(lambda cursor: [b"7", []]))


def test_replies_keep_their_types() -> None:
    status, bulk, none, null_array, error = parse_all(b"+OK\r\n$2\r\nOK\r\n_\r\n*-1\r\n-ERR x\r\n")
    assert (status, bulk, none) == ("OK", b"OK", None)
    assert null_array is NULL_ARRAY
    assert error == Error("ERR x")
    (mapped,) = parse_all(b"%1\r\n+a\r\n#t\r\n")
    assert mapped == Map([("a", True)])
