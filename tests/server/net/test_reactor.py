"""Both ways of knowing which sockets are ready serve clients alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server import server as server_module
from server.net.reactor import EpollReactor, TaskReactor
from tests.support.resp import ConnectionClosed
from tests.support.servers import Loop, RunningServer


@pytest.fixture(params=[EpollReactor, TaskReactor])
def any_server(
    request: pytest.FixtureRequest, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningServer]:
    monkeypatch.setattr(server_module, "make_reactor", request.param)
    running = loop.start_server()
    assert type(running.call(lambda: running._server._reactor)) is request.param
    yield running
    running.close()


def test_pipelines_are_answered_in_order(any_server: RunningServer) -> None:
    client = any_server.connect()
    requests = [("RPUSH", "list", number) for number in range(500)]
    assert client.pipeline(requests) == list(range(1, 501))


def test_a_reply_larger_than_the_socket_takes(any_server: RunningServer) -> None:
    client = any_server.connect()
    value = bytes(range(256)) * 64 * 1024
    assert client("SET", "large", value) == "OK"
    assert client.pipeline([("GET", "large")] * 3) == [value] * 3


def test_other_clients_are_woken_in_the_same_turn(any_server: RunningServer) -> None:
    waiting, pushing = any_server.connect(), any_server.connect()
    waiting.send("BLPOP", "queue", 0)
    pushing("PING")
    assert pushing("RPUSH", "queue", "job") == 1
    assert waiting.read() == [b"queue", b"job"]


def test_a_dropped_client_leaves_the_others_served(any_server: RunningServer) -> None:
    dropped, other = any_server.connect(), any_server.connect()
    dropped.send("BLPOP", "queue", 0)
    other("PING")
    dropped.close()
    while other("CLIENT", "LIST").count(b"\n") > 1:
        pass
    assert other("RPUSH", "queue", "job") == 1
    assert other("LLEN", "queue") == 1


def test_clients_are_closed_with_the_server(any_server: RunningServer) -> None:
    clients = [any_server.connect() for _ in range(5)]
    clients[0].send("SHUTDOWN", "NOSAVE")
    any_server.ended.wait(10)
    for client in clients[1:]:
        with pytest.raises(ConnectionClosed):
            client("PING")
