"""`redkeep check`, `export` and `import`, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.info import info
from tests.support.persistence import LOG, digest, fill, rewritten
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


def test_an_intact_directory_is_described(directory: Path) -> None:
    checked = run("check", directory)
    assert (checked.returncode, checked.stderr) == (0, "")
    for word in (
        "appendonly.aof.manifest: lists 2 files",
        "snapshot, ",
        "version 10, written by 7.2.4",
        "3 requests",
        "Largest keys",
        "dump.rdb",
        "Keys with an expiry time",
    ):
        assert word in checked.stdout


def test_a_truncated_log_is_reported_and_cut_once_the_user_confirms(
    loop: Loop, directory: Path
) -> None:
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


def test_damage_is_reported_with_its_offset(directory: Path) -> None:
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
    assert "drops intact requests after the damage" in mended.stdout
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
    ("line", "reason"),
    [
        ("{", "unexpected end of data"),
        ("[]", "not a JSON object"),
        ('{"db":0}', "key is missing"),
        ('{"db":0,"key":"a","type":"odd","value":""}', "there is no type 'odd'"),
        ('{"db":5000,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":-1,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":0,"key":"a","type":"list","value":[1]}', "1 is not a string"),
        ('{"db":0,"key":"a","type":"set","value":"x"}', "'x' is not an array"),
        ('{"db":0,"key":"a","type":"hash","value":[["f"]]}', "['f'] is not a pair"),
        ('{"db":0,"key":{"base64":"?"},"type":"string","value":"x"}', "base64"),
        ('{"db":0,"key":"a","type":"zset","value":[["m","x"]]}', "not a valid float"),
        (
            '{"db":0,"key":"a","type":"string","value":"x","then":[["NOSUCH"]]}',
            "there is no command NOSUCH",
        ),
        (
            '{"db":0,"key":"a","type":"string","value":"x","expires_ms":[]}',
            "expires_ms must be an integer or null",
        ),
    ],
)
def test_an_invalid_key_record_is_reported_with_its_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    lines = tmp_path / "data.jsonl"
    lines.write_text(f'{{"db":0,"key":"a","type":"string","value":"x"}}\n{line}\n')
    imported = run("import", lines, tmp_path / "dump.rdb")
    assert imported.returncode == 1
    assert imported.stderr.startswith("Error: line 2 is not a valid key record: ")
    assert reason in imported.stderr
    assert not (tmp_path / "dump.rdb").exists()
