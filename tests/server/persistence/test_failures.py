"""What the server does when its disk is full, fails or is slow."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from server.persistence import log as log_module
from server.system.system import System
from tests.support.disks import FailingDisk, SlowDisk
from tests.support.info import info
from tests.support.persistence import LOG, rewritten, saved
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop
from tests.support.waiting import wait_until

FULL = Error("MISCONF Errors writing to the AOF file: File too large")


def limit_file_size(pid: int, size: int) -> None:
    """Limit the files of a process: as on a full disk, a write that reaches the limit is short
    and the next one fails."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def serve(directory: Path, policy: str) -> ServeProcess:
    return ServeProcess("--dir", str(directory), "--save", "", "--appendfsync", policy)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_a_full_disk_refuses_writes_until_there_is_room(tmp_path: Path, policy: str) -> None:
    with serve(tmp_path, policy) as server, Connection(server.port) as other:
        client = Connection(server.port)
        for number in range(20):
            assert client("SET", f"key:{number}", number) == "OK"
        (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
        whole = increment.stat().st_size
        limit_file_size(server.pid, whole + 20)
        client.send("SET", "interrupted", "1")
        assert client.is_silent(0.3)
        assert other("SET", "refused", "1") == FULL
        assert other("PING") == FULL
        assert other("GET", "key:3") == b"3"
        assert info(other, "aof_last_write_status") == "err"
        assert increment.stat().st_size == whole
        limit_file_size(server.pid, resource.RLIM_INFINITY)
        assert client.read() == "OK"
        wait_until(lambda: info(other, "aof_last_write_status") == "ok", "a successful write")
        assert other("SET", "after", "1") == "OK"
        server.kill()
    with serve(tmp_path, policy) as server, Connection(server.port) as client:
        assert client("DBSIZE") == 22
        assert client("MGET", "interrupted", "after", "refused") == [b"1", b"1", None]
        client.close()


def test_shutdown_does_not_send_replies_that_await_the_disk(tmp_path: Path) -> None:
    with serve(tmp_path, "always") as server, Connection(server.port) as other:
        client = Connection(server.port)
        client("SET", "a", "1")
        (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
        limit_file_size(server.pid, increment.stat().st_size + 5)
        client.send("SET", "a", "2")
        assert client.is_silent(0.1)
        refused = Error("ERR Errors trying to SHUTDOWN. Check logs.")
        assert other("SHUTDOWN", "NOSAVE") == refused
        other.send("SHUTDOWN", "NOSAVE", "FORCE")
        assert client.read_until_closed() == []
        assert server.wait() == 0
    with serve(tmp_path, "always") as server, Connection(server.port) as client:
        assert client("GET", "a") == b"1"


def test_writes_are_repeated_after_a_failed_sync(loop: Loop, tmp_path: Path) -> None:
    disk = FailingDisk()
    server = loop.start_server(System(files=disk), dir=str(tmp_path), **LOG, hz="100")
    client, other = server.connect(), server.connect()
    client("SET", "a", "1")
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    whole = increment.stat().st_size
    disk.fail()
    client.send("SET", "a", "2")
    assert client.is_silent(0.1)
    # After a failed fsync the kernel may have dropped the pages, so they must be written again.
    assert increment.stat().st_size == whole
    assert other("SET", "b", "1") == Error(
        "MISCONF Errors writing to the AOF file: Input/output error"
    )
    disk.repair()
    assert client.read() == "OK"
    assert b"$1\r\n2\r\n" in increment.read_bytes()[whole:]
    assert other("SET", "b", "1") == "OK"
    server.close()


def test_a_rewrite_replaces_a_log_that_a_failed_sync_may_have_damaged(
    loop: Loop, tmp_path: Path
) -> None:
    disk = FailingDisk()
    server = loop.start_server(System(files=disk), dir=str(tmp_path), appendonly="yes", hz="100")
    client = server.connect()
    disk.fail()
    assert client("SET", "a", "1") == "OK"
    wait_until(lambda: info(client, "aof_last_write_status") == "err", "a failed sync")
    assert info(client, "aof_rewrites") == "0"
    assert client("WAITAOF", 1, 0, 1) == [0, 0]
    disk.repair()
    # The sync that succeeds now does not prove that the first write is on disk.
    assert client("WAITAOF", 1, 0, 0) == [1, 0]
    assert info(client, "aof_rewrites") == "1"
    assert (tmp_path / "appendonlydir" / "appendonly.aof.2.base.rdb").exists()
    server.close()


def test_with_everysec_a_failed_sync_is_retried(loop: Loop, tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.fail()
    server = loop.start_server(System(files=disk), dir=str(tmp_path), appendonly="yes")
    client = server.connect()
    assert client("SET", "a", "1") == "OK"
    wait_until(lambda: info(client, "aof_last_write_status") == "err", "a failed sync")
    assert client("SET", "a", "2").code == "MISCONF"
    disk.repair()
    wait_until(lambda: info(client, "aof_last_write_status") == "ok", "a successful sync")
    assert client("SET", "a", "2") == "OK"
    server.close()


def test_a_write_is_in_the_file_before_its_reply_even_during_a_slow_sync(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk()
    monkeypatch.setattr(log_module, "_SLOW_SYNC_SECONDS", 0.0)
    server = loop.start_server(System(files=disk), dir=str(tmp_path), appendonly="yes", hz="100")
    client = server.connect()
    client("SET", "a", "1")
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "1", "the start of a sync")
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    for number in range(20):
        assert client("SET", f"key:{number}", "1") == "OK"
        assert f"key:{number}".encode() in increment.read_bytes()
    assert info(client, "aof_buffer_length") == "0"
    wait_until(lambda: info(client, "aof_delayed_fsync") == "1", "a report of the slow sync")
    disk.free.set()
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "0", "the end of the sync")
    server.close()


def test_a_rewrite_does_not_wait_for_a_slow_sync(loop: Loop, tmp_path: Path) -> None:
    disk = SlowDisk()
    server = loop.start_server(System(files=disk), dir=str(tmp_path), appendonly="yes", hz="100")
    client = server.connect()
    client("SET", "a", "1")
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "1", "the start of a sync")
    client("SET", "b", "1")
    client("BGREWRITEAOF")
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    client("SET", "c", "1")
    disk.free.set()
    server.close()
    server = loop.start_server(dir=str(tmp_path), appendonly="yes")
    assert server.connect()("DBSIZE") == 3
    server.close()


def test_turning_the_log_off_sends_the_replies_that_awaited_the_disk(tmp_path: Path) -> None:
    with serve(tmp_path, "always") as server, Connection(server.port) as other:
        client = Connection(server.port)
        client("SET", "a", "1")
        (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
        limit_file_size(server.pid, increment.stat().st_size)
        client.send("SET", "a", "2")
        assert client.is_silent(0.1)
        assert other("CONFIG", "SET", "appendonly", "no") == "OK"
        assert client.read() == "OK"
        assert other("SET", "a", "3") == "OK"


def test_a_failed_snapshot_leaves_the_old_one(tmp_path: Path) -> None:
    words = ("--dir", str(tmp_path), "--appendonly", "no", "--save", "3600 1")
    with ServeProcess(*words) as server, Connection(server.port) as client:
        client("SET", "a", "1")
        assert client("SAVE") == "OK"
        before = (tmp_path / "dump.rdb").read_bytes()
        client("SET", "b", "x" * 5000)
        limit_file_size(server.pid, 500)
        client("CONFIG", "SET", "rdbcompression", "no")
        client("BGSAVE")
        saved(client)
        assert info(client, "rdb_last_bgsave_status") == "err"
        assert client("SET", "c", "1").code == "MISCONF"
        assert (tmp_path / "dump.rdb").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
        limit_file_size(server.pid, resource.RLIM_INFINITY)
        client("BGSAVE")
        saved(client)
        assert client("SET", "c", "1") == "OK"


def test_a_rewrite_on_a_full_disk_leaves_the_log_intact(tmp_path: Path) -> None:
    with serve(tmp_path, "always") as server, Connection(server.port) as client:
        client("CONFIG", "SET", "rdbcompression", "no")
        client("SET", "a", "x" * 5000)
        limit_file_size(server.pid, 2000)
        client("BGREWRITEAOF")
        rewritten(client)
        assert info(client, "aof_last_bgrewrite_status") == "err"
        assert client("SET", "b", "1") == "OK"
        server.kill()
    assert not list(tmp_path.glob("temp*"))
    with serve(tmp_path, "always") as server, Connection(server.port) as client:
        assert client("DBSIZE") == 2
