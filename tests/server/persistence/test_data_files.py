"""Data files are private, and never written through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.system.processes import SystemProcesses
from server.system.system import System
from tests.support.info import info
from tests.support.persistence import LOG, rewritten, saved
from tests.support.processes import ServeProcess
from tests.support.resp import Connection
from tests.support.servers import Loop


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def modes(directory: Path) -> dict[str, str]:
    return {path.name: mode(path) for path in directory.rglob("*")}


def test_data_files_and_directories_are_private(tmp_path: Path) -> None:
    with ServeProcess(cwd=tmp_path) as server, Connection(server.port) as client:
        client("SET", "a", "1")
        client("SAVE")
        client("BGREWRITEAOF")
        rewritten(client)
    data = tmp_path / "redkeep-data"
    assert mode(data) == "0o700"
    assert modes(data) == {
        "dump.rdb": "0o600",
        "appendonlydir": "0o700",
        "appendonly.aof.manifest": "0o600",
        "appendonly.aof.2.base.rdb": "0o600",
        "appendonly.aof.2.incr.aof": "0o600",
    }


def test_files_take_over_the_mode_of_those_they_replace(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    client = server.connect()
    client("SAVE")
    directory = tmp_path / "appendonlydir"
    (tmp_path / "dump.rdb").chmod(0o644)
    (directory / "appendonly.aof.manifest").chmod(0o640)
    for command in ("SAVE", "BGSAVE"):
        client(command)
        saved(client)
        assert mode(tmp_path / "dump.rdb") == "0o644"
    client("BGREWRITEAOF")
    rewritten(client)
    assert modes(directory) == {
        "appendonly.aof.manifest": "0o640",
        "appendonly.aof.2.base.rdb": "0o640",
        "appendonly.aof.2.incr.aof": "0o640",
    }
    server.close()


def test_temporary_files_are_not_written_through_links(loop: Loop, tmp_path: Path) -> None:
    data, victim = tmp_path / "data", tmp_path / "victim"
    (data / "appendonlydir").mkdir(parents=True)
    victim.write_bytes(b"precious")
    planted = [
        data / f"temp-{os.getpid()}.rdb",
        data / f"temp-rewriteaof-bg-{os.getpid()}.aof",
        data / "appendonlydir" / "temp-appendonly.aof.manifest",
        data / "appendonlydir" / "appendonly.aof.1.incr.aof",
        data / "appendonlydir" / "temp-appendonly.aof.1.incr.aof",
    ]
    for link in planted:
        link.symlink_to(victim)
    server = loop.start_server(dir=str(data), **LOG)
    client = server.connect()
    client("SET", "a", "1")
    assert client("SAVE") == "OK"
    server.close()
    assert victim.read_bytes() == b"precious"
    assert not any(link.is_symlink() for link in planted)
    again = loop.start_server(dir=str(data), **LOG)
    assert again.connect()("GET", "a") == b"1"
    again.close()


class Orphans(SystemProcesses):
    """Its children find that their parent has ended, and the system did not kill them."""

    def end_with_parent(self) -> None:
        pass

    def parent(self) -> int:
        return 1


@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_a_child_ends_when_it_finds_that_its_parent_is_gone(
    loop: Loop, tmp_path: Path, command: str
) -> None:
    server = loop.start_server(System(processes=Orphans()), dir=str(tmp_path), **LOG)
    client = server.connect()
    client("SET", "a", "1")
    before = (tmp_path / "appendonlydir" / "appendonly.aof.1.base.rdb").read_bytes()
    client(command)
    saved(client)
    rewritten(client)
    status = "rdb_last_bgsave_status" if command == "BGSAVE" else "aof_last_bgrewrite_status"
    assert info(client, status) == "err"
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["appendonlydir"]
    assert (tmp_path / "appendonlydir" / "appendonly.aof.1.base.rdb").read_bytes() == before
