"""The append-only log: what it holds, how it is rewritten, and what a restart finds in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.persistence.loading import LoadError
from tests.support.info import info
from tests.support.persistence import LOG, digest, fill, rewritten
from tests.support.servers import Loop
from tests.support.waiting import wait_until


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_a_restart_loads_everything_from_the_log(loop: Loop, tmp_path: Path, policy: str) -> None:
    settings = {"dir": str(tmp_path), "appendonly": "yes", "appendfsync": policy}
    first = loop.start_server(**settings)
    client = first.connect()
    fill(client)
    expected = digest(client)
    first.close()
    second = loop.start_server(**settings)
    client = second.connect()
    assert digest(client) == expected
    assert client("PTTL", "volatile") > 900_000
    assert client("XPENDING", "stream", "group")[0] == 1
    assert info(client, "rdb_changes_since_last_save") == "0"
    client("SET", "later", "1")
    second.close()
    third = loop.start_server(**settings)
    assert third.connect()("GET", "later") == b"1"
    third.close()


def test_writes_are_on_disk_when_their_reply_arrives(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    client = server.connect()
    client("SET", "key", "value")
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    assert increment.read_bytes().endswith(b"SET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n")
    client("GET", "key")
    client("DEL", "nothing")
    size = increment.stat().st_size
    client("MULTI"), client("INCR", "a"), client("INCR", "b"), client("EXEC")
    written = increment.read_bytes()[size:]
    assert written.startswith(b"*1\r\n$5\r\nMULTI\r\n") and written.endswith(b"EXEC\r\n")
    server.close()


def test_timestamps_in_the_log_are_written_and_ignored_when_loading(
    loop: Loop, tmp_path: Path
) -> None:
    settings = {"dir": str(tmp_path), **LOG, "aof_timestamp_enabled": "yes"}
    server = loop.start_server(**settings)
    server.freeze(1_700_000_000_000)
    client = server.connect()
    client("SET", "a", "1"), client("SET", "b", "1")
    server.advance(1000)
    client("SET", "c", "1")
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    text = increment.read_bytes()
    assert text.count(b"#TS:") == 2 and text.startswith(b"#TS:1700000000\r\n")
    server.close()
    again = loop.start_server(**settings)
    assert again.connect()("DBSIZE") == 3
    again.close()


def test_a_key_that_expired_before_a_logged_command_stays_expired(
    loop: Loop, tmp_path: Path
) -> None:
    """Commands are replayed with the expiry state that they ran with: a deadline may be past when
    the log is loaded without having been past when the command ran."""
    server = loop.start_server(dir=str(tmp_path), **LOG)
    server.freeze(1_000_000)
    client = server.connect()
    client("SET", "n", "1", "PX", "500")
    client("INCR", "n")
    client("SET", "kept", "1", "PX", "500")
    client("INCR", "kept")
    client("PERSIST", "kept")
    server.close()
    again = loop.start_server(dir=str(tmp_path), **LOG)
    client = again.connect()
    assert client("GET", "n") is None
    assert client("GET", "kept") == b"2"
    assert client("OBJECT", "IDLETIME", "kept") < 60
    again.close()


# --- rewriting --------------------------------------------------------------------------


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_rewrite_shortens_the_log_and_loses_nothing(
    loop: Loop, tmp_path: Path, preamble: str
) -> None:
    settings = {"dir": str(tmp_path), **LOG, "aof_use_rdb_preamble": preamble}
    server = loop.start_server(**settings)
    client = server.connect()
    fill(client)
    for _ in range(300):
        client("INCR", "counter")
    before = int(info(client, "aof_current_size"))
    assert client("BGREWRITEAOF") == "Background append only file rewriting started"
    client("SET", "during", "1")
    rewritten(client)
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    assert int(info(client, "aof_current_size")) < before
    names = sorted(path.name for path in (tmp_path / "appendonlydir").iterdir())
    suffix = "rdb" if preamble == "yes" else "aof"
    assert names == [
        f"appendonly.aof.2.base.{suffix}", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest",
    ]  # fmt: skip
    client("SET", "after", "1")
    expected = digest(client)
    pending = client("XINFO", "STREAM", "stream", "FULL")
    server.close()
    again = loop.start_server(**settings)
    client = again.connect()
    assert digest(client) == expected
    if preamble == "yes":
        assert client("XINFO", "STREAM", "stream", "FULL") == pending
    again.close()


def test_a_log_that_has_grown_is_rewritten_automatically(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG, auto_aof_rewrite_min_size="1000", hz="100")
    client = server.connect()
    for _ in range(100):
        client("INCR", "counter")
    wait_until(lambda: int(info(client, "aof_rewrites")) >= 1, "a rewrite")
    server.close()


def test_the_log_can_be_turned_on_and_off_while_serving(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    # The write in the same pipeline must be in the log already.
    replies = client.pipeline(
        [("CONFIG", "SET", "appendonly", "yes"), ("SET", "same turn", "1"), ("INCR", "n")]
    )
    assert replies[0] == "OK"
    assert info(client, "aof_enabled") == "1"
    client("SET", "during", "1")
    rewritten(client)
    client("SET", "after", "1")
    expected = digest(client)
    assert client("CONFIG", "SET", "appendonly", "no") == "OK"
    client("SET", "not logged", "1")
    server.close()
    again = loop.start_server(dir=str(tmp_path), appendonly="yes")
    assert digest(again.connect()) == expected
    again.close()


# --- starting with a log ----------------------------------------------------------------


def test_the_log_is_preferred_to_the_snapshot(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    client = server.connect()
    client("SET", "key", "snapshot"), client("SAVE"), client("SET", "key", "log")
    server.close()
    for settings, value in (({}, b"snapshot"), (LOG, b"log")):
        server = loop.start_server(dir=str(tmp_path), **settings)
        assert server.connect()("GET", "key") == value
        server.close()


def test_a_new_log_starts_from_the_snapshot(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("SAVE")
    expected = digest(client)
    server.close()
    for _ in range(2):
        server = loop.start_server(dir=str(tmp_path), **LOG)
        assert digest(server.connect()) == expected
        server.close()
        (tmp_path / "dump.rdb").unlink(missing_ok=True)


def test_a_single_file_log_is_converted(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n")
    for _ in range(2):
        server = loop.start_server(dir=str(tmp_path), **LOG)
        assert server.connect()("GET", "a") == b"b"
        server.close()
    assert not (tmp_path / "appendonly.aof").exists()


def test_two_servers_cannot_share_a_directory(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    with pytest.raises(LoadError, match="another server keeps its data in"):
        loop.start_server(dir=str(tmp_path), **LOG)
    server.close()
    loop.start_server(dir=str(tmp_path), **LOG).close()


def test_temporary_files_of_a_killed_server_are_removed(loop: Loop, tmp_path: Path) -> None:
    for name in ("temp-123.rdb", "temp-rewriteaof-bg-99.aof"):
        (tmp_path / name).write_bytes(b"half")
    server = loop.start_server(dir=str(tmp_path), **LOG)
    assert [path.name for path in tmp_path.iterdir()] == ["appendonlydir"]
    server.close()
