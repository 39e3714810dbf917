"""Snapshots and rewrites on systems without fork: clients are served in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from server.persistence import copier
from server.system.files import SystemFiles
from server.system.system import System
from tests.support.disks import NoFork
from tests.support.info import info
from tests.support.persistence import LOG, digest, fill, rewritten, saved
from tests.support.resp import TIMEOUT, Connection
from tests.support.servers import Loop
from tests.support.waiting import wait_until


class Gate(SystemFiles):
    """Stops the thread that writes a base or snapshot after the first key, until `go`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        # Everything else is written in the thread of the loop.
        if not trio.lowlevel.in_trio_run():
            self.reached.set()
            self.go.wait(TIMEOUT)
        return super().write(descriptor, data)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    # Each slice then holds one key.
    monkeypatch.setattr(copier, "_SLICE_SECONDS", 0)
    gate = Gate()
    yield gate
    gate.go.set()


def change_everything(client: Connection) -> None:
    for command in (
        ("APPEND", "raw", "!"), ("RPUSH", "list", "late"), ("SADD", "set", "late"),
        ("HSET", "hash", "a", "late"), ("ZADD", "zset", "7", "late"),
        ("XADD", "stream", "*", "f", "v"),
        ("SET", "born", "late"), ("RENAME", "copied", "later"), ("RPUSH", "later", "x"),
        ("DEL", "geo"), ("SWAPDB", "0", "3"),
    ):  # fmt: skip
        client(*command)


def test_clients_are_served_while_a_snapshot_is_written(
    loop: Loop, tmp_path: Path, gate: Gate
) -> None:
    server = loop.start_server(System(gate, NoFork()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    expected = digest(client)
    assert client("BGSAVE") == "Background saving started"
    assert gate.reached.wait(TIMEOUT)
    change_everything(client)
    client("FLUSHALL")
    assert info(client, "rdb_bgsave_in_progress") == "1"
    assert not (tmp_path / "dump.rdb").exists()
    gate.go.set()
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    again.close()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_rewrite_and_the_writes_logged_during_it_hold_all_data(
    loop: Loop, tmp_path: Path, gate: Gate, preamble: str
) -> None:
    settings = {"dir": str(tmp_path), "aof_use_rdb_preamble": preamble, **LOG}
    server = loop.start_server(System(gate, NoFork()), **settings)
    client = server.connect()
    fill(client)
    client("BGREWRITEAOF")
    assert gate.reached.wait(TIMEOUT)
    change_everything(client)
    gate.go.set()
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    expected = digest(client)
    server.close()
    again = loop.start_server(**settings)
    assert digest(again.connect()) == expected
    again.close()


def test_a_cancelled_snapshot_leaves_no_files(loop: Loop, tmp_path: Path, gate: Gate) -> None:
    server = loop.start_server(System(gate, NoFork()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("BGSAVE")
    assert gate.reached.wait(TIMEOUT)
    assert client("BGSAVE", "CANCEL") == "Background saving cancelled"
    assert server.call(lambda: server.instance.keyspace.copying) is None
    gate.go.set()
    saved(client)
    assert list(tmp_path.iterdir()) == []
    client("BGSAVE")
    saved(client)
    assert (tmp_path / "dump.rdb").exists()
    server.close()


def test_a_background_snapshot_never_replaces_the_one_of_the_shutdown(
    loop: Loop, tmp_path: Path, gate: Gate
) -> None:
    server = loop.start_server(System(gate, NoFork()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("BGSAVE")
    assert gate.reached.wait(TIMEOUT)
    client("SET", "late", "1")
    expected = digest(client)
    client.send("SHUTDOWN", "SAVE")
    wait_until((tmp_path / "dump.rdb").exists, "a snapshot")
    gate.go.set()
    assert server.ended.wait(TIMEOUT)
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    again.close()


def test_a_snapshot_that_cannot_be_written_is_reported_as_failed(
    loop: Loop, tmp_path: Path, gate: Gate
) -> None:
    gate.go.set()
    directory = tmp_path / "data"
    directory.mkdir()
    server = loop.start_server(System(gate, NoFork()), dir=str(directory))
    client = server.connect()
    client("SET", "key", "value")
    directory.rmdir()
    client("BGSAVE")
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "err"
    assert server.call(lambda: server.instance.keyspace.copying) is None
    directory.mkdir()
    client("BGSAVE")
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    server.close()
