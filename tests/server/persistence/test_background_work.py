"""BGSAVE and BGREWRITEAOF as child processes: one at a time, cancelled, killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.system.system import System
from tests.support.disks import SlowChild
from tests.support.info import info
from tests.support.persistence import LOG, digest, rewritten, saved
from tests.support.resp import Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

MISCONF = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist"


@pytest.fixture
def slow(tmp_path: Path) -> SlowChild:
    return SlowChild(tmp_path / "gate")


@pytest.fixture
def busy(loop: Loop, tmp_path: Path, slow: SlowChild) -> Iterator[RunningServer]:
    (tmp_path / "data").mkdir()
    server = loop.start_server(System(processes=slow), dir=str(tmp_path / "data"), **LOG, hz="100")
    yield server
    server.close()


def test_a_save_and_a_rewrite_do_not_run_at_the_same_time(
    busy: RunningServer, slow: SlowChild
) -> None:
    client = busy.connect()
    client("BGSAVE")
    in_progress = Error("ERR Background save already in progress")
    assert client("BGSAVE") == client("BGSAVE", "SCHEDULE") == client("SAVE") == in_progress
    assert client("BGREWRITEAOF") == "Background append only file rewriting scheduled"
    slow.go()
    wait_until(lambda: info(client, "aof_rewrites") == "1", "the rewrite")
    assert info(client, "rdb_saves") == "1"


def test_a_scheduled_snapshot_runs_after_the_rewrite(busy: RunningServer, slow: SlowChild) -> None:
    client = busy.connect()
    client("BGREWRITEAOF")
    assert client("BGREWRITEAOF") == Error(
        "ERR Background append only file rewriting already in progress"
    )
    assert client("BGSAVE").text.startswith("ERR Another child process is active (AOF?)")
    assert client("BGSAVE", "SCHEDULE") == "Background saving scheduled"
    assert client("BGSAVE", "CANCEL") == "Scheduled background saving cancelled"
    assert client("BGSAVE", "SCHEDULE") == "Background saving scheduled"
    assert client("SAVE") == "OK"
    slow.go()
    wait_until(lambda: info(client, "rdb_saves") == "2", "the scheduled snapshot")


def test_background_work_requested_in_a_transaction_is_scheduled(loop: Loop) -> None:
    server = loop.start_server(hz="100")
    client = server.connect()
    client("SET", "a", "1")
    client("MULTI"), client("BGSAVE"), client("BGREWRITEAOF"), client("DEBUG", "RELOAD")
    assert client("EXEC") == [
        "Background saving scheduled",
        "Background append only file rewriting scheduled",
        "OK",
    ]
    wait_until(lambda: info(client, "rdb_saves") == "2", "the reload and the snapshot")
    wait_until(lambda: info(client, "aof_rewrites") == "1", "the rewrite")
    server.close()


def test_a_cancelled_snapshot_leaves_no_error(busy: RunningServer, slow: SlowChild) -> None:
    client = busy.connect()
    nothing = Error("ERR Background saving is currently not in progress or scheduled")
    assert client("BGSAVE", "CANCEL") == nothing
    client("BGSAVE")
    assert client("BGSAVE", "CANCEL") == "Background saving cancelled"
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    assert client("SET", "a", "b") == "OK"


def test_a_killed_child_stops_writes_until_a_snapshot_succeeds(
    loop: Loop, tmp_path: Path, slow: SlowChild
) -> None:
    (tmp_path / "data").mkdir()
    server = loop.start_server(System(processes=slow), dir=str(tmp_path / "data"), save="3600 1")
    client = server.connect()
    client("SET", "a", "1")
    client("BGSAVE")
    (tmp_path / "data" / f"temp-{slow.pid}.rdb").write_bytes(b"half")
    os.kill(slow.pid, signal.SIGKILL)
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "err"
    for words in (("SET", "a", "2"), ("PING",)):
        assert client(*words).text.startswith(MISCONF)
    assert client("GET", "a") == b"1"
    client("MULTI")
    assert client("SET", "a", "2").text.startswith("MISCONF")
    assert client("EXEC").code == "EXECABORT"
    client("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    assert client("SET", "a", "3") == "OK"
    client("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert client("SET", "a", "4").code == "MISCONF"
    slow.go()
    assert client("SAVE") == "OK"
    assert client("SET", "a", "5") == "OK"
    server.close()
    assert not list((tmp_path / "data").glob("temp-*"))


def test_a_failed_rewrite_leaves_the_log_intact(busy: RunningServer, slow: SlowChild) -> None:
    client = busy.connect()
    client("SET", "a", "1")
    client("BGREWRITEAOF")
    client("SET", "b", "1")
    os.kill(slow.pid, signal.SIGKILL)
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "err"
    assert info(client, "aof_rewrites_consecutive_failures") == "1"
    client("SET", "c", "1")
    expected = digest(client)
    assert client("DEBUG", "LOADAOF") == "OK"
    assert digest(client) == expected
    slow.go()
    client("BGREWRITEAOF")
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    assert client("DEBUG", "LOADAOF") == "OK"
    assert digest(client) == expected


def test_a_background_snapshot_never_replaces_a_later_one(
    busy: RunningServer, slow: SlowChild, tmp_path: Path
) -> None:
    client = busy.connect()
    client("SET", "a", "old")
    client("BGSAVE")
    client("SET", "a", "new")
    client.send("SHUTDOWN", "SAVE")
    assert busy.ended.wait(10)
    slow.go()
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {"appendonlydir", "dump.rdb"}
    assert b"new" in (tmp_path / "data" / "dump.rdb").read_bytes()
