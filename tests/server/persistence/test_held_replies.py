"""With `appendfsync always`, a reply that acknowledges a write is sent when the write is on disk.

Everything else is answered while the disk fails, also where one turn of the server's loop has
both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.system.system import System
from tests.support.disks import FailingDisk
from tests.support.persistence import LOG
from tests.support.resp import TIMEOUT, Connection, Error, request
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

FAILED = Error("MISCONF Errors writing to the AOF file: Input/output error")


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture
def server(loop: Loop, tmp_path: Path, disk: FailingDisk) -> Iterator[RunningServer]:
    running = loop.start_server(System(files=disk), dir=str(tmp_path), **LOG, hz="100")
    yield running
    disk.repair()
    running.close()


@contextmanager
def one_turn(server: RunningServer) -> Iterator[None]:
    """Everything that is sent inside is received in one turn of the loop."""
    gate = threading.Event()
    holder = threading.Thread(target=server.call, args=(gate.wait, TIMEOUT))
    holder.start()
    yield
    gate.set()
    holder.join()


def awaits_room(server: RunningServer) -> bool:
    """Return whether any connection waits until its socket can be written to."""
    clients = server.instance.clients
    return server.call(lambda: any(client.wire.wants_write for client in clients.values()))


def test_clients_that_write_nothing_are_answered(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    client("SET", "a", 1)
    others = [server.connect() for _ in range(17)]
    writers = [server.connect() for _ in range(3)]
    disk.fail()
    with one_turn(server):
        for number, each in enumerate(others):
            each.send(*(("PING",) if number % 2 else ("GET", "a")))
        for each in writers:
            each.send("INCR", "a")
    for number, each in enumerate(others):
        # A PING that follows the failure in the same turn is refused, as in Redis.
        reply = each.read()
        assert reply in (("PONG", FAILED) if number % 2 else (b"1", b"2", b"3", b"4"))
    for each in writers:
        assert each.is_silent(0.02)
    disk.repair()
    assert sorted(each.read() for each in writers) == [2, 3, 4]


def test_the_replies_before_the_first_write_of_a_pipeline_are_sent(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    client("SET", "a", 1)
    disk.fail()
    client.send_raw(request(["ECHO", "x"]) + request(["INCR", "a"]) + request(["ECHO", "y"]))
    assert client.read() == b"x"
    assert client.is_silent(0.02)
    client.send("ECHO", "z")
    assert client.is_silent(0.02)
    disk.repair()
    assert [client.read() for _ in range(3)] == [2, b"y", b"z"]


def test_the_reply_to_a_client_that_a_write_unblocked_is_held_back(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    blocked, subscriber = server.connect(), server.connect()
    server.block(blocked, "BLPOP", "list", 0)
    subscriber("SUBSCRIBE", "news")
    disk.fail()
    client.send_raw(request(["RPUSH", "list", "x"]) + request(["PUBLISH", "news", "y"]))
    # A message is not a write.
    assert subscriber.read() == [b"message", b"news", b"y"]
    assert blocked.is_silent(0.02)
    assert client.is_silent(0.02)
    disk.repair()
    assert client.read() == 1
    assert client.read() == 1
    assert blocked.read() == [b"list", b"x"]


def test_a_backlog_is_sent_while_later_replies_are_held_back(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    client("SET", "long", "x" * 100_000)
    slow = server.connect()
    slow.pipeline([("PING",)])
    slow.send_raw(request(["GET", "long"]) * 200)
    wait_until(lambda: awaits_room(server), "unsent replies")
    disk.fail()
    slow.send("INCR", "n")
    client("GET", "long")
    assert [len(slow.read()) for _ in range(200)] == [100_000] * 200
    assert slow.is_silent(0.02)
    # It can be written to, but there is nothing to write: that must not keep the loop running.
    assert not awaits_room(server)
    disk.repair()
    assert slow.read() == 1


def test_a_held_client_has_its_output_limit(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    client("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    client("SET", "long", "x" * 100_000)
    held = server.connect()
    disk.fail()
    held.send_raw(request(["INCR", "n"]) + request(["GET", "long"]) * 20)
    assert held.read_until_closed() == []


def test_quit_after_a_write_is_answered_when_the_write_is_on_disk(
    server: RunningServer, client: Connection, disk: FailingDisk
) -> None:
    disk.fail()
    client.send_raw(request(["ECHO", "x"]) + request(["INCR", "a"]) + request(["QUIT"]))
    assert client.read() == b"x"
    assert client.is_silent(0.02)
    disk.repair()
    assert client.read_until_closed() == [1, "OK"]
