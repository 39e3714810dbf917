"""Starting with data: replies while it loads, error messages, and default settings."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from server.persistence import starting
from tests.support.info import info
from tests.support.persistence import LOG, rewritten
from tests.support.processes import ServeProcess, run
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

LOADING = Error("LOADING Redis is loading the dataset in memory")


@pytest.fixture
def directory(loop: Loop, tmp_path: Path) -> Path:
    server = loop.start_server(dir=str(tmp_path), **LOG)
    client = server.connect()
    client.pipeline(("SET", f"key:{number}", "x" * 100) for number in range(20_000))
    server.close()
    return tmp_path


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make loading pause after each slice, so that a test can observe it."""
    real = trio.lowlevel.checkpoint

    async def checkpoint() -> None:
        await real()
        await trio.sleep(0.02)

    monkeypatch.setattr(starting, "_SLICE_SECONDS", 0.0)
    monkeypatch.setattr(trio.lowlevel, "checkpoint", checkpoint)


def start_loading(loop: Loop, directory: Path) -> RunningServer:
    return loop.start_loading(dir=str(directory), **LOG)


@pytest.mark.usefixtures("slowly")
def test_clients_get_loading_errors_while_data_is_loaded(loop: Loop, directory: Path) -> None:
    server = start_loading(loop, directory)
    client = server.connect()
    assert client("GET", "key:1") == client("SET", "a", "b") == client("PING") == LOADING
    client("MULTI")
    assert client("SET", "a", "b") == LOADING
    assert client("EXEC").code == "EXECABORT"
    assert client("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
    assert info(client, "loading") == "1"
    total, loaded = (int(info(client, f"loading_{word}_bytes")) for word in ("total", "loaded"))
    assert 0 < loaded <= total
    wait_until(lambda: 0 < float(info(client, "loading_loaded_perc")) <= 100, "loading progress")
    server.wait_until_loaded()
    assert info(client, "loading") == "0"
    assert client("DBSIZE") == 20_000
    server.close()


@pytest.mark.usefixtures("slowly")
def test_the_server_can_be_shut_down_while_it_loads(loop: Loop, directory: Path) -> None:
    before = {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()}
    server = start_loading(loop, directory)
    client = server.connect()
    client.send("SHUTDOWN", "NOSAVE")
    assert server.ended.wait(10)
    assert {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()} == before


def test_a_damaged_file_is_reported_in_one_line(directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    content = bytearray(increment.read_bytes())
    content[content.index(b"*3", 5000)] ^= 0xFF
    increment.write_bytes(content)
    refused = run("serve", "--port", "0", "--dir", directory, cwd=directory)
    assert refused.returncode == 1
    assert refused.stdout == ""
    last = refused.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {increment} is damaged: ")
    assert "at byte" in last and f"redkeep check {increment}" in last
    assert "Traceback" not in refused.stderr
    assert increment.read_bytes() == content


# --- defaults of `redkeep serve` --------------------------------------------------------


def test_by_default_data_is_kept_below_the_working_directory(tmp_path: Path) -> None:
    for value in (None, b"1"):
        with ServeProcess(cwd=tmp_path) as server:
            assert f"data is kept in {tmp_path / 'redkeep-data'}" in server.start_line
            with Connection(server.port) as client:
                assert client("GET", "a") == value
                client("SET", "a", "1")
    names = {path.name for path in (tmp_path / "redkeep-data").iterdir()}
    # As in Redis, SIGTERM saves if there are save points.
    assert names == {"appendonlydir", "dump.rdb"}


def test_a_server_without_persistence_writes_no_files(tmp_path: Path) -> None:
    with ServeProcess("--save", "", "--appendonly", "no", cwd=tmp_path) as server:
        assert "data is kept in memory only" in server.start_line
        with Connection(server.port) as client:
            client("SET", "a", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_start_writes_no_files(tmp_path: Path) -> None:
    with ServeProcess("--save", "", "--appendonly", "no") as taken:
        refused = run("serve", "--port", str(taken.port), cwd=tmp_path)
    assert "is in use" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_sigterm_does_not_end_a_server_that_cannot_save(tmp_path: Path) -> None:
    words = ("--dir", str(tmp_path), "--dbfilename", "taken", "--appendonly", "no")
    with ServeProcess(*words) as server, Connection(server.port) as client:
        (tmp_path / "taken").mkdir()
        server.signal(signal.SIGTERM)
        refusal = "Received SIGTERM, but the data cannot be saved"
        wait_until(lambda: any(refusal in line for line in server.errors), refusal)
        assert client("PING") == "PONG"
        client.send("SHUTDOWN", "NOSAVE")
        assert server.wait() == 0


def test_a_log_that_is_turned_on_later_locks_its_directory_too(loop: Loop, tmp_path: Path) -> None:
    first = loop.start_server(dir=str(tmp_path))
    second = loop.start_server(dir=str(tmp_path))
    one, other = first.connect(), second.connect()
    assert one("CONFIG", "SET", "appendonly", "yes") == "OK"
    rewritten(one)
    refused = other("CONFIG", "SET", "appendonly", "yes")
    assert isinstance(refused, Error) and "another server keeps its data" in refused.text
    assert one("CONFIG", "SET", "appendonly", "no") == "OK"
    assert other("CONFIG", "SET", "appendonly", "yes") == "OK"
    rewritten(other)
    second.close()
    first.close()
