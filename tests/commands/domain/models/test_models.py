"""MODEL.*: versions, errors, transactions, copies of the keys, events."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


def pairs(reply: Any) -> dict[str, Any]:
    """A flat RESP2 map, or a RESP3 one, by name."""
    items = reply.items if isinstance(reply, Map) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value for name, value in items}


def listed(client: Connection, *options: str) -> list[tuple[Any, ...]]:
    """Name, active version, and the numbers of versions and of archived ones."""
    cursor, found = client("MODEL.LIST", *options)
    assert cursor == b"0"
    return [tuple(pairs(one).values())[:4] for one in found]


def versions(client: Connection, name: str) -> list[dict[str, Any]]:
    cursor, found = client("MODEL.VERSIONS", name)
    assert cursor == b"0"
    return [pairs(one) for one in found]


# --- versions ----------------------------------------------------------------------------------


def test_get_returns_what_was_registered(
    server: RunningServer, client: Connection, client3: Connection
) -> None:
    server.freeze(NOW)
    weights = bytes(range(256))
    assert client("MODEL.REGISTER", "m") == 1
    reply = client(
        *("MODEL.REGISTER", "m", "WEIGHTS", weights, "HYPERPARAMS", ' {"lr": 0.10}'),
        *("METRICS", '{"auc":1}', "DATAHASH", "h", "SQL", "SELECT 1", "PARENT", 1, "BY", "ada"),
    )
    assert reply == 2
    expected = {
        "model": b"m",
        "version": 2,
        "active": 1,
        "archived": 0,
        "sealed": 1,
        "aliases": [],
        "description": None,
        "tags": [],
        "reported_metrics": None,
        "hyperparams": b' {"lr": 0.10}',
        "metrics": b'{"auc":1}',
        "data_hash": b"h",
        "sql": b"SELECT 1",
        "parent": 1,
        "created_at": NOW,
        "created_by": b"ada",
        "weights_bytes": 256,
        "weights_ref": None,
        "checksum": None,
        "weights": weights,
    }
    for connection in (client, client3):
        found = pairs(connection("MODEL.GET", "m", 2))
        if connection is client3:
            assert found["tags"] == Map([])
            found["tags"] = []
        assert found == expected
        assert list(found) == list(expected)
    first = pairs(client("MODEL.GET", "m", 1))
    assert first["active"] == 0
    assert {first[name] for name in ("hyperparams", "parent", "created_by", "weights")} == {None}


def test_the_stored_keys(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    client("MODEL.REGISTER", "m", "WEIGHTS", "w", "METRICS", "1")
    client("MODEL.REGISTER", "m")
    client("MODEL.ARCHIVE", "m", 1)
    assert client("GET", "redkeep:models:{m}") == b'{"name":"m","active":2,"latest":2}'
    assert json.loads(client("HGET", "redkeep:model_versions:{m}", 1)) == {
        "model": "m",
        "version": 1,
        "hyperparams": None,
        "metrics": "1",
        "data_hash": None,
        "sql": None,
        "parent": None,
        "created_at": NOW,
        "created_by": None,
        "weights_bytes": 1,
    }
    assert client("GET", "redkeep:model_weights:{m}:1") == b"w"
    assert client("ZRANGE", "redkeep:model_order:{m}", 0, -1, "WITHSCORES") == [
        *(b"1", b"1", b"2", b"2"),
    ]
    assert client("GET", "redkeep:model_latest:{m}") == b"2"
    assert client("SMEMBERS", "redkeep:model_archive:{m}") == [b"1"]
    slots = {client("CLUSTER", "KEYSLOT", key) for key in client("KEYS", "*")}
    assert slots == {client("CLUSTER", "KEYSLOT", "m")}


def test_the_active_version(client: Connection) -> None:
    def active() -> int | None:
        reply = client("MODEL.GET", "m")
        return None if reply is None else pairs(reply)["version"]

    assert active() is None
    client("MODEL.REGISTER", "m", "INACTIVE")
    assert active() is None
    client("MODEL.REGISTER", "m")
    assert active() == 2
    assert client("MODEL.ACTIVATE", "m", 1) == "OK"
    assert client("MODEL.ACTIVATE", "m", 1) == "OK"
    assert active() == 1
    client("MODEL.REGISTER", "m", "INACTIVE")
    assert active() == 1
    for _ in range(2):
        assert client("MODEL.ARCHIVE", "m", 1) == "OK"
        assert active() is None
    assert client("MODEL.ACTIVATE", "m", 1) == Error("ARCHIVED version 1 of model 'm' is archived")
    for _ in range(2):
        assert client("MODEL.UNARCHIVE", "m", 1) == "OK"
        assert active() is None
    assert client("MODEL.ACTIVATE", "m", 1) == "OK"
    assert client("MODEL.ARCHIVE", "m", 2) == "OK"
    assert active() == 1


def test_versions_are_listed_in_order(client: Connection) -> None:
    assert client("MODEL.VERSIONS", "m") == [b"0", []]
    for _ in range(11):
        client("MODEL.REGISTER", "m", "WEIGHTS", "w")
    client("MODEL.ARCHIVE", "m", 10)
    found = versions(client, "m")
    assert [one["version"] for one in found] == list(range(1, 12))
    assert [one["version"] for one in found if one["active"]] == [11]
    assert [one["version"] for one in found if one["archived"]] == [10]
    assert all("weights" not in one for one in found)


def test_models_are_listed(client: Connection) -> None:
    for name in ("ham", "spam", "spam2", "sp:am", "spam"):
        client("MODEL.REGISTER", name)
    client("MODEL.ARCHIVE", "spam", 2)
    client("SET", "redkeep:models:{spam", "no row")
    assert sorted(listed(client), key=lambda one: bytes(one[0])) == [
        (b"ham", 1, 1, 0),
        (b"sp:am", 1, 1, 0),
        (b"spam", None, 2, 1),
        (b"spam2", 1, 1, 0),
    ]
    assert len(listed(client, "PREFIX", "spam")) == 2
    assert listed(client, "PREFIX", "x") == []


def test_del_removes_all_keys_of_a_model(client: Connection) -> None:
    client("MODEL.REGISTER", "m", "WEIGHTS", "w")
    client("MODEL.ARCHIVE", "m", 1)
    assert client("MODEL.DEL", "m") == 1
    assert client("MODEL.DEL", "m") == 0
    assert client("KEYS", "*") == [b"redkeep:model_latest:{m}"]
    assert client("MODEL.VERSIONS", "m") == [b"0", []]
    assert listed(client) == []


# --- errors --------------------------------------------------------------------------------------

WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
ERRORS = f"""
MODEL.REGISTER '' => ERR invalid model name '': it must not be empty or start with '}}'
MODEL.REGISTER }}x => ERR invalid model name '}}x': it must not be empty or start with '}}'
MODEL.REGISTER \udcff => ERR the name of model '\udcff' is not valid UTF-8
MODEL.REGISTER m METRICS [ => BADRECORD METRICS is not valid JSON
MODEL.REGISTER m HYPERPARAMS x => BADRECORD HYPERPARAMS is not valid JSON
MODEL.REGISTER m SQL \udcff => BADRECORD SQL is not valid UTF-8
MODEL.REGISTER m PARENT 2 => NOTFOUND no version 2 of model 'm'
MODEL.REGISTER m PARENT x => ERR PARENT must be an integer from 0 to 4294967295, not 'x'
MODEL.REGISTER m PARENT -1 => ERR PARENT must be an integer from 0 to 4294967295, not '-1'
MODEL.REGISTER m WEIGHTS => ERR WEIGHTS is incomplete, expected: WEIGHTS blob
MODEL.REGISTER m BY ada BY bob => ERR BY is given twice
MODEL.REGISTER m ACTIVE => ERR unknown option 'ACTIVE'
MODEL.ACTIVATE m 2 => NOTFOUND no version 2 of model 'm'
MODEL.ACTIVATE m x => ERR version must be an integer from 0 to 4294967295, not 'x'
MODEL.ARCHIVE m 2 => NOTFOUND no version 2 of model 'm'
MODEL.UNARCHIVE m 2 => NOTFOUND no version 2 of model 'm'
MODEL.GET m 01 => ERR version must be an integer from 0 to 4294967295 or @alias, not '01'
MODEL.GET m 1 x => ERR unknown option 'x'
MODEL.LIST PREFIX => ERR PREFIX is incomplete, expected: PREFIX prefix
MODEL.LIST SUFFIX m => ERR unknown option 'SUFFIX'
MODEL.REGISTER broken => BADRECORD the row of model 'broken' cannot be read
MODEL.GET broken => BADRECORD the row of model 'broken' cannot be read
MODEL.VERSIONS broken => BADRECORD the row of model 'broken' cannot be read
MODEL.GET m 7 => BADRECORD the row of version 7 of model 'm' cannot be read
MODEL.REGISTER w => {WRONGTYPE}
MODEL.REGISTER v => {WRONGTYPE}
MODEL.REGISTER u => {WRONGTYPE}
MODEL.REGISTER o PIECES => {WRONGTYPE}
MODEL.REGISTER m WEIGHTSREF s3://a => ERR WEIGHTSREF and CHECKSUM must be given together
MODEL.REGISTER m CHECKSUM {"0" * 64} => ERR WEIGHTSREF and CHECKSUM must be given together
MODEL.REGISTER m CHECKSUM 00 => ERR the checksum must be a SHA-256 of 64 hex digits, not '00'
MODEL.REGISTER m WEIGHTS x PIECES => ERR WEIGHTS and PIECES exclude each other
MODEL.VERSIONS m CURSOR x => ERR invalid cursor 'x'
MODEL.VERSIONS m COUNT 0 => ERR COUNT must be an integer of at least 1, not '0'
MODEL.LIST CURSOR x => ERR invalid cursor 'x'
MODEL.WEIGHTS m 1 OFFSET -1 => ERR OFFSET must be an integer of at least 0 (bytes), not '-1'
MODEL.WEIGHTS m 1 LENGTH 0 => ERR LENGTH must be an integer of at least 1 (bytes), not '0'
MODEL.ALIAS m champion 2 => NOTFOUND no version 2 of model 'm'
MODEL.ALIAS m @x 1 => ERR invalid alias '@x': it must have 1 to 256 bytes and not start with '@'
MODEL.ALIAS m x one => ERR version must be an integer from 0 to 4294967295, not 'one'
MODEL.TAG m 2 a b => NOTFOUND no version 2 of model 'm'
MODEL.TAG m 1 a => ERR tag is incomplete, expected: key value [key value ...]
MODEL.TAG m 1 \udcff x => BADRECORD the key of a tag is not valid UTF-8
MODEL.UNTAG m 2 a => NOTFOUND no version 2 of model 'm'
MODEL.DESCRIBE m 2 x => NOTFOUND no version 2 of model 'm'
MODEL.DESCRIBE none x => NOTFOUND no model 'none'
MODEL.DESCRIBE m one x => ERR version must be an integer from 0 to 4294967295, not 'one'
MODEL.DESCRIBE m 1 x y => ERR unknown option 'y'
MODEL.DESCRIBE m \udcff => BADRECORD the description is not valid UTF-8
MODEL.METRICS m 1 [] => BADRECORD json must be an object of metrics
MODEL.METRICS m 1 x => BADRECORD json is not valid JSON
MODEL.METRICS m 2 {{}} => NOTFOUND no version 2 of model 'm'
MODEL.TAG noted 1 a b => BADRECORD note 1 of model 'noted' cannot be read
MODEL.GET noted 1 => BADRECORD note 1 of model 'noted' cannot be read
MODEL.APPEND m 1 0 x => TERMINAL version 1 of model 'm' is sealed
MODEL.APPEND m 2 0 x => NOTFOUND no open version 2 of model 'm'
MODEL.APPEND m x 0 x => ERR version must be an integer from 0 to 4294967295, not 'x'
MODEL.APPEND m 1 -1 x => ERR offset must be an integer of at least 0, not '-1'
MODEL.APPEND p 1 4 x => ERR offset must be 3, the length of version 1 of model 'p', not 4
MODEL.APPEND p 1 1 xx => ERR offset must be 3, the length of version 1 of model 'p', not 1
MODEL.APPEND p 1 1 bcd => ERR offset must be 3, the length of version 1 of model 'p', not 1
MODEL.SEAL m 1 {"0" * 64} => TERMINAL version 1 of model 'm' is sealed
MODEL.SEAL m 2 {"0" * 64} => NOTFOUND no open version 2 of model 'm'
MODEL.SEAL p 1 x => ERR the checksum must be a SHA-256 of 64 hex digits, not 'x'
MODEL.DROP m 1 => TERMINAL version 1 of model 'm' is sealed
MODEL.ACTIVATE p 1 => ERR version 1 of model 'p' is open, MODEL.SEAL completes it
MODEL.ALIAS p x 1 => ERR version 1 of model 'p' is open, MODEL.SEAL completes it
"""


@pytest.mark.parametrize("line", ERRORS.strip().splitlines(), ids=ascii)
def test_an_error_names_its_cause_and_changes_nothing(client: Connection, line: str) -> None:
    client("MODEL.REGISTER", "m")
    client("HSET", "redkeep:model_versions:{m}", 7, "[" * 400 + "]" * 400)
    client("SET", "redkeep:models:{broken}", "no JSON")
    client("RPUSH", "redkeep:models:{w}", "no string")
    client("SET", "redkeep:model_versions:{v}", "no hash")
    client("SET", "redkeep:model_order:{u}", "no sorted set")
    client("SET", "redkeep:model_open:{o}", "no hash")
    client("MODEL.REGISTER", "noted")
    client("HSET", "redkeep:model_notes:{noted}", 1, '{"tags":{"a":1}}')
    client("MODEL.REGISTER", "p", "PIECES")
    client("MODEL.APPEND", "p", 1, 0, "abc")
    before = client("DEBUG", "DIGEST")
    request, text = line.split(" => ")
    assert client(*shlex.split(request)) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_unreadable_rows_are_skipped(server: RunningServer, client: Connection) -> None:
    client("MODEL.REGISTER", "m")
    client("ML.PUT", "p", "model_versions", "m@v2", "5")
    client("HSET", "redkeep:model_versions:{m}", "x", "{}")
    client("SET", "redkeep:models:{broken}", '{"name":' + "[" * 400 + "]" * 400 + "}")
    client("RPUSH", "redkeep:models:{list}", 1)
    assert [one["version"] for one in versions(client, "m")] == [1]
    assert [one[0] for one in listed(client)] == [b"m"]
    assert server.call(lambda: server.instance.statistics.bad_records) == 3


@pytest.mark.parametrize("active", ['"1"', "true", "-1", "1.0", "[]", "99", "4294967296"])
def test_a_row_may_name_an_active_version_that_cannot_be_active(
    client: Connection, active: str
) -> None:
    client("MODEL.REGISTER", "m")
    client("SET", "redkeep:models:{m}", f'{{"active":{active},"owner":"ada"}}')
    assert client("MODEL.GET", "m") is None
    assert listed(client) == [(b"m", None, 1, 0)]
    assert client("MODEL.REGISTER", "m") == 2
    row = json.loads(client("GET", "redkeep:models:{m}"))
    assert row == {"active": 2, "owner": "ada", "latest": 2}


def test_a_model_without_its_row_is_restored_by_a_new_version(client: Connection) -> None:
    client("MODEL.REGISTER", "m")
    client("DEL", "redkeep:models:{m}")
    assert listed(client) == []
    assert client("MODEL.REGISTER", "m") == 2
    assert listed(client) == [(b"m", 2, 2, 0)]


def test_rows_written_by_other_commands_are_shown(client: Connection) -> None:
    row = {"hyperparams": {"lr": 1}, "created_at": 2**64 - 1, "parent": True, "sql": 1.5}
    client("HSET", "redkeep:model_versions:{m}", 3, json.dumps(row))
    found = pairs(client("MODEL.GET", "m", 3))
    assert found["hyperparams"] == b'{"lr":1}'
    assert (found["created_at"], found["parent"]) == (b"18446744073709551615", b"true")
    assert (found["sql"], found["metrics"]) == (b"1.5", None)
    assert [client("MODEL.REGISTER", "m") for _ in range(3)] == [1, 2, 4]


# --- transactions, copies, events -----------------------------------------------------------


def test_models_in_a_transaction(client: Connection) -> None:
    client("MULTI")
    for request in (("MODEL.REGISTER", "m"), ("MODEL.GET", "m"), ("MODEL.GET", "m", 9)):
        assert client(*request) == "QUEUED"
    version, found, absent = client("EXEC")
    assert (version, pairs(found)["version"], absent) == (1, 1, None)


def test_a_copy_of_the_keys_is_a_copy_of_the_registry(
    loop: Any, server: RunningServer, client: Connection
) -> None:
    for _ in range(3):
        client("MODEL.REGISTER", "m", "WEIGHTS", b"\x00\xff", "METRICS", "{}")
    client("MODEL.ARCHIVE", "m", 2)
    second = loop.start_server()
    try:
        other = second.connect()
        for key in client("KEYS", "*"):
            assert other("RESTORE", key, 0, client("DUMP", key)) == "OK"
        for request in (
            ("MODEL.GET", "m"),
            ("MODEL.GET", "m", 2),
            ("MODEL.VERSIONS", "m"),
            ("MODEL.LIST",),
            ("MODEL.REGISTER", "m", "INACTIVE"),
        ):
            assert other(*request) == client(*request)
    finally:
        second.close()


def test_changes_are_published(
    server: RunningServer, client: Connection, client3: Connection
) -> None:
    server.freeze(1_700_000_000_000)
    client3("SUBSCRIBE", "__redkeep__:model:m")
    client("MODEL.REGISTER", "m")
    assert json.loads(client3.read_push().items[2]) == {
        "family": "model",
        "event": "register",
        "command": "MODEL.REGISTER",
        "at": 1_700_000_000_000,
        "model": "m",
        "active": True,
        "version": 1,
    }
    client("MODEL.ARCHIVE", "m", 1)
    client("MODEL.ARCHIVE", "m", 1)
    client("MODEL.DEL", "m")
    events = [json.loads(client3.read_push().items[2])["event"] for _ in range(2)]
    assert events == ["archive", "del"]


def test_help_shows_the_syntax(client: Connection) -> None:
    assert "MODEL.GET name [version] [NOWEIGHTS]" in client("MODEL.HELP")
