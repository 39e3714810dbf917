"""Starting with damaged files: the damage is reported, or what remains is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.persistence.loading import LoadError
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
