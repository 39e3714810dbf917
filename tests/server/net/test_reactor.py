"""Both reactors serve clients in the same way."""

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


def test_a_reply_larger_than_the_socket_buffer_is_sent_whole(any_server: RunningServer) -> None:
    client = any_server.connect()
    value = bytes(range(256)) * 64 * 1024
    assert client("SET", "large", value) == "OK"
    assert client.pipeline([("GET", "large")] * 3) == [value] * 3


def test_a_push_wakes_a_blocked_client(any_server: RunningServer) -> None:
    waiting, pushing = any_server.connect(), any_server.connect()
    any_server.block(waiting, "BLPOP", "queue", 0)
    assert pushing("RPUSH", "queue", "job") == 1
    assert waiting.read() == [b"queue", b"job"]


def test_the_other_clients_are_served_after_one_is_dropped(any_server: RunningServer) -> None:
    dropped, other = any_server.connect(), any_server.connect()
    any_server.block(dropped, "BLPOP", "queue", 0)
    dropped.close()
    any_server.wait_for_clients(1)
    assert other("RPUSH", "queue", "job") == 1
    assert other("LLEN", "queue") == 1


def test_clients_are_closed_with_the_server(any_server: RunningServer) -> None:
    clients = [any_server.connect() for _ in range(5)]
    clients[0].send("SHUTDOWN", "NOSAVE")
    assert any_server.ended.wait(10)
    for client in clients[1:]:
        with pytest.raises(ConnectionClosed):
            client("PING")
