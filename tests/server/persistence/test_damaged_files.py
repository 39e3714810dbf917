"""Starting with damaged files: the damage is reported, or what remains is loaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from server.persistence.loading import LoadError
from storage.aof.encoder import encode
from tests.storage.rdb.forms import snapshot
from tests.support.persistence import LOG, digest, fill, rewritten
from tests.support.resp import Connection
from tests.support.servers import Loop, RunningServer


@pytest.fixture
def directory(loop: Loop, tmp_path: Path) -> Path:
    """A log that consists of a base and one increment."""
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
    """Return a server, or the error that kept it from starting without changing any file."""
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
def test_damage_is_either_reported_with_its_place_or_harmless(
    loop: Loop, directory: Path, suffix: str
) -> None:
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
            check_contents(outcome.connect(), suffix)
            outcome.close()
        shutil.rmtree(directory / "appendonlydir")
        (directory / "appendonlydir").mkdir()
        for name, data in original.items():
            (directory / "appendonlydir" / name).write_bytes(data)
    assert refused > len(content) // 2


def check_contents(client: Connection, suffix: str) -> None:
    """Transactions are applied as a whole, even where a flipped byte renamed one of their keys."""
    if suffix == ".incr.aof":
        assert client("GET", "base") == b"1"
    x, y = client("EXISTS", "x"), client("EXISTS", "y")
    assert x == y or client("DBSIZE") >= 6


def test_a_truncated_log_is_loaded_up_to_the_cut_if_the_setting_allows_it(
    loop: Loop, directory: Path
) -> None:
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


def test_a_missing_file_is_reported_by_name(loop: Loop, directory: Path) -> None:
    (base,) = (directory / "appendonlydir").glob("*.base.rdb")
    base.unlink()
    refusal = load(loop, directory)
    assert isinstance(refusal, str) and base.name in refusal


def test_a_damaged_snapshot_is_refused_and_left_unchanged(loop: Loop, tmp_path: Path) -> None:
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


def test_bytes_after_the_end_of_a_snapshot_are_reported(loop: Loop, tmp_path: Path) -> None:
    """Redis ignores them. They may be requests of a log, or another snapshot."""
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    client("SET", "a", "1"), client("SAVE")
    server.close()
    path = tmp_path / "dump.rdb"
    content = path.read_bytes()
    for tail in (b"\0", b"*1\r\n$8\r\nFLUSHALL\r\n", content, bytes(3 << 20)):
        path.write_bytes(content + tail)
        with pytest.raises(LoadError, match=f"{len(tail)} bytes follow the end of the snapshot"):
            loop.start_server(dir=str(tmp_path))
        assert path.stat().st_size == len(content) + len(tail)


def test_what_a_snapshot_would_lose_is_logged(
    loop: Loop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = b"\x00\x01k\x01v"
    module = b"\xf7\x81" + bytes(8) + b"\x02\0\0"
    (tmp_path / "dump.rdb").write_bytes(snapshot(module + key))
    server = loop.start_server(dir=str(tmp_path))
    assert server.connect()("GET", "k") == b"v"
    server.close()
    assert "1 items of Redis modules, which are not supported" in caplog.text


def test_a_deadline_of_minus_one_is_none_as_in_redis(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(snapshot(b"\xfc" + b"\xff" * 8 + b"\x00\x01k\x01v"))
    server = loop.start_server(dir=str(tmp_path))
    assert server.connect()("PTTL", "k") == -1
    server.close()


def replace(path: Path, kind: str) -> None:
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "link to nothing":
            path.symlink_to(path.with_name("nothing"))
        case "link to itself":
            path.symlink_to(path)


@pytest.mark.parametrize(
    "kind", ["pipe", "directory", "device", "link to nothing", "link to itself"]
)
def test_what_is_no_regular_file_is_reported(
    loop: Loop, directory: Path, tmp_path: Path, kind: str
) -> None:
    """None of them blocks the start, or is taken for missing data."""
    replace(tmp_path / "dump.rdb", kind)
    with pytest.raises(LoadError, match=r"cannot read .*dump\.rdb: "):
        loop.start_server(dir=str(tmp_path))
    for suffix in (".incr.aof", ".manifest"):
        (path,) = (directory / "appendonlydir").glob(f"*{suffix}")
        replace(path, kind)
        with pytest.raises(LoadError, match=path.name):
            loop.start_server(dir=str(directory), **LOG)


def test_a_manifest_whose_lines_ran_together_is_refused(loop: Loop, directory: Path) -> None:
    (manifest,) = (directory / "appendonlydir").glob("*.manifest")
    content = manifest.read_bytes()
    for joint in (b" ", b"\t", b"\r", b""):
        manifest.write_bytes(content.replace(b"\n", joint, 1))
        refusal = load(loop, directory)
        assert isinstance(refusal, str) and "line 1: " in refusal
    manifest.write_bytes(b" " * (2 << 20))
    with pytest.raises(LoadError, match="too large for a manifest"):
        loop.start_server(dir=str(directory), **LOG)


_NOT_RUN = [
    "SHUTDOWN NOSAVE", "DEBUG SLEEP 1000", "DEBUG RELOAD", "CONFIG SET maxclients 7", "AUTH x",
    "CONFIG SET requirepass x", "HELLO 3", "MONITOR", "SUBSCRIBE c", "CLIENT TRACKING ON",
    "CLIENT PAUSE 1000000", "CLIENT REPLY OFF", "WATCH a", "QUIT", "RESET", "SAVE", "BGREWRITEAOF",
    "REPLICAOF 127.0.0.1 1", "KEYS *", "WAIT 1 0", "XREAD BLOCK 0 STREAMS s $",
]  # fmt: skip


def test_only_writes_of_a_log_are_run(loop: Loop, directory: Path) -> None:
    """A log may come from anywhere: it can neither delay the start nor change the server."""
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    requests = [request.encode().split() for request in _NOT_RUN]
    requests += [[b"BLPOP", b"none", b"0"], [b"SET", b"after", b"1"]]
    with increment.open("ab") as file:
        file.write(encode(requests))
    server = loaded(loop, directory, enable_debug_command="yes")
    client = server.connect()
    assert client("GET", "after") == b"1"
    assert client("CONFIG", "GET", "maxclients")[1] != b"7"
    assert client("SET", "a", "2") == "OK"
    assert client("PUBSUB", "CHANNELS") == []
    assert not server.instance.monitors
    server.close()


def test_a_transaction_that_never_ends_is_damage_if_more_follows(
    loop: Loop, directory: Path
) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    whole = increment.read_bytes()
    opened = [[b"MULTI"], [b"SET", b"x", b"1"]]
    for wrong in ([b"EXEC", b"x"], [b"DISCARD"], [b"MULTI"], [b"MULTI", b"x"]):
        increment.write_bytes(whole + encode([*opened, wrong, [b"SET", b"late", b"1"]]))
        refusal = load(loop, directory)
        assert isinstance(refusal, str) and "is damaged" in refusal
    increment.write_bytes(whole + encode([*opened, [b"SET", b"late", b"1"]]))
    server = loaded(loop, directory)
    assert server.connect()("EXISTS", "late") == 0
    server.close()
