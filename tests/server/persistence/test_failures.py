"""Disks that are full or fail, and files that are damaged."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from pathlib import Path

import pytest

from server.persistence import log as log_module
from server.persistence.disk import SystemDisk
from server.persistence.loading import LoadError
from server.persistence.system import System
from tests.server.persistence.test_keeper import digest, fill, info, rewritten, saved, wait_until
from tests.support.processes import ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

LOG = {"appendonly": "yes", "appendfsync": "always"}
FULL = Error("MISCONF Errors writing to the AOF file: File too large")


def limit_file_size(pid: int, size: int) -> None:
    """As on a full disk, a write that reaches the limit is short and the next one fails."""
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
        client.send("SET", "in the midst", "1")
        if policy == "always":
            assert client.is_silent(0.3)
        else:
            assert client.read() == "OK"
            # While the disk is busy, writing may wait a little.
            wait_until(lambda: other("DEL", "nothing") == FULL)
        assert other("SET", "refused", "1") == FULL
        assert other("PING") == FULL
        assert other("GET", "key:3") == b"3"
        assert info(other, "aof_last_write_status") == "err"
        assert increment.stat().st_size == whole
        limit_file_size(server.pid, resource.RLIM_INFINITY)
        if policy == "always":
            assert client.read() == "OK"
        wait_until(lambda: info(other, "aof_last_write_status") == "ok")
        assert other("SET", "after", "1") == "OK"
        # With `everysec` a busy disk may keep what was acknowledged in memory for a moment.
        assert other("WAITAOF", 1, 0, 0) == [1, 0]
        server.kill()
    with serve(tmp_path, policy) as server, Connection(server.port) as client:
        assert client("DBSIZE") == 22
        assert client("MGET", "in the midst", "after", "refused") == [b"1", b"1", None]
        client.close()


def test_a_held_back_reply_is_not_sent_by_a_shutdown(tmp_path: Path) -> None:
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


class FailingDisk(SystemDisk):
    """A disk on which every sync fails until `repair` is called."""

    def __init__(self) -> None:
        self._failing = False

    def fail(self) -> None:
        self._failing = True

    def repair(self) -> None:
        self._failing = False

    def sync(self, descriptor: int) -> None:
        if self._failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


class SlowDisk(SystemDisk):
    """A disk on which a sync lasts until the event is set."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def sync(self, descriptor: int) -> None:
        self.release.wait(20)
        super().sync(descriptor)


def test_what_could_not_be_forced_to_disk_is_written_again(loop: Loop, tmp_path: Path) -> None:
    disk = FailingDisk()
    server = loop.start_server(System(disk=disk), dir=str(tmp_path), **LOG, hz="100")
    client, other = server.connect(), server.connect()
    client("SET", "a", "1")
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    whole = increment.stat().st_size
    disk.fail()
    client.send("SET", "a", "2")
    assert client.is_silent(0.1)
    # The system may have thrown the pages away: they must be given to it again.
    assert increment.stat().st_size == whole
    assert other("SET", "b", "1") == Error(
        "MISCONF Errors writing to the AOF file: Input/output error"
    )
    disk.repair()
    assert client.read() == "OK"
    assert b"$1\r\n2\r\n" in increment.read_bytes()[whole:]
    assert other("SET", "b", "1") == "OK"
    server.close()


def test_every_second_a_failing_disk_is_tried_again(loop: Loop, tmp_path: Path) -> None:
    disk = FailingDisk()
    disk.fail()
    server = loop.start_server(System(disk=disk), dir=str(tmp_path), appendonly="yes")
    client = server.connect()
    assert client("SET", "a", "1") == "OK"
    wait_until(lambda: info(client, "aof_last_write_status") == "err")
    assert client("SET", "a", "2").code == "MISCONF"
    disk.repair()
    wait_until(lambda: info(client, "aof_last_write_status") == "ok")
    assert client("SET", "a", "2") == "OK"
    server.close()


def test_a_slow_disk_makes_us_wait_and_then_write_all_the_same(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk()
    monkeypatch.setattr(log_module, "_PATIENCE_SECONDS", 0.2)
    server = loop.start_server(System(disk=disk), dir=str(tmp_path), appendonly="yes", hz="100")
    client = server.connect()
    client("SET", "a", "1")
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "1")
    client("SET", "a", "2")
    assert int(info(client, "aof_buffer_length")) > 0
    wait_until(lambda: info(client, "aof_delayed_fsync") == "1")
    assert info(client, "aof_buffer_length") == "0"
    disk.release.set()
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "0")
    server.close()


def test_a_rewrite_does_not_wait_for_a_busy_disk(loop: Loop, tmp_path: Path) -> None:
    disk = SlowDisk()
    server = loop.start_server(System(disk=disk), dir=str(tmp_path), appendonly="yes", hz="100")
    client = server.connect()
    client("SET", "a", "1")
    wait_until(lambda: info(client, "aof_pending_bio_fsync") == "1")
    client("SET", "b", "1")
    client("BGREWRITEAOF")
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    client("SET", "c", "1")
    disk.release.set()
    server.close()
    server = loop.start_server(dir=str(tmp_path), appendonly="yes")
    assert server.connect()("DBSIZE") == 3
    server.close()


def test_turning_the_log_off_frees_what_it_held_back(tmp_path: Path) -> None:
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


def test_a_failed_snapshot_leaves_the_old_one(loop: Loop, tmp_path: Path) -> None:
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


def test_a_rewrite_on_a_full_disk_leaves_the_log(tmp_path: Path) -> None:
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


# --- damaged files -------------------------------------------------------------------------------


@pytest.fixture
def directory(loop: Loop, tmp_path: Path) -> Path:
    """A log of a base and one increment."""
    path = tmp_path / "data"
    path.mkdir()
    server = loop.start_server(dir=str(path), **LOG)
    client = server.connect()
    client("SET", "base", "1"), client("RPUSH", "list", "a", "b"), client("BGREWRITEAOF")
    rewritten(client)
    client("SET", "a", "1"), client("HSET", "h", "f", "v")
    client("MULTI"), client("INCR", "x"), client("INCR", "y"), client("EXEC")
    client("SET", "last", "z" * 30)
    server.close()
    return path


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory / "appendonlydir").iterdir()}


def load(loop: Loop, directory: Path, **settings: str) -> RunningServer | str:
    """A server, or why there is none; nothing may then have been changed."""
    before = files_of(directory)
    try:
        return loop.start_server(dir=str(directory), **LOG, **settings)
    except LoadError as error:
        assert files_of(directory) == before
        return str(error)


def loaded(loop: Loop, directory: Path, **settings: str) -> RunningServer:
    server = load(loop, directory, **settings)
    assert isinstance(server, RunningServer), server
    return server


@pytest.mark.parametrize("suffix", [".incr.aof", ".base.rdb", ".manifest"])
def test_any_damage_is_named_or_harmless(loop: Loop, directory: Path, suffix: str) -> None:
    (path,) = (directory / "appendonlydir").glob(f"*{suffix}")
    original = files_of(directory)
    content = original[path.name]
    variants = [content[:size] for size in range(len(content))]
    variants += [
        content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]
        for at in range(len(content))
    ]
    variants += [content + tail for tail in (b"\0", b"garbage", b"*1", b"*3\r\n$3\r\nSET\r\n")]
    refused = 0
    for variant in variants:
        path.write_bytes(variant)
        outcome = load(loop, directory)
        if isinstance(outcome, str):
            refused += 1
            assert str(directory) in outcome and "Traceback" not in outcome
        else:
            check_what_is_there(outcome.connect(), suffix)
            outcome.close()
        shutil.rmtree(directory / "appendonlydir")
        (directory / "appendonlydir").mkdir()
        for name, data in original.items():
            (directory / "appendonlydir" / name).write_bytes(data)
    assert refused > len(content) // 2


def check_what_is_there(client: Connection, suffix: str) -> None:
    """Transactions are whole, whatever else a flipped byte may have renamed."""
    if suffix == ".incr.aof":
        assert client("GET", "base") == b"1"
    x, y = client("EXISTS", "x"), client("EXISTS", "y")
    assert x == y or client("DBSIZE") >= 6


def test_a_cut_log_is_loaded_up_to_the_cut_if_that_is_allowed(loop: Loop, directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    whole = increment.read_bytes()
    increment.write_bytes(whole[:-10])
    refusal = load(loop, directory, aof_load_truncated="no")
    assert isinstance(refusal, str)
    assert str(increment) in refusal and "redkeep check --fix" in refusal
    server = loaded(loop, directory)
    client = server.connect()
    assert (client("EXISTS", "last"), client("GET", "x")) == (0, b"1")
    client("SET", "last", "again")
    server.close()
    server = loaded(loop, directory, aof_load_truncated="no")
    assert server.connect()("GET", "last") == b"again"
    server.close()


def test_a_missing_file_is_named(loop: Loop, directory: Path) -> None:
    (base,) = (directory / "appendonlydir").glob("*.base.rdb")
    base.unlink()
    refusal = load(loop, directory)
    assert isinstance(refusal, str) and base.name in refusal


def test_a_damaged_snapshot_is_refused_and_kept(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    expected = digest(client)
    client("SAVE")
    server.close()
    path = tmp_path / "dump.rdb"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(LoadError, match=r"dump\.rdb is damaged: .*redkeep check"):
        loop.start_server(dir=str(tmp_path))
    assert path.read_bytes() == content[:-1]
    path.write_bytes(content)
    server = loop.start_server(dir=str(tmp_path))
    assert digest(server.connect()) == expected
    server.close()
