"""Users in the ACL file and in redis.conf."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from commands.families import open_instance
from commands.instance.users.user_files import UserFileError
from commands.settings import config_file
from commands.settings.settings import Settings
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer

UNCHANGED = (
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
)
DEFAULT = b"user default on nopass ~* &* +@all"
HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.acl"
    path.write_text("user bob on nopass ~a +get +ping\n")
    return path


@pytest.fixture
def filed(loop: Loop, path: Path) -> RunningServer:
    return loop.start_server(aclfile=str(path))


def test_a_server_starts_with_the_users_of_the_file(filed: RunningServer) -> None:
    client = filed.connect()
    assert client("ACL", "LIST") == [
        b"user bob on nopass ~a resetchannels -@all +get +ping", DEFAULT,
    ]  # fmt: skip
    filed.close()


def test_loading_replaces_all_users(filed: RunningServer, path: Path) -> None:
    client, bob, carl = filed.connect(), filed.connect(), filed.connect()
    client("ACL", "SETUSER", "carl", "on", "nopass", "+@all")
    assert (bob("AUTH", "bob", ""), carl("AUTH", "carl", "")) == ("OK", "OK")
    path.write_text(f"\nuser bob on #{HASH} ~b +get (+set  ~c)\r\n  user dan  \n")
    assert client("ACL", "LOAD") == "OK"
    assert client("ACL", "LIST") == [
        f"user bob on #{HASH} ~b resetchannels -@all +get (~c resetchannels -@all +set)".encode(),
        b"user dan off resetchannels -@all",
        DEFAULT,
    ]
    assert carl.read_until_closed() == []
    assert bob("GET", "b") is None
    assert bob("GET", "a") == Error("NOPERM No permissions to access a key")
    filed.close()


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("usr x\n", "{}:1 should start with user keyword followed by the username. "),
        ("user\n", "{}:1 should start with user keyword followed by the username. "),
        ("\n# note\n", "{}:2 should start with user keyword followed by the username. "),
        ("user bob on\nuser bob\n", "WARNING: Duplicate user 'bob' found on line 2. "),
        (
            "user bob on +foo\nuser carl >hidden on blah\n",
            "{0}:1: Error in applying operation '+foo': Unknown command or category name in ACL. "
            "{0}:2: Syntax error. ",
        ),
        ("user x\ty on\n", "'{}:1: username 'x\ty' contains invalid characters. "),
        (
            "user x on (+get ~a\n",
            "{}:1: Unmatched parenthesis in selector definition '(+get'. ",
        ),
    ],
)
def test_a_bad_file_changes_nothing(
    filed: RunningServer, path: Path, text: str, errors: str
) -> None:
    client, bob = filed.connect(), filed.connect()
    bob("AUTH", "bob", "")
    before = client("ACL", "LIST")
    path.write_text(text)
    assert client("ACL", "LOAD") == Error("ERR " + errors.format(path) + UNCHANGED)
    assert client("ACL", "LIST") == before
    assert bob("PING") == "PONG"
    filed.close()


def test_saving_replaces_the_file(filed: RunningServer, path: Path) -> None:
    client = filed.connect()
    path.chmod(0o644)
    client("ACL", "SETUSER", "carl", "on", ">secret", "%R~x", "&c", "+@read", "-get", "(~y +set)")
    assert client("ACL", "SAVE") == "OK"
    lines = client("ACL", "LIST")
    assert path.read_bytes() == b"".join(line + b"\n" for line in lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]
    client("ACL", "DELUSER", "carl", "bob")
    assert client("ACL", "LOAD") == "OK"
    assert client("ACL", "LIST") == lines
    filed.close()


def test_a_file_that_cannot_be_read_or_written(filed: RunningServer, path: Path) -> None:
    client = filed.connect()
    before = client("ACL", "LIST")
    path.unlink()
    path.parent.rmdir()
    assert client("ACL", "LOAD") == Error(
        f"ERR Error loading ACLs, opening file '{path}': No such file or directory"
    )
    assert client("ACL", "SAVE") == Error(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more "
        "information"
    )
    assert client("ACL", "LIST") == before
    path.parent.mkdir()
    filed.close()


def test_what_cannot_be_read_back_is_not_saved(filed: RunningServer, path: Path) -> None:
    before = path.read_bytes()
    client = filed.connect()
    # Inside of parentheses, quotes would have another meaning.
    assert client("ACL", "SETUSER", "q", r'("~\"x" +get)') == "OK"
    assert isinstance(client("ACL", "SAVE"), Error)
    assert path.read_bytes() == before
    filed.close()


def test_without_a_file_there_is_nothing_to_load(client: Connection) -> None:
    for command in ("LOAD", "SAVE"):
        assert "not configured to use an ACL file" in client("ACL", command).text


# --- redis.conf ----------------------------------------------------------------------------------


def start(directory: Path, *lines: str) -> Settings:
    path = directory / "redis.conf"
    path.write_text("".join(f"{line}\n" for line in lines))
    settings = Settings()
    assert config_file.load(settings, str(path)) == []
    return settings


def lines_of(settings: Settings) -> list[bytes]:
    return [user.line() for user in open_instance(settings).users]


def test_lines_of_users_define_them(tmp_path: Path) -> None:
    settings = start(
        tmp_path, "user alice on >secret ~a", "requirepass x", "user default on nopass +ping"
    )
    assert lines_of(settings) == [
        f"user alice on #{HASH} ~a resetchannels -@all".encode(),
        b"user default on nopass sanitize-payload resetchannels -@all +ping",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["user alice on >hidden +foo"],
        ["user alice on", "user alice >hidden"],
        ["user"],
        ["user alice on >hidden (+get"],
        ["user alice >hidden on", "aclfile /nowhere"],
        ["aclfile /nowhere/users.acl"],
    ],
)
def test_a_server_with_bad_users_does_not_start(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(UserFileError) as caught:
        lines_of(start(tmp_path, *lines))
    assert "hidden" not in str(caught.value)


def test_rewriting_the_configuration_keeps_users(
    server: RunningServer, client: Connection, tmp_path: Path
) -> None:
    path = tmp_path / "redis.conf"
    path.write_text("# mine\nuser old on\ntimeout 3\nuser older on\n")
    server.call(setattr, server.instance.settings, "config_file", str(path))
    client("ACL", "SETUSER", "alice", "on", ">secret", '~a"b', "+@read", "(~x +set)")
    assert client("CONFIG", "REWRITE") == "OK"
    lines = path.read_text().splitlines()
    assert lines[0] == "# mine"
    assert lines[1].startswith("user alice on ")
    assert not [line for line in lines[2:] if line.startswith("user ")]
    assert "secret" not in path.read_text()
    settings = Settings()
    config_file.load(settings, str(path))
    assert lines_of(settings) == client("ACL", "LIST")
