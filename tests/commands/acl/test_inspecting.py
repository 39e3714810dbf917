"""ACL LOG, CAT, GENPASS and DRYRUN, and what INFO counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.info import info
from tests.support.resp import Connection, Double, Error, Map
from tests.support.servers import RunningServer


@pytest.fixture
def restricted(server: RunningServer, client: Connection) -> Connection:
    """A client of the user u, who may use any command but GET, and keys that begin with a."""
    client("ACL", "SETUSER", "u", "on", ">p", "+@all", "-get", "~a*")
    connection = server.connect()
    assert connection("AUTH", "u", "p") == "OK"
    return connection


def log(client: Connection, *words: Any) -> list[dict[bytes, Any]]:
    return [
        dict(zip(entry[::2], entry[1::2], strict=True)) for entry in client("ACL", "LOG", *words)
    ]


def test_an_entry_says_what_was_refused_to_whom(
    server: RunningServer, client: Connection, restricted: Connection
) -> None:
    server.freeze(1_700_000_000_000)
    restricted("CLIENT", "SETNAME", "tester")
    restricted("SET", "b", "1")
    server.advance(1500)
    (entry,) = log(client)
    assert b" name=tester " in entry.pop(b"client-info")
    assert entry == {
        b"count": 1, b"reason": b"key", b"context": b"toplevel", b"object": b"b",
        b"username": b"u", b"age-seconds": b"1.5", b"entry-id": 0,
        b"timestamp-created": 1_700_000_000_000, b"timestamp-last-updated": 1_700_000_000_000,
    }  # fmt: skip


def test_an_entry_is_a_map_in_resp3(client3: Connection) -> None:
    client3("AUTH", "nobody", "x")
    (entry,) = client3("ACL", "LOG")
    assert isinstance(entry, Map)
    assert isinstance(entry[b"age-seconds"], Double)
    assert (entry[b"reason"], entry[b"object"]) == (b"auth", b"AUTH")
    assert entry[b"username"] == b"nobody"


def test_what_is_refused_again_within_a_minute_is_counted(
    server: RunningServer, client: Connection, restricted: Connection
) -> None:
    server.freeze(1_700_000_000_000)
    restricted("GET", "a")
    restricted("SET", "b", "1")
    server.advance(60_000)
    restricted("GET", "a2")
    assert [(entry[b"object"], entry[b"count"]) for entry in log(client)] == [
        (b"get", 2), (b"b", 1),
    ]  # fmt: skip
    first = log(client)[0]
    assert first[b"timestamp-last-updated"] - first[b"timestamp-created"] == 60_000
    server.advance(60_001)
    restricted("GET", "a")
    restricted("MULTI")
    restricted("GET", "a")
    assert [(entry[b"context"], entry[b"count"], entry[b"entry-id"]) for entry in log(client)] == [
        (b"multi", 1, 3), (b"toplevel", 1, 2), (b"toplevel", 2, 0), (b"toplevel", 1, 1),
    ]  # fmt: skip


def test_the_length_of_the_log_is_a_setting(client: Connection, restricted: Connection) -> None:
    client("CONFIG", "SET", "acllog-max-len", "3")
    for number in range(5):
        restricted("SET", f"b{number}", "1")
    assert [entry[b"object"] for entry in log(client)] == [b"b4", b"b3", b"b2"]
    assert [entry[b"object"] for entry in log(client, 2)] == [b"b4", b"b3"]
    client("CONFIG", "SET", "acllog-max-len", "0")
    restricted("SET", "b9", "1")
    assert log(client) == []


def test_ten_entries_are_shown_by_default(client: Connection, restricted: Connection) -> None:
    for number in range(12):
        restricted("SET", f"b{number}", "1")
    assert len(log(client)) == 10
    assert len(log(client, 100)) == 12
    assert client("ACL", "LOG", "RESET") == "OK"
    assert log(client) == []


def test_refusals_are_counted(client: Connection, restricted: Connection) -> None:
    restricted("GET", "a")
    restricted("SET", "b", "1")
    restricted("SET", "c", "1")
    restricted("PUBLISH", "c", "m")
    restricted("AUTH", "u", "wrong")
    names = ("auth", "cmd", "key", "channel")
    found = [info(client, f"acl_access_denied_{name}") for name in names]
    assert list(map(int, found)) == [1, 1, 2, 1]
    client("CONFIG", "RESETSTAT")
    assert int(info(client, "acl_access_denied_key")) == 0


@pytest.mark.parametrize(("bits", "digits"), [(1, 1), (4, 1), (5, 2), (256, 64), (4096, 1024)])
def test_passwords_have_the_length_asked_for(client: Connection, bits: int, digits: int) -> None:
    password = client("ACL", "GENPASS", bits)
    assert len(password) == digits
    assert not password.strip(b"0123456789abcdef")
    assert len({client("ACL", "GENPASS") for _ in range(5)}) == 5


def test_every_command_is_in_the_list_of_its_categories(client: Connection) -> None:
    described = {entry[0]: entry for entry in client("COMMAND")}
    for category in client("ACL", "CAT"):
        listed = client("ACL", "CAT", category)
        assert listed, category
        for name, entry in described.items():
            assert (name in listed) is (f"@{category.decode()}" in entry[6]), (name, category)


def test_a_dry_run_leaves_no_trace(client: Connection, restricted: Connection) -> None:
    assert client("ACL", "DRYRUN", "u", "SET", "a", "1") == "OK"
    assert client("ACL", "DRYRUN", "u", "GET", "a") == (
        b"User u has no permissions to run the 'get' command"
    )
    assert client("ACL", "DRYRUN", "u", "PUBLISH", "c", "m") == (
        b"User u has no permissions to access the 'c' channel"
    )
    assert log(client) == []
    assert client("EXISTS", "a") == 0
    assert client("ACL", "DRYRUN", "nobody", "PING") == Error("ERR User 'nobody' not found")
