"""Starting with data: LOADING for clients meanwhile, refusals for people, and the defaults."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
import trio

from server.persistence import starting
from tests.server.persistence.test_keeper import LOG, info, wait_until
from tests.support.processes import CHECKOUT, ROOT, ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

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
    """Loading stops after each slice for long enough to be seen."""
    real = trio.lowlevel.checkpoint

    async def checkpoint() -> None:
        await real()
        await trio.sleep(0.02)

    monkeypatch.setattr(starting, "_SLICE_SECONDS", 0.0)
    monkeypatch.setattr(trio.lowlevel, "checkpoint", checkpoint)


def start_loading(loop: Loop, directory: Path) -> RunningServer:
    return loop.start_loading(dir=str(directory), **LOG)


@pytest.mark.usefixtures("slowly")
def test_clients_are_told_while_it_loads(loop: Loop, directory: Path) -> None:
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
    wait_until(lambda: 0 < float(info(client, "loading_loaded_perc")) <= 100)
    assert server.started.wait(20)
    assert info(client, "loading") == "0"
    assert client("DBSIZE") == 20_000
    server.close()


@pytest.mark.usefixtures("slowly")
def test_it_can_be_ended_while_it_loads(loop: Loop, directory: Path) -> None:
    before = {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()}
    server = start_loading(loop, directory)
    client = server.connect()
    client.send("SHUTDOWN", "NOSAVE")
    assert server.ended.wait(10)
    assert {path: path.read_bytes() for path in (directory / "appendonlydir").iterdir()} == before


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHECKOUT, "serve", "--port", "0", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_damaged_file_is_refused_with_one_line(directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    content = bytearray(increment.read_bytes())
    content[content.index(b"*3", 5000)] ^= 0xFF
    increment.write_bytes(content)
    refused = run("--dir", str(directory), cwd=directory)
    assert refused.returncode == 1
    assert refused.stdout == ""
    last = refused.stderr.splitlines()[-1]
    assert last.startswith(f"Error: {increment} is damaged: ")
    assert "at byte" in last and f"redkeep check {increment}" in last
    assert "Traceback" not in refused.stderr
    assert increment.read_bytes() == content


# --- what `redkeep serve` does by itself ---------------------------------------------------


def test_by_default_data_is_kept_below_the_working_directory(tmp_path: Path) -> None:
    for value in (None, b"1"):
        with ServeProcess(cwd=tmp_path) as server:
            assert f"data is kept in {tmp_path / 'redkeep-data'}" in server.start_line
            with Connection(server.port) as client:
                assert client("GET", "a") == value
                client("SET", "a", "1")
    names = {path.name for path in (tmp_path / "redkeep-data").iterdir()}
    # SIGTERM saves where there are save points, as in Redis.
    assert names == {"appendonlydir", "dump.rdb"}


def test_a_pure_cache_leaves_nothing(tmp_path: Path) -> None:
    with ServeProcess("--save", "", "--appendonly", "no", cwd=tmp_path) as server:
        assert "data is kept in memory only" in server.start_line
        with Connection(server.port) as client:
            client("SET", "a", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with ServeProcess("--save", "", "--appendonly", "no") as taken:
        refused = run("--port", str(taken.port), cwd=tmp_path)
    assert "is in use" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_finds_the_data_unsafe_does_not_end_it(tmp_path: Path) -> None:
    words = ("--dir", str(tmp_path), "--dbfilename", "taken", "--appendonly", "no")
    with ServeProcess(*words) as server, Connection(server.port) as client:
        (tmp_path / "taken").mkdir()
        server.signal(signal.SIGTERM)
        for _ in range(1000):
            if any("the data is not safe" in line for line in server.errors):
                break
            time.sleep(0.01)
        assert client("PING") == "PONG"
        client.send("SHUTDOWN", "NOSAVE")
        assert server.wait() == 0
