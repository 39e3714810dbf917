"""ML.* on models and their versions: any JSON, events, the keys of requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.models import NOW, get
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

ANY_JSON = ["{}", "[]", "5", '"text"', "null", "true", '{"name":["x"],"own":{"deep":[1,2.50]}}']


@pytest.mark.parametrize("value", ANY_JSON)
def test_any_json_can_be_stored_and_overwritten(client: Connection, value: str) -> None:
    client("MODEL.REGISTER", "m")
    for namespace, key in (("models", "m"), ("model_versions", "m@v1"), ("model_versions", "n@v2")):
        for row in (value, '{"x":1}', value):
            assert client("ML.PUT", "p", namespace, key, row) == "OK"
            assert client("ML.GET", "p", namespace, key) == row.encode()
    rows = client("ML.LIST", "p", "model_versions")[1]
    assert rows == [b"m@v1", value.encode(), b"n@v2", value.encode()]
    assert client("ML.DEL", "p", "model_versions", "m@v1") == 1
    assert client("ML.DEL", "p", "models", "m") == 1


@pytest.mark.parametrize("value", ["[]", "5", '"text"', "null", "true"])
def test_rows_that_are_no_objects_are_errors_of_the_model_commands(
    client: Connection, value: str
) -> None:
    client("MODEL.REGISTER", "m")
    client("MODEL.REGISTER", "n")
    client("ML.PUT", "p", "models", "m", value)
    client("ML.PUT", "p", "model_versions", "n@v1", value)
    of_model = Error("BADRECORD the row of model 'm' cannot be read")
    requests = (("GET", "m", 1), ("REGISTER", "m"), ("ACTIVATE", "m", 1), ("VERSIONS", "m"))
    for name, *words in requests:
        assert client(f"MODEL.{name}", *words) == of_model
    of_version = Error("BADRECORD the row of version 1 of model 'n' cannot be read")
    assert client("MODEL.GET", "n", 1) == of_version
    assert client("MODEL.VERSIONS", "n") == [b"0", []]
    assert [one[1] for one in client("MODEL.LIST")[1]] == [b"n"]
    # The raw commands go on, also beside a row that MODEL.* cannot read.
    assert client("ML.PUT", "p", "model_versions", "m@v5", "{}") == "OK"
    assert client("ML.GET", "p", "models", "m") == value.encode()
    assert client("ML.DEL", "p", "model_versions", "m@v5") == 1
    assert client("MODEL.DEL", "m") == 1


def test_unknown_members_survive(client: Connection) -> None:
    client("ML.PUT", "p", "models", "m", '{"owner":{"name":"ada"},"active":null}')
    client("MODEL.REGISTER", "m")
    client("MODEL.ARCHIVE", "m", 1)
    row = json.loads(client("ML.GET", "p", "models", "m"))
    assert row == {"owner": {"name": "ada"}, "active": None, "latest": 1}
    client("ML.PUT", "p", "model_versions", "m@v1", '{"own":[1]}')
    client("MODEL.TAG", "m", 1, "a", "b")
    assert client("ML.GET", "p", "model_versions", "m@v1") == b'{"own":[1]}'


def test_unknown_members_survive_as_they_were_written(client: Connection) -> None:
    long = "9" * 300
    client(
        *("ML.PUT", "p", "models", "m"),
        f' {{ "big" : {long} , "price":1.50, "latest" :3,"e":1e300,\t"x\\"y":{{"z":[0.10]}} }} ',
    )
    assert client("MODEL.REGISTER", "m") == 4
    assert (
        client("ML.GET", "p", "models", "m")
        == (
            f'{{"big":{long},"price":1.50,"latest":4,"e":1e300,"x\\"y":{{"z":[0.10]}},"active":4}}'
        ).encode()
    )


def test_keys_of_no_model_name_no_rows(client: Connection) -> None:
    for key in ("", "}x", b"\xff"):
        assert client("ML.GET", "p", "models", key) is None
        assert client("ML.DEL", "p", "models", key) == 0
        assert client("ML.PUT", "p", "models", key, "{}").code == "ERR"


def test_count_may_be_any_number(client: Connection) -> None:
    client("ML.PUT", "p", "models", "m", "{}")
    for namespace in ("models", "model_versions", "jobs"):
        reply = client("ML.LIST", "p", namespace, "COUNT", 2**63 - 1)
        assert reply == [b"0", [b"m", b"{}"] if namespace == "models" else []]


# --- events -----------------------------------------------------------------------------------


def events_of(server: RunningServer, client: Connection, *requests: str) -> list[dict[str, Any]]:
    server.freeze(NOW)
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:model:m")
    for request in requests:
        assert not isinstance(client(*request.split()), Error), request
    client("PUBLISH", "__redkeep__:model:m", '{"event":"end"}')
    events: list[dict[str, Any]] = []
    while True:
        event = json.loads(listener.read_push().items[2])
        if event["event"] == "end":
            return events
        events.append(event)


def test_writes_are_published(server: RunningServer, client: Connection) -> None:
    events = events_of(
        server,
        client,
        "ML.PUT p models m {}",
        "ML.PUT p models m {}",
        "ML.PUT p model_versions m@v3 {}",
        "ML.PUT p model_versions m@v3 {}",
        "ML.DEL p model_versions m@v3",
        "ML.DEL p model_versions m@v3",
        "ML.DEL p models m",
    )
    common = {"family": "model", "at": NOW, "model": "m"}
    versions = {"namespace": "model_versions", "version": 3}
    assert events == [
        common | {"event": "put", "command": "ML.PUT", "namespace": "models"},
        common | {"event": "put", "command": "ML.PUT"} | versions,
        common | {"event": "remove", "command": "ML.DEL"} | versions,
        common | {"event": "del", "command": "ML.DEL"},
    ]


def test_a_row_removed_while_versions_are_left(server: RunningServer, client: Connection) -> None:
    events = events_of(
        server,
        client,
        "MODEL.REGISTER m",
        "ML.DEL p models m",
        "ML.DEL p model_versions m@v1",
    )
    assert [(event["event"], event["command"]) for event in events] == [
        ("register", "MODEL.REGISTER"),
        ("remove", "ML.DEL"),
        ("del", "ML.DEL"),
    ]


@pytest.mark.parametrize(
    "removal",
    [
        ["MODEL.DEL m"],
        ["ML.DEL p models m", "ML.DEL p model_versions m@v1"],
        ["ML.DEL p model_versions m@v1", "ML.DEL p models m"],
    ],
    ids=" then ".join,
)
def test_the_stream_goes_with_the_model(client: Connection, removal: list[str]) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    client("ML.PUT", "p", "model_versions", "m@v1", "{}")
    client("ML.PUT", "p", "models", "m", "{}")
    stream = "redkeep:events:model:{m}"
    assert client("XLEN", stream) == 2
    *first, last = removal
    for request in first:
        client(*request.split())
        assert client("EXISTS", stream) == 1
    client(*last.split())
    assert client("EXISTS", stream) == 0
    assert client("KEYS", "*") == [b"redkeep:model_latest:{m}"]


# --- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ("ML.PUT p jobs k {}", [b"p"]),
        ("ML.GET p jobs k", [b"p"]),
        ("ML.DEL p jobs k", [b"p"]),
        ("ML.LIST p jobs", [b"p"]),
        ("ML.PUT p models m {}", [b"m"]),
        ("ML.GET p models m", [b"m"]),
        ("ML.DEL p models m@v1", [b"m@v1"]),
        ("ML.PUT p model_versions m@v1 {}", [b"m"]),
        ("ML.GET p model_versions weird@name@v7", [b"weird@name"]),
        ("ML.DEL p model_versions m@v1", [b"m"]),
        ("ML.LIST p models", []),
        ("ML.LIST p model_versions COUNT 5", []),
    ],
)
def test_the_declared_key_is_the_collection(
    client: Connection, request_: str, keys: list[bytes]
) -> None:
    words = request_.split()
    assert client("COMMAND", "GETKEYS", *words) == keys
    with_access = client("COMMAND", "GETKEYSANDFLAGS", *words)
    assert [key for key, _ in with_access] == keys
    access = {"ML.PUT": "update", "ML.DEL": "delete"}.get(words[0], "access")
    assert all(access in statuses for _, statuses in with_access)


def test_the_declared_key_has_the_slot_of_what_is_written(client: Connection) -> None:
    client("ML.PUT", "p", "model_versions", "weird@name@v7", "{}")
    slots = {client("CLUSTER", "KEYSLOT", key) for key in client("KEYS", "*")}
    assert slots == {client("CLUSTER", "KEYSLOT", "weird@name")}
    assert get(client, "weird@name", 7) is not None


def test_an_unknown_namespace_has_no_keys(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "ML.GET", "p", "dogs", "k").code == "ERR"
