"""`redkeep check`, `export` and `import`, as a person uses them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.server.persistence.test_keeper import LOG, digest, fill, info, rewritten
from tests.support.processes import CHECKOUT, ROOT
from tests.support.servers import Loop


def run(*words: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHECKOUT, *map(str, words)],
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def directory(loop: Loop, tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    server = loop.start_server(dir=str(path), **LOG)
    client = server.connect()
    fill(client)
    client("SAVE"), client("BGREWRITEAOF")
    rewritten(client)
    client("SET", "binary\xff", "later"), client("SET", "last", "one")
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    server.close()
    return path


def test_a_whole_directory_is_described(directory: Path) -> None:
    checked = run("check", directory)
    assert (checked.returncode, checked.stderr) == (0, "")
    for word in (
        "appendonly.aof.manifest: lists 2 files",
        "snapshot, ",
        "version 10, written by 7.2.4",
        "3 requests",
        "Largest keys",
        "dump.rdb",
        "of them have a deadline",
    ):
        assert word in checked.stdout


def test_a_cut_log_is_named_and_mended_when_its_owner_says_so(loop: Loop, directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    whole = increment.read_bytes()
    increment.write_bytes(whole[:-3])
    start = whole.rindex(b"*3\r\n")
    checked = run("check", directory)
    assert checked.returncode == 1
    assert f"the file ends inside a request (at byte {start})" in checked.stdout
    assert run("check", "--fix", directory, typed="n\n").returncode == 1
    assert increment.read_bytes() == whole[:-3]
    mended = run("check", "--fix", directory, typed="y\n")
    assert mended.returncode == 0
    assert "Cut them off?" in mended.stdout
    assert increment.read_bytes() == whole[:start]
    assert increment.with_name(increment.name + ".before-fix").read_bytes() == whole[:-3]
    assert run("check", directory).returncode == 0
    server = loop.start_server(dir=str(directory), **LOG)
    assert server.connect()("EXISTS", "last") == 0
    server.close()


def test_damage_is_named_with_its_offset(directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    content = bytearray(increment.read_bytes())
    content[0] ^= 1
    increment.write_bytes(content)
    snapshot = directory / "dump.rdb"
    damaged = bytearray(snapshot.read_bytes())
    damaged[-3] ^= 1
    snapshot.write_bytes(damaged)
    checked = run("check", directory)
    assert checked.returncode == 1
    assert "expected the start of a request (at byte 0)" in checked.stdout
    assert "the checksum does not match" in checked.stdout
    mended = run("check", "--fix", increment, typed="y\n")
    assert "good requests among them" in mended.stdout
    assert increment.stat().st_size == 0


def test_a_missing_path_and_an_empty_directory_are_explained(tmp_path: Path) -> None:
    for path, word in ((tmp_path / "none", "does not exist"), (tmp_path, "no data files")):
        checked = run("check", path)
        assert checked.returncode == 1
        assert checked.stderr.startswith("Error: ") and word in checked.stderr


@pytest.mark.parametrize("through_snapshot", [True, False])
def test_data_goes_to_json_and_back(
    loop: Loop, directory: Path, tmp_path: Path, through_snapshot: bool
) -> None:
    settings = {} if through_snapshot else LOG
    server = loop.start_server(dir=str(directory), **settings)
    client = server.connect()
    expected = (
        digest(client),
        client("XINFO", "GROUPS", "stream"),
        client("PEXPIRETIME", "volatile"),
    )
    server.close()
    source = directory / "dump.rdb" if through_snapshot else directory
    lines = tmp_path / "data.jsonl"
    exported = run("export", source, lines)
    assert exported.returncode == 0, exported.stderr
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {"db": 0, "key": "raw", "type": "string", "value": "more", "expires_ms": None} in rows
    again = tmp_path / "again"
    again.mkdir()
    imported = run("import", lines, again / "dump.rdb")
    assert imported.returncode == 0, imported.stderr
    assert f"{len(rows)} keys imported" in imported.stderr
    server = loop.start_server(dir=str(again))
    client = server.connect()
    assert (
        digest(client), client("XINFO", "GROUPS", "stream"), client("PEXPIRETIME", "volatile")
    ) == expected  # fmt: skip
    server.close()
    assert run("import", lines, again / "dump.rdb").returncode == 1


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"db":0}', '{"db":0,"key":"a","type":"odd","value":""}',
     '{"db":5000,"key":"a","type":"string","value":"x"}',
     '{"db":0,"key":"a","type":"list","value":[1]}'],
)  # fmt: skip
def test_a_line_that_is_no_key_is_named(tmp_path: Path, line: str) -> None:
    lines = tmp_path / "data.jsonl"
    lines.write_text(f'{{"db":0,"key":"a","type":"string","value":"x"}}\n{line}\n')
    imported = run("import", lines, tmp_path / "dump.rdb")
    assert imported.returncode == 1
    assert imported.stderr.startswith("Error: line 2 is no key: ")
    assert not (tmp_path / "dump.rdb").exists()
