"""Data that outlives its server: the log, snapshots, and what clients see of both."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.persistence.background import Slicing, Source
from server.persistence.children import Child, start_child
from server.persistence.loading import LoadError
from server.persistence.system import System
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

LOG = {"appendonly": "yes", "appendfsync": "always"}
MISCONF = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist"


def info(client: Connection, field: str) -> str:
    for line in client("INFO", "persistence").decode().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return str(value)
    raise LookupError(field)


def wait_until(holds: Callable[[], object]) -> None:
    """Until something that happens beside the server has happened."""
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it did not happen")


def saved(client: Connection) -> None:
    wait_until(lambda: info(client, "rdb_bgsave_in_progress") == "0")


def rewritten(client: Connection) -> None:
    wait_until(
        lambda: (
            info(client, "aof_rewrite_in_progress") == "0"
            and info(client, "aof_rewrite_scheduled") == "0"
        )
    )


FILL: list[tuple[str, ...]] = [
    ("SET", "string", "value"), ("SET", "number", "17"), ("APPEND", "raw", "more"),
    ("RPUSH", "list", "a", "b", "c"), ("LPOP", "list"), ("SADD", "set", "1", "2", "three"),
    ("SPOP", "set"), ("HSET", "hash", "a", "1", "b", "2"),
    ("ZADD", "zset", "1.5", "a", "-inf", "b"),
    ("ZINCRBY", "zset", "0.1", "a"), ("INCRBYFLOAT", "float", "0.1"), ("PFADD", "hll", "a", "b"),
    ("SETBIT", "bits", "70", "1"), ("GEOADD", "geo", "13.4", "52.5", "berlin"),
    ("XADD", "stream", "*", "f", "v"), ("XADD", "stream", "*", "g", "w"),
    ("XGROUP", "CREATE", "stream", "group", "0"),
    ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "stream", ">"),
    ("SET", "volatile", "x", "EX", "1000"), ("EXPIRE", "hash", "500"), ("PERSIST", "hash"),
    ("SELECT", "3"), ("SET", "elsewhere", "1"), ("MULTI",), ("INCR", "n"), ("SELECT", "0"),
    ("INCR", "n"), ("RPUSH", "q", "x"), ("EXEC",), ("COPY", "list", "copied"),
    ("RENAME", "number", "renamed"), ("MOVE", "string", "5"),
    ("SORT", "set", "ALPHA", "STORE", "s"),
]  # fmt: skip


def fill(client: Connection) -> None:
    for words in FILL:
        reply = client(*words)
        assert not isinstance(reply, Error), (words, reply)


def digest(client: Connection) -> str:
    answer: str = client("DEBUG", "DIGEST")
    return answer


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_a_restart_finds_everything_in_the_log(loop: Loop, tmp_path: Path, policy: str) -> None:
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


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_rewrite_makes_the_log_short_and_loses_nothing(
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
    client("SET", "meanwhile", "1")
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


def test_a_log_that_has_grown_is_rewritten_by_itself(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG, auto_aof_rewrite_min_size="1000", hz="100")
    client = server.connect()
    for _ in range(100):
        client("INCR", "counter")
    wait_until(lambda: int(info(client, "aof_rewrites")) >= 1)
    server.close()


def test_the_log_is_turned_on_and_off_while_serving(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    # In one go with a write, which must be in the log already.
    replies = client.pipeline(
        [("CONFIG", "SET", "appendonly", "yes"), ("SET", "same turn", "1"), ("INCR", "n")]
    )
    assert replies[0] == "OK"
    assert info(client, "aof_enabled") == "1"
    client("SET", "meanwhile", "1")
    rewritten(client)
    client("SET", "after", "1")
    expected = digest(client)
    assert client("CONFIG", "SET", "appendonly", "no") == "OK"
    client("SET", "not logged", "1")
    server.close()
    again = loop.start_server(dir=str(tmp_path), appendonly="yes")
    assert digest(again.connect()) == expected
    again.close()


# --- snapshots ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
def test_a_restart_finds_what_was_saved(loop: Loop, tmp_path: Path, command: str) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    expected = digest(client)
    assert client(command) in ("OK", "Background saving started")
    client("SET", "not saved", "1")
    saved(client)
    assert info(client, "rdb_last_bgsave_status") == "ok"
    assert info(client, "rdb_changes_since_last_save") == ("1")
    server.close()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.rdb"]
    again = loop.start_server(dir=str(tmp_path))
    assert digest(again.connect()) == expected
    assert info(again.connect(), "rdb_last_load_keys_loaded") == str(
        again.call(lambda: sum(map(len, again.instance.keyspace.databases)))
    )
    again.close()


def test_without_fork_a_copy_is_written(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(System(method=Slicing()), dir=str(tmp_path), **LOG)
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
    wait_until((tmp_path / "dump.rdb").exists)
    saved(client)
    assert client("LASTSAVE") == server.now_ms() // 1000
    assert info(client, "rdb_changes_since_last_save") == "0"
    server.close()


class SlowChild:
    """Forks children that begin to work when `go` is called, which tells them through a file."""

    def __init__(self, gate: Path) -> None:
        self._gate = gate
        self.child: Child

    def start(self, source: Source) -> Child:
        def slowly() -> None:
            wait_until(self._gate.exists)
            source.write()

        self.child = start_child(slowly)
        return self.child

    def go(self) -> None:
        self._gate.touch()


@pytest.fixture
def slow(tmp_path: Path) -> SlowChild:
    return SlowChild(tmp_path / "gate")


@pytest.fixture
def busy(loop: Loop, tmp_path: Path, slow: SlowChild) -> Iterator[RunningServer]:
    (tmp_path / "data").mkdir()
    server = loop.start_server(System(method=slow), dir=str(tmp_path / "data"), **LOG, hz="100")
    yield server
    server.close()


def test_one_thing_at_a_time(busy: RunningServer, slow: SlowChild) -> None:
    client = busy.connect()
    client("BGSAVE")
    in_progress = Error("ERR Background save already in progress")
    assert client("BGSAVE") == client("BGSAVE", "SCHEDULE") == client("SAVE") == in_progress
    assert client("BGREWRITEAOF") == "Background append only file rewriting scheduled"
    slow.go()
    wait_until(lambda: info(client, "aof_rewrites") == "1")
    assert info(client, "rdb_saves") == "1"


def test_a_snapshot_waits_for_a_rewrite_if_it_may(busy: RunningServer, slow: SlowChild) -> None:
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
    wait_until(lambda: info(client, "rdb_saves") == "2")


def test_a_cancelled_snapshot_leaves_nothing(busy: RunningServer, slow: SlowChild) -> None:
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
    server = loop.start_server(System(method=slow), dir=str(tmp_path / "data"), save="3600 1")
    client = server.connect()
    client("SET", "a", "1")
    client("BGSAVE")
    (tmp_path / "data" / f"temp-{slow.child.pid}.rdb").write_bytes(b"half")
    os.kill(slow.child.pid, signal.SIGKILL)
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


def test_a_failed_rewrite_keeps_the_log(busy: RunningServer, slow: SlowChild) -> None:
    client = busy.connect()
    client("SET", "a", "1")
    client("BGREWRITEAOF")
    client("SET", "b", "1")
    os.kill(slow.child.pid, signal.SIGKILL)
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


# --- DEBUG -------------------------------------------------------------------------------------


def test_debug_reload(loop: Loop) -> None:
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


def test_in_a_transaction_background_work_is_scheduled(loop: Loop) -> None:
    server = loop.start_server(hz="100")
    client = server.connect()
    client("SET", "a", "1")
    client("MULTI"), client("BGSAVE"), client("BGREWRITEAOF"), client("DEBUG", "RELOAD")
    assert client("EXEC") == [
        "Background saving scheduled",
        "Background append only file rewriting scheduled",
        "OK",
    ]
    wait_until(lambda: (info(client, "rdb_saves"), info(client, "aof_rewrites")) == ("2", "1"))
    server.close()


# --- starting ------------------------------------------------------------------------------------


def test_the_log_wins_over_the_snapshot(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    client = server.connect()
    client("SET", "key", "snapshot"), client("SAVE"), client("SET", "key", "log")
    server.close()
    for settings, value in (({}, b"snapshot"), (LOG, b"log")):
        server = loop.start_server(dir=str(tmp_path), **settings)
        assert server.connect()("GET", "key") == value
        server.close()


def test_a_log_that_begins_takes_over_what_the_snapshot_holds(loop: Loop, tmp_path: Path) -> None:
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


def test_a_log_of_one_file_is_taken_over(loop: Loop, tmp_path: Path) -> None:
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


def test_what_ran_out_before_a_later_command_is_not_revived(loop: Loop, tmp_path: Path) -> None:
    """A key's deadline may lie in the past when it is loaded, but not when it was used."""
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


def test_timestamps_are_written_and_passed_over(loop: Loop, tmp_path: Path) -> None:
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


# --- ending --------------------------------------------------------------------------------------


def test_a_snapshot_in_the_background_never_replaces_the_last_one(
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


def test_leftovers_of_a_killed_server_are_removed(loop: Loop, tmp_path: Path) -> None:
    for name in ("temp-123.rdb", "temp-rewriteaof-bg-99.aof"):
        (tmp_path / name).write_bytes(b"half")
    server = loop.start_server(dir=str(tmp_path), **LOG)
    assert [path.name for path in tmp_path.iterdir()] == ["appendonlydir"]
    server.close()


@pytest.mark.parametrize(
    ("save", "words", "exists"),
    [
        ("", [], False), ("", ["SAVE"], True), ("3600 1", [], True), ("3600 1", ["NOSAVE"], False),
        ("3600 1", ["NOW", "FORCE"], True),
    ],
)  # fmt: skip
def test_shutdown_saves_if_it_should(
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
