"""TCP keep-alive of accepted connections, for every value that CONFIG SET accepts."""

from __future__ import annotations

import socket
import sys

import pytest

from server.net.connection import Connection
from tests.support.servers import RunningServer


def _newest_socket(server: RunningServer) -> socket.socket:
    clients = server.instance.clients
    wire = clients[max(clients)].wire
    assert isinstance(wire, Connection)
    assert isinstance(wire.socket, socket.socket)
    return wire.socket


@pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")
@pytest.mark.parametrize(
    ("seconds", "idle"),
    [
        (0, None),
        (1, 1),
        (300, 300),
        (32767, 32767),
        (32768, 32767),
        (40_000, 32767),
        (2**31 - 1, 32767),
    ],
)
def test_new_connections_are_served_and_probed(
    server: RunningServer, seconds: int, idle: int | None
) -> None:
    assert server.connect()("CONFIG", "SET", "tcp-keepalive", seconds) == "OK"
    client = server.connect()
    assert client("PING") == "PONG"
    accepted = server.call(lambda: _newest_socket(server))
    assert bool(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == (idle is not None)
    if idle is not None:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == idle
