"""WAITAOF with a log that another thread forces to disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.settings.settings import Settings
from server.persistence import log as log_module
from server.persistence.disk import SystemDisk
from server.persistence.system import System
from tests.server.persistence.test_keeper import LOG, SlowChild, rewritten, wait_until
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

NO_LOG = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."


class SlowDisk(SystemDisk):
    """A disk on which syncs last until the event is set; it counts them."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        self.free.wait(20)
        super().sync(descriptor)
        self.syncs += 1


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.free.set()


@pytest.fixture
def server(loop: Loop, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setattr(log_module, "_SYNC_SECONDS", 0.01)
    server = loop.start_server(System(disk=disk), appendonly="yes", appendfsync="everysec")
    yield server
    disk.free.set()
    server.close()


def wait_until_blocked(server: RunningServer, number: int = 1) -> None:
    wait_until(lambda: len(waiting(server)) == number)


def waiting(server: RunningServer) -> list[object]:
    clients = server.instance.clients
    return server.call(lambda: [1 for client in clients.values() if client.waiting is not None])


def test_it_waits_for_the_sync_of_what_was_written(server: RunningServer, disk: SlowDisk) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    # What is written while the disk is busy is not covered by what it is busy with.
    wait_until(lambda: server.instance.persistence.log.syncs_running)
    other("SET", "later", 1)
    other.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server, 2)
    assert disk.syncs == 0
    disk.free.set()
    assert client.read() == [1, 0]
    assert disk.syncs >= 1
    assert other.read() == [1, 0]
    assert disk.syncs >= 2
    assert client("WAITAOF", 1, 0, 0) == [1, 0]


def test_requests_behind_it_are_run_afterwards(server: RunningServer, disk: SlowDisk) -> None:
    client = server.connect()
    client.send("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    client.send("GET", "key")
    wait_until_blocked(server)
    disk.free.set()
    assert [client.read() for _ in range(3)] == ["OK", [1, 0], b"value"]


def test_at_the_timeout_it_says_how_far_the_log_is(server: RunningServer, disk: SlowDisk) -> None:
    server.freeze()
    client = server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 1000)
    wait_until_blocked(server)
    server.advance(1000)
    assert client.read() == [0, 0]
    assert client("MULTI") == "OK"
    client("WAITAOF", 1, 0, 0)
    assert client("EXEC") == [[0, 0]]
    # Replicas are waited for in vain, and the log comes to be on disk meanwhile.
    client.send("WAITAOF", 1, 1, 1000)
    wait_until_blocked(server)
    disk.free.set()
    wait_until(lambda: server.instance.persistence.log.synced_position)
    assert len(waiting(server)) == 1
    server.advance(1000)
    assert client.read() == [1, 0]


def test_a_log_that_is_turned_off_is_not_waited_for(server: RunningServer, disk: SlowDisk) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    disk.free.set()
    server.call(server.instance.settings.set, Settings.appendonly, False)
    reply = client.read()
    # The last sync may have come first.
    assert reply in ([1, 0], Error(NO_LOG))
    assert other("WAITAOF", 1, 0, 0) == Error(NO_LOG)
    assert other("WAITAOF", 0, 0, 0) == [0, 0]


def test_a_log_that_is_not_synced_is_given_up_when_it_is_turned_off(loop: Loop) -> None:
    server = loop.start_server(appendonly="yes", appendfsync="no")
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    assert other("CONFIG", "SET", "appendonly", "no") == "OK"
    assert client.read() == Error(NO_LOG)
    server.close()


@pytest.mark.parametrize("policy", ["everysec", "always"])
def test_a_policy_that_syncs_ends_the_wait(loop: Loop, policy: str) -> None:
    server = loop.start_server(appendonly="yes", appendfsync="no")
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    other("CONFIG", "SET", "appendfsync", policy)
    assert client.read() == [1, 0]
    server.close()


def test_always_does_not_count_what_another_policy_left_unsynced(loop: Loop) -> None:
    disk = SlowDisk()
    disk.free.set()
    server = loop.start_server(System(disk=disk), appendonly="yes", appendfsync="no")
    client = server.connect()
    client("SET", "key", "value")
    assert disk.syncs == 0
    replies = client.pipeline([("CONFIG", "SET", "appendfsync", "always"), ("WAITAOF", 1, 0, 0)])
    assert replies == ["OK", [1, 0]]
    assert disk.syncs > 0
    server.close()


def test_always_does_not_count_what_must_not_be_synced_during_a_snapshot(
    loop: Loop, tmp_path: Path
) -> None:
    slow = SlowChild(tmp_path / "gate")
    server = loop.start_server(
        System(method=slow), **LOG, no_appendfsync_on_rewrite="yes", hz="100"
    )
    client = server.connect()
    client("BGSAVE")
    client("SET", "key", "value")
    assert client("WAITAOF", 1, 0, 20) == [0, 0]
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    slow.go()
    assert client.read() == [1, 0]
    server.close()


def test_a_log_that_goes_on_in_a_new_file_is_waited_for(
    server: RunningServer, disk: SlowDisk
) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    wait_until_blocked(server)
    other("BGREWRITEAOF")
    disk.free.set()
    assert client.read() == [1, 0]
    rewritten(other)


def test_a_log_without_its_base_does_not_count(loop: Loop) -> None:
    server = loop.start_server(appendonly="no", appendfsync="everysec")
    client = server.connect()
    client("SET", "key", "value")
    client("CONFIG", "SET", "appendonly", "yes")
    client("SET", "other", "value")
    assert client("WAITAOF", 1, 0, 0) == [1, 0]
    assert server.instance.persistence.log.complete
    server.close()


def test_what_was_waited_for_survives(tmp_path: Path) -> None:
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--appendfsync", "everysec")
    with ServeProcess(*options) as process, Connection(process.port) as client:
        client("SET", "key", "value")
        assert client("WAITAOF", 1, 0, 5000) == [1, 0]
        process.kill()
    with ServeProcess(*options) as process, Connection(process.port) as client:
        assert client("GET", "key") == b"value"
