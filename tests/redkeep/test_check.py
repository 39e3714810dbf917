"""`redkeep check`, `export` and `import`, run as a user runs them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from redkeep.cli import main
from tests.support.info import info
from tests.support.persistence import LOG, digest, fill, rewritten
from tests.support.processes import run
from tests.support.servers import Loop


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


def test_damage_in_the_middle_of_a_log_is_cut_only_after_asking(directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    whole = increment.read_bytes()
    damaged = whole.replace(b"binary", b"binar")
    increment.write_bytes(damaged)
    mended = run("check", "--fix", increment, typed="y\n")
    assert "drops intact requests after the damage" in mended.stdout
    assert increment.read_bytes() == whole[: whole.index(b"*3")]
    assert increment.with_name(increment.name + ".before-fix").read_bytes() == damaged


def test_each_fix_keeps_a_private_copy_of_its_own(directory: Path) -> None:
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    victim = directory / "victim"
    victim.write_text("not ours")
    first, second = (
        increment.with_name(increment.name + suffix) for suffix in (".before-fix", ".before-fix-2")
    )
    first.symlink_to(victim)
    cut = increment.read_bytes()[:-3]
    increment.write_bytes(cut)
    assert run("check", "--fix", "--yes", increment).returncode == 0
    assert (victim.read_text(), first.is_symlink()) == ("not ours", True)
    assert (second.read_bytes(), second.stat().st_mode & 0o777) == (cut, 0o600)
    assert len(increment.read_bytes()) < len(cut)


_NO_LOGS = {
    "text": (b"root:x:0:0:root:/root:/bin/bash\n", "does not begin with a valid request"),
    "the start of a request": (b"*3\r\n$3\r\nSE", "does not begin with a valid request"),
    "a list in a text": (b"*1\r\n", "does not begin with a valid request"),
    "only an annotation": (b"#TS:1\r\n*1", "does not begin with a valid request"),
    "zeros": (bytes(100), "does not begin with a valid request"),
}


@pytest.mark.parametrize("name", _NO_LOGS)
def test_a_file_that_is_no_log_is_never_cut(tmp_path: Path, name: str) -> None:
    content, reason = _NO_LOGS[name]
    file = tmp_path / "some.aof"
    file.write_bytes(content)
    mended = run("check", "--fix", "--yes", file)
    assert mended.returncode == 1
    assert f"{file} is not changed: " in mended.stderr and reason in mended.stderr
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_links_are_never_cut(directory: Path, tmp_path: Path, kind: str) -> None:
    """Not even to a log: its other name may be a backup."""
    (increment,) = (directory / "appendonlydir").glob("*.incr.aof")
    elsewhere = tmp_path / "elsewhere"
    content = increment.read_bytes()[:-3]
    elsewhere.write_bytes(content)
    increment.unlink()
    if kind == "symbolic":
        increment.symlink_to(elsewhere)
    else:
        increment.hardlink_to(elsewhere)
    mended = run("check", "--fix", "--yes", directory)
    assert mended.returncode == 1
    assert "link" in mended.stderr and f"{increment} is not changed" in mended.stderr
    assert elsewhere.read_bytes() == content
    assert not list(increment.parent.glob("*.before-fix*"))


def test_pipes_and_devices_among_data_files_are_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dump.rdb")
    (tmp_path / "zero.aof").symlink_to("/dev/zero")
    checked = run("check", tmp_path)
    assert checked.returncode == 1
    assert "it is not a regular file" in checked.stderr


def test_a_valid_log_that_no_server_would_load_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "some.aof"
    content = b"*1\r\n$6\r\nNOSUCH\r\n"
    file.write_bytes(content)
    checked = run("check", "--fix", "--yes", file)
    assert checked.returncode == 1
    assert "the request 'NOSUCH' of 1 words" in checked.stdout
    assert file.read_bytes() == content


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
        ('{"db":0,"key":"b","type":"odd","value":""}', "there is no type 'odd'"),
        ('{"db":5000,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":-1,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":true,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":0.0,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":1e30,"key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":99999999999999999999,"key":"a","type":"string","value":"x"}', "db must be"),
        ('{"db":"0","key":"a","type":"string","value":"x"}', "db must be a number from 0"),
        ('{"db":NaN,"key":"a","type":"string","value":"x"}', "unexpected character"),
        ('{"db":0,"key":"a","type":"string","value":"y"}', "an earlier line has the key 'a'"),
        ('{"db":0,"key":"b","type":"list","value":[]}', "the value has no elements"),
        ('{"db":0,"key":"b","type":"set","value":["x","x"]}', "has an element twice"),
        ('{"db":0,"key":"b","type":"hash","value":[["x","1"],["x","2"]]}', "an element twice"),
        ('{"db":0,"key":"b","type":"zset","value":[["x","1"],["x","2"]]}', "an element twice"),
        ('{"db":0,"key":"b","type":"zset","value":[["x","nan"]]}', "not a valid float"),
        ('{"db":0,"key":"b","type":"zset","value":[["x",1]]}', "1 is not a string"),
        ('{"db":0,"key":"b","type":"stream","value":[]}', "it contains no value"),
        ('{"db":0,"key":"b","type":"stream","value":[["1-1",["f"]]]}', "fields and values"),
        ('{"db":0,"key":"b","type":"stream","value":[["0-0",["f","v"]]]}', "greater than 0-0"),
        (
            '{"db":0,"key":"b","type":"stream","value":[["*",["f","v"]]]}',
            "an ID that is not complete",
        ),
        ('{"db":0,"key":"b","type":"stream","value":[["5",["f","v"]]]}', "not complete"),
        ('{"db":0,"key":"b","type":"list","value":[1]}', "1 is not a string"),
        ('{"db":0,"key":"b","type":"set","value":"x"}', "'x' is not an array"),
        ('{"db":0,"key":"b","type":"hash","value":[["f"]]}', "['f'] is not a pair"),
        ('{"db":0,"key":{"base64":"?"},"type":"string","value":"x"}', "base64"),
        ('{"db":0,"key":"b","type":"zset","value":[["m","x"]]}', "not a valid float"),
        (
            '{"db":0,"key":"b","type":"string","value":"x","then":[["NOSUCH"]]}',
            "there is no command NOSUCH",
        ),
        *(
            (f'{{"db":0,"key":"b","type":"string","value":"x","then":[{then}]}}', reason)
            for then, reason in (
                ("[]", "there is no command"),
                ('["XGROUP","CREATE","b"]', "wrong number of arguments"),
                ('["SET","other","x"]', "must write the key of the record"),
                ('["MSET","b","1","other","x"]', "must write the key of the record"),
                ('["FLUSHALL"]', "must write the key of the record"),
                ('["CONFIG","SET","dir","/"]', "must write the key of the record"),
                ('["DEBUG","SLEEP","9"]', "must write the key of the record"),
                ('["GET","b"]', "must write the key of the record"),
                ('["DEL","b"]', "it contains no value"),
                ('["RPUSH","b","x"]', "for another type of value"),
            )
        ),
        *(
            (f'{{"db":0,"key":"b","type":"string","value":"x","expires_ms":{number}}}', reason)
            for number, reason in (
                ("true", "must be an integer or null"),
                ("1.5", "must be an integer or null"),
                ("1e300", "must be an integer or null"),
                ('"5"', "must be an integer or null"),
                ("99999999999999999999", "must be an integer or null"),
                ("9223372036854775808", "out of range"),
                ("-9223372036854775809", "must be an integer or null"),
            )
        ),
        (
            '{"db":0,"key":"b","type":"string","value":"x","expires_ms":[]}',
            "expires_ms must be an integer or null",
        ),
    ],
)
def test_an_invalid_key_record_is_reported_with_its_line(
    tmp_path: Path, line: str, reason: str
) -> None:
    lines = tmp_path / "data.jsonl"
    lines.write_text(f'{{"db":0,"key":"a","type":"string","value":"x"}}\n{line}\n')
    imported = CliRunner().invoke(main, ["import", str(lines), str(tmp_path / "dump.rdb")])
    assert imported.exit_code == 1
    assert imported.output.startswith("Error: line 2 is not a valid key record: ")
    assert reason in imported.output
    assert not (tmp_path / "dump.rdb").exists()


def test_new_files_are_private_and_never_replace_another(directory: Path, tmp_path: Path) -> None:
    source, target = directory / "dump.rdb", tmp_path / "data.jsonl"
    assert run("export", source, target).returncode == 0
    snapshot = tmp_path / "new.rdb"
    assert run("import", target, snapshot).returncode == 0
    for made in (target, snapshot):
        assert made.stat().st_mode & 0o777 == 0o600
    victim, dangling = tmp_path / "victim", tmp_path / "dangling"
    victim.write_text("not ours")
    link, to_nothing = tmp_path / "link", tmp_path / "to nothing"
    link.symlink_to(victim)
    to_nothing.symlink_to(dangling)
    for taken in (target, link, to_nothing, victim, tmp_path):
        for words in (("export", source, taken), ("import", target, taken)):
            done = run(*words)
            assert done.returncode == 1
            assert f"{taken} already exists and is not overwritten" in done.stderr
    assert victim.read_text() == "not ours" and not dangling.exists()
    assert run("export", source).stdout == target.read_text()


def test_paths_that_cannot_be_looked_up_are_explained() -> None:
    for command in ("check", "export"):
        done = CliRunner().invoke(main, [command, "a" * 5000])
        assert done.exit_code == 1
        assert done.output.startswith("Error: cannot read ")


def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "damaged.rdb").write_bytes(b"REDIS0011\x00")
    assert run("export", tmp_path / "damaged.rdb", tmp_path / "data.jsonl").returncode == 1
    assert not (tmp_path / "data.jsonl").exists()
