"""WAITAOF while another thread syncs the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.settings.settings import Settings
from server.persistence import log as log_module
from server.system.system import System
from tests.support.disks import SlowChild, SlowDisk
from tests.support.persistence import LOG, rewritten
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

NO_LOG = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."


@pytest.fixture
def disk() -> Iterator[SlowDisk]:
    disk = SlowDisk()
    yield disk
    disk.free.set()


@pytest.fixture
def server(loop: Loop, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setattr(log_module, "_SYNC_SECONDS", 0.01)
    server = loop.start_server(System(files=disk), appendonly="yes", appendfsync="everysec")
    yield server
    disk.free.set()
    server.close()


def test_waitaof_waits_for_a_sync_that_covers_the_write(
    server: RunningServer, disk: SlowDisk
) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 0)
    # A write that comes while a sync runs is not covered by that sync.
    wait_until(lambda: server.instance.persistence.log.syncs_running, "the start of a sync")
    other("SET", "later", 1)
    server.block(other, "WAITAOF", 1, 0, 0)
    assert disk.syncs == 0
    disk.free.set()
    assert client.read() == [1, 0]
    assert disk.syncs >= 1
    assert other.read() == [1, 0]
    assert disk.syncs >= 2
    assert client("WAITAOF", 1, 0, 0) == [1, 0]


def test_requests_sent_after_waitaof_are_run_afterwards(
    server: RunningServer, disk: SlowDisk
) -> None:
    client = server.connect()
    client.send("SET", "key", "value")
    client.send("WAITAOF", 1, 0, 0)
    client.send("GET", "key")
    server.wait_for_blocked()
    disk.free.set()
    assert [client.read() for _ in range(3)] == ["OK", [1, 0], b"value"]


def test_at_the_timeout_waitaof_reports_the_state_of_the_log(
    server: RunningServer, disk: SlowDisk
) -> None:
    server.freeze()
    client = server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 1000)
    server.advance(1000)
    assert client.read() == [0, 0]
    assert client("MULTI") == "OK"
    client("WAITAOF", 1, 0, 0)
    assert client("EXEC") == [[0, 0]]
    # No replica ever confirms; the log is synced during the wait.
    server.block(client, "WAITAOF", 1, 1, 1000)
    disk.free.set()
    wait_until(lambda: server.instance.persistence.log.synced_position, "the sync of the whole log")
    assert server.blocked_clients() == 1
    server.advance(1000)
    assert client.read() == [1, 0]


def test_turning_the_log_off_ends_the_wait(server: RunningServer, disk: SlowDisk) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 0)
    disk.free.set()
    server.call(server.instance.settings.set, Settings.appendonly, False)
    reply = client.read()
    # The last sync may have ended before the log was turned off.
    assert reply in ([1, 0], Error(NO_LOG))
    assert other("WAITAOF", 1, 0, 0) == Error(NO_LOG)
    assert other("WAITAOF", 0, 0, 0) == [0, 0]


def test_turning_off_a_log_that_is_never_synced_ends_the_wait(loop: Loop) -> None:
    server = loop.start_server(appendonly="yes", appendfsync="no")
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 0)
    assert other("CONFIG", "SET", "appendonly", "no") == "OK"
    assert client.read() == Error(NO_LOG)
    server.close()


@pytest.mark.parametrize("policy", ["everysec", "always"])
def test_changing_to_a_policy_that_syncs_ends_the_wait(loop: Loop, policy: str) -> None:
    server = loop.start_server(appendonly="yes", appendfsync="no")
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 0)
    other("CONFIG", "SET", "appendfsync", policy)
    assert client.read() == [1, 0]
    server.close()


def test_always_does_not_count_what_another_policy_left_unsynced(loop: Loop) -> None:
    disk = SlowDisk()
    disk.free.set()
    server = loop.start_server(System(files=disk), appendonly="yes", appendfsync="no")
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
        System(processes=slow), **LOG, no_appendfsync_on_rewrite="yes", hz="100"
    )
    client = server.connect()
    client("BGSAVE")
    client("SET", "key", "value")
    assert client("WAITAOF", 1, 0, 20) == [0, 0]
    server.block(client, "WAITAOF", 1, 0, 0)
    slow.go()
    assert client.read() == [1, 0]
    server.close()


def test_the_wait_continues_across_a_rewrite(server: RunningServer, disk: SlowDisk) -> None:
    client, other = server.connect(), server.connect()
    client("SET", "key", "value")
    server.block(client, "WAITAOF", 1, 0, 0)
    other("BGREWRITEAOF")
    disk.free.set()
    assert client.read() == [1, 0]
    rewritten(other)


def test_a_new_log_counts_only_once_its_base_is_written(loop: Loop) -> None:
    server = loop.start_server(appendonly="no", appendfsync="everysec")
    client = server.connect()
    client("SET", "key", "value")
    client("CONFIG", "SET", "appendonly", "yes")
    client("SET", "other", "value")
    assert client("WAITAOF", 1, 0, 0) == [1, 0]
    assert server.instance.persistence.log.complete
    server.close()


def test_a_confirmed_write_survives_a_kill(tmp_path: Path) -> None:
    options = ("--dir", str(tmp_path), "--appendonly", "yes", "--appendfsync", "everysec")
    with ServeProcess(*options) as process, Connection(process.port) as client:
        client("SET", "key", "value")
        assert client("WAITAOF", 1, 0, 5000) == [1, 0]
        process.kill()
    with ServeProcess(*options) as process, Connection(process.port) as client:
        assert client("GET", "key") == b"value"
