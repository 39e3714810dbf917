"""The addresses that a server listens on, and changing them while it runs."""

from __future__ import annotations

import socket

import pytest

from tests.support.oracles import free_port
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


def test_config_set_port_moves_the_server(server: RunningServer) -> None:
    client = server.connect()
    port = free_port()
    assert client("CONFIG", "SET", "port", port) == "OK"
    moved = Connection(port)
    assert moved("PING") == "PONG"
    moved.close()
    # Connected clients stay connected; the old port accepts no new ones.
    assert client("PING") == "PONG"
    with pytest.raises(ConnectionRefusedError):
        Connection(server.port)


def test_changing_to_a_port_in_use_is_refused_and_changes_nothing(server: RunningServer) -> None:
    client = server.connect()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = client("CONFIG", "SET", "port", port)
    assert isinstance(refused, Error)
    assert refused.text.endswith("Failed to bind to specified addresses.")
    assert client("CONFIG", "GET", "port") == [b"port", b"%d" % server.port]
    assert server.connect()("PING") == "PONG"


def test_config_set_bind_adds_and_removes_addresses(server: RunningServer) -> None:
    client = server.connect()
    port = free_port()
    client("CONFIG", "SET", "port", port)
    assert client("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2") == "OK"
    with socket.create_connection(("127.0.0.2", port)) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(64) == b"+PONG\r\n"
    assert client("CONFIG", "SET", "bind", "127.0.0.1") == "OK"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))
    Connection(port).close()
