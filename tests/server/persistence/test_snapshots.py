"""Snapshots: SAVE, BGSAVE, save points, DEBUG RELOAD and SHUTDOWN."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.system.system import System
from tests.support.disks import NoFork
from tests.support.info import info
from tests.support.persistence import LOG, digest, fill, rewritten, saved
from tests.support.resp import Error
from tests.support.servers import Loop
from tests.support.waiting import wait_until


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
def test_a_restart_loads_what_was_saved(loop: Loop, tmp_path: Path, command: str) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    expected = digest(client)
    assert client(command) in ("OK", "Background saving started")
    client("SET", "not saved", "1")
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    assert info(client, "rdb_changes_since_last_save") == "1"
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    assert info(again.connect(), "rdb_last_load_keys_loaded") == str(
        again.call(lambda: sum(map(len, again.instance.keyspace.databases)))
    )
    again.close()


def test_without_fork_a_snapshot_holds_the_state_at_its_start(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(System(processes=NoFork()), dir=str(tmp_path), **LOG)
    client = server.connect()
    fill(client)
    expected = digest(client)
    client("BGSAVE"), client("APPEND", "raw", "!"), client("RPUSH", "list", "late")
    saved(client)
    client("BGREWRITEAOF")
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    logged = digest(client)
    server.close()
    snapshot = loop.start_server(dir=str(tmp_path))
    assert digest(snapshot.connect()) == expected
    snapshot.close()
    log = loop.start_server(dir=str(tmp_path), **LOG)
    assert digest(log.connect()) == logged
    log.close()


def test_save_points_follow_the_clock(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), save="60 2")
    server.freeze()
    client = server.connect()
    client("SET", "a", "1")
    server.advance(61_000)
    client("PING")
    assert not (tmp_path / "dump.rdb").exists()
    client("SET", "b", "1")
    server.advance(1)
    wait_until((tmp_path / "dump.rdb").exists, "a snapshot")
    saved(client)
    assert client("LASTSAVE") == server.now_ms() // 1000
    assert info(client, "rdb_changes_since_last_save") == "0"
    server.close()


def test_debug_reload_saves_and_loads_with_its_options(loop: Loop) -> None:
    server = loop.start_server()
    client = server.connect()
    fill(client)
    expected = digest(client)
    assert client("DEBUG", "RELOAD") == "OK"
    assert digest(client) == expected
    client("SELECT", "0")
    client("DEL", "list"), client("SET", "raw", "changed"), client("SET", "new", "1")
    assert client("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == "OK"
    assert (client("GET", "raw"), client("GET", "new")) == (b"more", b"1")
    assert client("DEBUG", "RELOAD", "NOSAVE") == "OK"
    assert digest(client) == expected
    assert client("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH") == Error(
        "ERR Error trying to load the RDB dump, check server logs."
    )
    assert client("DEBUG", "RELOAD", "MAYBE") == Error(
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
    )
    server.close()


# --- SHUTDOWN ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("save", "words", "exists"),
    [
        ("", [], False), ("", ["SAVE"], True), ("3600 1", [], True), ("3600 1", ["NOSAVE"], False),
        ("3600 1", ["NOW", "FORCE"], True),
    ],
)  # fmt: skip
def test_shutdown_saves_if_there_are_save_points_or_save_is_given(
    loop: Loop, tmp_path: Path, save: str, words: list[str], exists: bool
) -> None:
    server = loop.start_server(dir=str(tmp_path), save=save)
    client = server.connect()
    client("SET", "a", "1")
    client.send("SHUTDOWN", *words)
    assert server.ended.wait(10)
    assert (tmp_path / "dump.rdb").exists() == exists


def test_a_shutdown_that_cannot_save_is_refused_unless_forced(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    server = loop.start_server(dir=str(tmp_path / "data"), dbfilename="taken")
    (tmp_path / "data" / "taken").mkdir()
    client = server.connect()
    assert client("SAVE") == Error("ERR")
    assert client("SHUTDOWN", "SAVE") == Error("ERR Errors trying to SHUTDOWN. Check logs.")
    assert client("PING") == "PONG"
    client.send("SHUTDOWN", "SAVE", "FORCE")
    assert server.ended.wait(10)
