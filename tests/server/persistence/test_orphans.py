"""What is left of a server that was killed while a child of it wrote a file."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.info import info
from tests.support.persistence import saved
from tests.support.processes import ServeProcess
from tests.support.resp import Connection
from tests.support.waiting import wait_until

# Enough keys for a child to be found at work.
KEYS = 100_000


def is_alive(pid: int) -> bool:
    """Whether a process runs, or is stopped; one that only awaits its parent has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] not in "ZX"


def stop_child(directory: Path, pattern: str) -> int:
    """Wait for a child that writes a file of this name, stop it, and return its id."""
    wait_until(lambda: list(directory.glob(pattern)), "a child that writes")
    (temporary,) = directory.glob(pattern)
    pid = int("".join(filter(str.isdigit, temporary.name)))
    os.kill(pid, signal.SIGSTOP)
    assert temporary.exists(), "the child had already ended"
    return pid


def serve(directory: Path, log: str) -> ServeProcess:
    return ServeProcess(
        "--dir", str(directory), "--save", "3600 1000000", "--appendonly", log,
        "--enable-debug-command", "yes",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("log", "command", "pattern"),
    [("no", "BGSAVE", "temp-*.rdb"), ("yes", "BGREWRITEAOF", "temp-rewriteaof-bg-*")],
)
def test_a_child_ends_with_a_server_that_is_killed(
    tmp_path: Path, log: str, command: str, pattern: str
) -> None:
    with serve(tmp_path, log) as server, Connection(server.port) as client:
        client("DEBUG", "POPULATE", KEYS)
        client("SET", "key", "old")
        client(command)
        child = stop_child(tmp_path, pattern)
        server.kill()
    try:
        with serve(tmp_path, log) as server, Connection(server.port) as client:
            client("SET", "key", "new")
            assert client("SAVE") == "OK"
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)
            wait_until(lambda: not is_alive(child), "the end of the child")
            server.kill()
        with serve(tmp_path, log) as server, Connection(server.port) as client:
            assert client("GET", "key") == b"new"
            server.kill()
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    assert not list(tmp_path.glob("temp-*"))


def test_a_start_removes_what_dead_processes_left_and_nothing_that_is_written(
    tmp_path: Path,
) -> None:
    for name in ("temp-1.rdb", "temp-rewriteaof-bg-1.aof"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "temp-notes.rdb").write_bytes(b"not ours")
    with serve(tmp_path, "no") as server, Connection(server.port) as client:
        assert [path.name for path in tmp_path.iterdir()] == ["temp-notes.rdb"]
        client("DEBUG", "POPULATE", KEYS)
        client("BGSAVE")
        child = stop_child(tmp_path, "temp-[0-9]*.rdb")
        try:
            with serve(tmp_path, "no"):
                assert (tmp_path / f"temp-{child}.rdb").exists()
        finally:
            os.kill(child, signal.SIGCONT)
        saved(client)
        assert info(client, "rdb_last_bgsave_status") == "ok"
