"""What may be said about a version after its registration: tags, descriptions, metrics, aliases."""

from __future__ import annotations

import json

import pytest

from tests.support.models import NOW, all_pages, get, pairs
from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer


@pytest.fixture(autouse=True)
def registered(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    client("MODEL.REGISTER", "m", "WEIGHTS", "w", "METRICS", '{"auc":1}')
    client("MODEL.REGISTER", "m")


def fact(client: Connection, name: str, version: int = 1) -> object:
    found = get(client, "m", version)
    assert found is not None
    return found[name]


def test_tags(client: Connection, client3: Connection) -> None:
    assert client("MODEL.TAG", "m", 1) == []
    assert client("MODEL.TAG", "m", 1, "team", "mail", "stage", "a") == [
        *(b"stage", b"a", b"team", b"mail")
    ]
    assert client3("MODEL.TAG", "m", 1, "stage", "b") == Map([(b"stage", b"b"), (b"team", b"mail")])
    assert fact(client, "tags") == [b"stage", b"b", b"team", b"mail"]
    assert fact(client, "tags", 2) == []
    assert client("MODEL.UNTAG", "m", 1, "team", "nosuch") == 1
    assert client("MODEL.UNTAG", "m", 1, "team") == 0
    assert client("MODEL.UNTAG", "m", 1, "stage") == 1
    assert client("EXISTS", "redkeep:model_notes:{m}") == 0


def test_descriptions(client: Connection) -> None:
    assert client("MODEL.DESCRIBE", "m", "All of them.") == "OK"
    assert client("MODEL.DESCRIBE", "m", 1, "The first.") == "OK"
    assert (fact(client, "description"), fact(client, "description", 2)) == (b"The first.", None)
    (model,) = client("MODEL.LIST")[1]
    assert pairs(model)["description"] == b"All of them."
    client("MODEL.DESCRIBE", "m", 1, "")
    client("MODEL.DESCRIBE", "m", "")
    assert fact(client, "description") is None
    assert client("EXISTS", "redkeep:model_notes:{m}") == 0


def test_metrics_are_merged_with_their_times(server: RunningServer, client: Connection) -> None:
    client("MODEL.METRICS", "m", 1, '{"precision":0.9,"recall":[1,{"a":2}]}')
    server.advance(5)
    # The same value again is not a new report, another type is.
    client("MODEL.METRICS", "m", 1, '{"precision":0.9,"recall":null,"f1":1}')
    server.advance(5)
    reply = client("MODEL.METRICS", "m", 1, '{"f1":true}')
    expected = {"precision": {"value": 0.9, "at": NOW}, "f1": {"value": True, "at": NOW + 10}}
    assert json.loads(reply) == expected
    assert fact(client, "reported_metrics") == reply
    assert fact(client, "metrics") == b'{"auc":1}'
    client("MODEL.METRICS", "m", 1, '{"precision":null,"f1":null}')
    assert fact(client, "reported_metrics") is None
    assert client("EXISTS", "redkeep:model_notes:{m}") == 0


@pytest.mark.parametrize("depth", [200, 249, 250, 251, 252, 253, 254, 300, 1100])
def test_metrics_may_be_nested(server: RunningServer, client: Connection, depth: int) -> None:
    server.connect()("SUBSCRIBE", "__redkeep__:model:m")
    client("CONFIG", "SET", "domain-events", "yes")
    reply = client("MODEL.METRICS", "m", 1, '{"x":' + "[" * depth + "]" * depth + "}")
    if isinstance(reply, Error):
        assert reply.code == "BADRECORD"
        assert fact(client, "reported_metrics") is None
    else:
        assert fact(client, "reported_metrics") == reply


def test_what_is_said_about_a_version_is_limited(client: Connection) -> None:
    limit = Error("ERR note 1 of model 'm' would have more than 262144 bytes")
    assert client("MODEL.DESCRIBE", "m", 1, "x" * 262144) == limit
    assert client("MODEL.TAG", "m", 1, "a", "x" * 262144) == limit
    assert client("MODEL.METRICS", "m", 1, '{"a":"' + "x" * 262144 + '"}') == limit
    assert client("MODEL.DESCRIBE", "m", 1, "x" * 262000) == "OK"
    assert client("MODEL.TAG", "m", 1, "a", "x" * 262).code == "ERR"


def test_notes_go_with_their_version(client: Connection) -> None:
    client("MODEL.TAG", "m", 1, "a", "b")
    client("MODEL.ALIAS", "m", "champion", 1)
    client("ML.DEL", "p", "model_versions", "m@v1")
    client("ML.PUT", "p", "model_versions", "m@v1", "{}")
    assert fact(client, "tags") == []
    assert fact(client, "weights") is None
    assert get(client, "m", "@champion") is None


# --- aliases ----------------------------------------------------------------------------------


def test_aliases_name_versions(client: Connection) -> None:
    assert client("MODEL.ALIAS", "m", "champion", 1) == "OK"
    assert client("MODEL.ALIAS", "m", "Übermodell", 1) == "OK"
    assert client("MODEL.ALIAS", "m", "2", 1) == "OK"
    for alias in ("champion", "Übermodell", "2"):
        found = get(client, "m", "@" + alias, "NOWEIGHTS")
        assert found is not None
        assert found["version"] == 1
        assert found["aliases"] == sorted([b"champion", "Übermodell".encode(), b"2"])
    assert client("MODEL.ALIAS", "m", "champion", 2) == "OK"
    found = get(client, "m", "@champion")
    assert found is not None and found["version"] == 2
    listed = [pairs(one)["aliases"] for one in all_pages(client, "MODEL.VERSIONS", "m")]
    assert listed == [[b"2", "Übermodell".encode()], [b"champion"]]
    (model,) = client("MODEL.LIST")[1]
    assert pairs(pairs(model)["aliases"]) == {"2": 1, "champion": 2, "Übermodell": 1}
    assert client("MODEL.UNALIAS", "m", "champion") == 1
    assert client("MODEL.UNALIAS", "m", "champion") == 0
    assert get(client, "m", "@champion") is None
    assert get(client, "m", "@never") is None


def test_archiving_a_version_removes_its_aliases(client: Connection) -> None:
    client("MODEL.ALIAS", "m", "a", 1)
    client("MODEL.ALIAS", "m", "b", 1)
    client("MODEL.ALIAS", "m", "c", 2)
    client("MODEL.ARCHIVE", "m", 1)
    client("MODEL.UNARCHIVE", "m", 1)
    assert client("HGETALL", "redkeep:model_aliases:{m}") == [b"c", b"2"]
    client("MODEL.ARCHIVE", "m", 1)
    assert client("MODEL.ALIAS", "m", "a", 1) == Error(
        "ARCHIVED version 1 of model 'm' is archived"
    )


def test_an_alias_that_other_commands_made_is_obeyed_only_if_its_version_can_serve(
    client: Connection,
) -> None:
    client("MODEL.ARCHIVE", "m", 1)
    client("HSET", "redkeep:model_aliases:{m}", "a", 1, "b", 9, "c", "x", "d", 2)
    assert [get(client, "m", "@" + alias) is None for alias in "abcd"] == [True, True, True, False]


def test_a_model_has_a_limited_number_of_aliases(client: Connection) -> None:
    for number in range(100):
        client("MODEL.ALIAS", "m", f"a{number}", 1)
    full = Error("ERR model 'm' has 100 aliases, the most it can have")
    assert client("MODEL.ALIAS", "m", "one-more", 1) == full
    assert client("MODEL.ALIAS", "m", "a5", 2) == "OK"
    assert client("MODEL.ALIAS", "m", "x" * 257, 1).code == "ERR"


def test_each_change_is_published_once(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:model:m")
    for _ in range(2):
        client("MODEL.TAG", "m", 1, "a", "b")
        client("MODEL.DESCRIBE", "m", "text")
        client("MODEL.METRICS", "m", 1, '{"x":1}')
        client("MODEL.ALIAS", "m", "champion", 1)
    for _ in range(2):
        client("MODEL.UNTAG", "m", 1, "a")
        client("MODEL.UNALIAS", "m", "champion")
    events = [json.loads(listener.read_push().items[2]) for _ in range(6)]
    assert [event["event"] for event in events] == [
        *("tag", "describe", "metrics", "alias", "untag", "unalias"),
    ]
    assert events[3]["alias"] == "champion" and events[3]["version"] == 1
    before = client("DEBUG", "DIGEST")
    client("MODEL.UNTAG", "m", 1, "a")
    assert client("DEBUG", "DIGEST") == before
