"""Libraries of functions in data files: ours, and those of real servers in both directions."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import click
import pytest

from redkeep.transfer import export, import_
from server.persistence.loading import LoadError
from server.system.system import System
from storage.rdb import dump_libraries
from tests.support.data_directories import ours, theirs
from tests.support.disks import NoFork
from tests.support.oracles import BINARIES, STARTERS
from tests.support.persistence import rewritten, saved
from tests.support.resp import Connection, Error
from tests.support.servers import Loop

LIBRARY = (
    "#!lua name=lib\n-- long enough to be compressed: " + "x" * 100 + "\n"
    "redis.register_function{function_name='f', flags={'no-writes'}, description='text',\n"
    "  callback=function(keys, args) return {keys[1], args[1]} end}\n"
    "redis.register_function('w', function(keys) return redis.call('INCR', keys[1]) end)"
)
OTHER = "#!lua name=other\nredis.register_function('g', function() return 7 end)"


@pytest.fixture(params=BINARIES)
def make(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if BINARIES[name]() is None:
        pytest.skip(f"there is no {name}-server for this machine")
    return name


def fill(client: Connection) -> None:
    assert client("FUNCTION", "LOAD", LIBRARY) == b"lib"
    assert client("FUNCTION", "LOAD", OTHER) == b"other"
    gone = OTHER.replace("other", "gone").replace("'g'", "'h'")
    assert client("FUNCTION", "LOAD", gone) == b"gone"
    assert client("FUNCTION", "DELETE", "gone") == "OK"
    assert client("FCALL", "w", 1, "counter") == 1


def check(client: Connection, counter: int = 1) -> None:
    listed = client("FUNCTION", "LIST", "WITHCODE")
    assert sorted(library[7] for library in listed) == [LIBRARY.encode(), OTHER.encode()]
    assert client("FCALL_RO", "f", 1, "k", "a") == [b"k", b"a"]
    assert client("FCALL", "g", 0) == 7
    assert client("GET", "counter") == b"%d" % counter


# --- our own files --------------------------------------------------------------------------------


def test_a_snapshot_keeps_libraries(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    assert client("SAVE") == "OK"
    server.close()
    server = loop.start_server(dir=str(tmp_path))
    check(server.connect())
    server.close()


def test_a_snapshot_is_written_in_the_background_and_without_fork(
    loop: Loop, tmp_path: Path
) -> None:
    for system in (System(), System(processes=NoFork())):
        server = loop.start_server(system, dir=str(tmp_path))
        client = server.connect()
        client("FUNCTION", "FLUSH")
        client("FLUSHALL")
        fill(client)
        client("BGSAVE")
        saved(client)
        server.close()
        server = loop.start_server(dir=str(tmp_path))
        check(server.connect())
        server.close()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_log_keeps_libraries(loop: Loop, tmp_path: Path, preamble: str) -> None:
    settings = {"aof_use_rdb_preamble": preamble}
    with ours(loop, tmp_path, **settings) as client:
        fill(client)
    with ours(loop, tmp_path, **settings) as client:
        check(client)
        assert client("FCALL", "w", 1, "counter") == 2
        rewritten(client)
        check(client, 2)
    with ours(loop, tmp_path, **settings) as client:
        check(client, 2)
        assert client("FUNCTION", "FLUSH") == "OK"
    with ours(loop, tmp_path, **settings) as client:
        assert client("FUNCTION", "LIST") == []
        assert client("GET", "counter") == b"2"


def test_each_change_of_libraries_is_logged_as_it_is(loop: Loop, tmp_path: Path) -> None:
    with ours(loop, tmp_path) as client:
        fill(client)
        payload = client("FUNCTION", "DUMP")
        client("FUNCTION", "DELETE", "lib")
        assert isinstance(client("FUNCTION", "LOAD", OTHER), Error)
        assert client("FUNCTION", "RESTORE", payload, "REPLACE") == "OK"
    (increment,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    log = increment.read_bytes()
    assert log.count(b"$8\r\nFUNCTION\r\n") == 6
    assert payload in log
    assert b"INCR" in log
    assert b"FCALL" not in log
    with ours(loop, tmp_path) as client:
        check(client)


def test_reloading_replaces_the_libraries(client: Connection) -> None:
    fill(client)
    assert client("DEBUG", "RELOAD") == "OK"
    check(client)
    assert client("DEBUG", "RELOAD", "NOSAVE") == "OK"
    check(client)
    assert isinstance(client("DEBUG", "RELOAD", "NOFLUSH"), Error)
    assert client("DEBUG", "RELOAD", "NOFLUSH", "MERGE") == "OK"
    check(client)
    client("FLUSHALL")
    assert client("FCALL", "g", 0) == 7


def test_export_and_import_keep_libraries(loop: Loop, tmp_path: Path) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("SAVE")
    server.close()
    lines = BytesIO()
    assert export(tmp_path / "dump.rdb", lines) == 1
    (tmp_path / "dump.rdb").unlink()
    lines.seek(0)
    assert import_(lines, None, tmp_path / "dump.rdb") == 1
    server = loop.start_server(dir=str(tmp_path))
    check(server.connect())
    server.close()


def test_import_names_a_library_that_is_not_valid(tmp_path: Path) -> None:
    for line in (b'{"library": "return 1"}\n', b'{"library": 5}\n', b'{"library": null}\n'):
        with pytest.raises(click.ClickException, match="line 1 is not a valid key record"):
            import_(BytesIO(line), None, tmp_path / "dump.rdb")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"#!lua name=l\nfoo bar", "'=' expected near 'bar'"),
        (b"return 1", "Missing library metadata"),
        (b"#!js name=l\nfoo", "Engine 'js' not found"),
        (b"#!lua name=l\nreturn 1", "No functions registered"),
    ],
)
def test_a_snapshot_with_a_library_that_cannot_be_loaded_is_refused(
    loop: Loop, tmp_path: Path, code: bytes, reason: str
) -> None:
    server = loop.start_server(dir=str(tmp_path), rdbcompression="no", rdbchecksum="no")
    client = server.connect()
    client("FUNCTION", "LOAD", OTHER)
    client("SAVE")
    server.close()
    path = tmp_path / "dump.rdb"
    old = dump_libraries([OTHER.encode()])[:-10]
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, dump_libraries([code])[:-10]))
    with pytest.raises(LoadError, match="a library of functions that cannot be loaded") as failure:
        loop.start_server(dir=str(tmp_path))
    assert reason in str(failure.value)


# --- real servers ---------------------------------------------------------------------------------


def test_a_real_server_loads_our_snapshot_and_we_load_its_own(
    loop: Loop, tmp_path: Path, make: str
) -> None:
    server = loop.start_server(dir=str(tmp_path))
    client = server.connect()
    fill(client)
    client("SAVE")
    server.close()
    checker = shutil.which("redis-check-rdb")
    if checker is not None:
        ran = subprocess.run([checker, tmp_path / "dump.rdb"], capture_output=True, timeout=60)
        assert ran.returncode == 0, ran.stdout
    oracle = STARTERS[make]("--dir", str(tmp_path), "--dbfilename", "dump.rdb")
    try:
        with oracle.connect() as other:
            check(other)
            assert other("FCALL", "w", 1, "counter") == 2
            assert other("SAVE") == "OK"
    finally:
        oracle.close()
    server = loop.start_server(dir=str(tmp_path))
    check(server.connect(), 2)
    server.close()


def test_a_real_server_continues_our_log_and_we_continue_its_own(
    loop: Loop, tmp_path: Path, make: str
) -> None:
    with ours(loop, tmp_path) as client:
        fill(client)
        rewritten(client)
        client("FUNCTION", "DELETE", "other")
        client("FUNCTION", "LOAD", OTHER)
    with theirs(make, tmp_path) as other:
        check(other)
        assert other("FCALL", "w", 1, "counter") == 2
        other("FUNCTION", "LOAD", "REPLACE", OTHER)
    with ours(loop, tmp_path) as client:
        check(client, 2)


def test_payloads_are_exchanged(client: Connection, make: str) -> None:
    oracle = STARTERS[make]()
    try:
        with oracle.connect() as other:
            assert client("FUNCTION", "DUMP")[:-10] == other("FUNCTION", "DUMP")[:-10] == b""
            fill(client)
            assert other("FUNCTION", "RESTORE", client("FUNCTION", "DUMP")) == "OK"
            other("SET", "counter", 1)
            check(other)
            client("FUNCTION", "FLUSH")
            theirs_ = other("FUNCTION", "DUMP")
            if make == "valkey":
                # Valkey marks its payloads with a version of its own, which Redis refuses.
                assert client("FUNCTION", "RESTORE", theirs_) == "OK"
            else:
                assert client("FUNCTION", "RESTORE", theirs_, "FLUSH") == "OK"
            check(client)
    finally:
        oracle.close()


def test_the_payload_is_that_of_redis_byte_for_byte(client: Connection) -> None:
    if BINARIES["redis"]() is None:
        pytest.skip("there is no redis-server on PATH")
    oracle = STARTERS["redis"]("--rdbcompression", "no")
    try:
        client("CONFIG", "SET", "rdbcompression", "no")
        for server in (client, oracle):
            server("FUNCTION", "LOAD", LIBRARY)
        assert client("FUNCTION", "DUMP") == oracle("FUNCTION", "DUMP")
    finally:
        oracle.close()


# --- payloads that are refused --------------------------------------------------------------------


def test_payloads_are_checked_and_change_nothing_if_they_fail(client: Connection) -> None:
    fill(client)
    payload = client("FUNCTION", "DUMP")
    mismatch = Error("ERR DUMP payload version or checksum are wrong")
    for damaged in (b"", b"x" * 9, payload[:-1], payload[:-1] + b"x", b"x" + payload):
        assert client("FUNCTION", "RESTORE", damaged, "FLUSH") == mismatch
    for size in range(0, len(payload), 7):
        assert client("FUNCTION", "RESTORE", payload[:size], "FLUSH") == mismatch
    bad = dump_libraries([OTHER.encode(), b"#!lua name=l\nfoo bar"])
    for policy in ("FLUSH", "REPLACE", "APPEND"):
        assert client("FUNCTION", "RESTORE", bad, policy) == Error(
            "ERR Error compiling function: user_function:2: '=' expected near 'bar'"
        )
        check(client)
    assert client("FUNCTION", "RESTORE", payload) == Error("ERR Library lib already exists")
    assert client("FUNCTION", "RESTORE", dump_libraries([OTHER.encode()] * 2), "FLUSH") == Error(
        "ERR Library 'other' already exists"
    )
    moved = dump_libraries([OTHER.replace("other", "third").encode()])
    for policy in ("REPLACE", "APPEND"):
        assert client("FUNCTION", "RESTORE", moved, policy) == Error(
            "ERR Function g already exists"
        )
    check(client)
    assert client("FUNCTION", "RESTORE", dump_libraries([]), "FLUSH") == "OK"
    assert client("FUNCTION", "LIST") == []
