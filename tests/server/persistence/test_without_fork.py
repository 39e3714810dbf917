"""Snapshots and rewrites where no process can be forked: clients go on in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from server.persistence import copier
from server.persistence.background import Slicing
from server.persistence.system import System
from tests.server.persistence.test_keeper import (
    LOG,
    digest,
    fill,
    info,
    rewritten,
    saved,
    wait_until,
)
from tests.support.resp import Connection
from tests.support.servers import Loop


class Gate:
    """Stops the thread that writes, one key into the work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = copier._write
        self.reached = threading.Event()
        self.open = threading.Event()
        monkeypatch.setattr(copier, "_write", self._write)

    def _write(self, file: FileIO, data: bytes, sync: bool) -> None:
        self.reached.set()
        self.open.wait()
        self._real(file, data, sync)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    # A slice is one key then.
    monkeypatch.setattr(copier, "_SLICE_SECONDS", 0)
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


def change_everything(client: Connection) -> None:
    for command in (
        ("APPEND", "raw", "!"), ("RPUSH", "list", "late"), ("SADD", "set", "late"),
        ("HSET", "hash", "a", "late"), ("ZADD", "zset", "7", "late"),
        ("XADD", "stream", "*", "f", "v"),
        ("SET", "born", "late"), ("RENAME", "copied", "later"), ("RPUSH", "later", "x"),
        ("DEL", "geo"), ("SWAPDB", "0", "3"),
    ):  # fmt: skip
        client(*command)


def test_clients_go_on_while_a_snapshot_is_written(loop: Loop, tmp_path: Path, gate: Gate) -> None:
    server = loop.start_server(System(method=Slicing()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    expected = digest(client)
    assert client("BGSAVE") == "Background saving started"
    gate.reached.wait()
    change_everything(client)
    client("FLUSHALL")
    assert info(client, "rdb_bgsave_in_progress") == "1"
    assert not (tmp_path / "dump.rdb").exists()
    gate.open.set()
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    again.close()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_rewrite_and_what_was_logged_meanwhile_make_the_data(
    loop: Loop, tmp_path: Path, gate: Gate, preamble: str
) -> None:
    settings = {"dir": str(tmp_path), "aof_use_rdb_preamble": preamble, **LOG}
    server = loop.start_server(System(method=Slicing()), **settings)
    client = server.connect()
    fill(client)
    client("BGREWRITEAOF")
    gate.reached.wait()
    change_everything(client)
    gate.open.set()
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    expected = digest(client)
    server.close()
    again = loop.start_server(**settings)
    assert digest(again.connect()) == expected
    again.close()


def test_a_snapshot_that_is_given_up_leaves_nothing(loop: Loop, tmp_path: Path, gate: Gate) -> None:
    server = loop.start_server(System(method=Slicing()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("BGSAVE")
    gate.reached.wait()
    assert client("BGSAVE", "CANCEL") == "Background saving cancelled"
    assert server.call(lambda: server.instance.keyspace.copying) is None
    gate.open.set()
    saved(client)
    assert list(tmp_path.iterdir()) == []
    client("BGSAVE")
    saved(client)
    assert (tmp_path / "dump.rdb").exists()
    server.close()


def test_what_is_saved_at_the_end_is_not_replaced(loop: Loop, tmp_path: Path, gate: Gate) -> None:
    server = loop.start_server(System(method=Slicing()), dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("BGSAVE")
    gate.reached.wait()
    client("SET", "late", "1")
    expected = digest(client)
    client.send("SHUTDOWN", "SAVE")
    wait_until((tmp_path / "dump.rdb").exists)
    gate.open.set()
    server.ended.wait()
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    again.close()


def test_a_snapshot_that_cannot_be_written_says_so(loop: Loop, tmp_path: Path, gate: Gate) -> None:
    gate.open.set()
    directory = tmp_path / "data"
    directory.mkdir()
    server = loop.start_server(System(method=Slicing()), dir=str(directory))
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
