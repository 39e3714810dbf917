"""STORE.*: entries, their TTLs, namespaces and searches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer
from tests.support.store import render

NOW = 1_700_000_000_000


def stop_active_expiry(client: Connection) -> None:
    """Keep expired entries in memory until a command finds them."""
    assert client("DEBUG", "SET-ACTIVE-EXPIRE", "0") == "OK"


def test_put_then_get_round_trips(client: Connection) -> None:
    assert client("STORE.PUT", "acme:agent-a", "k", "v") == "OK"
    assert client("STORE.GET", "acme:agent-a", "k") == b"v"


def test_ttl_expires_on_get(server: RunningServer, client: Connection) -> None:
    server.freeze()
    stop_active_expiry(client)
    client("STORE.PUT", "acme:agent-a", "k", "v", "TTL", 20)
    server.advance(20)
    assert client("STORE.GET", "acme:agent-a", "k") == b"v"
    server.advance(1)
    assert client("KEYS", "entelix:*") == []
    assert client("DBSIZE") == 2
    assert client("STORE.GET", "acme:agent-a", "k") is None


def test_evict_removes_expired_entries(server: RunningServer, client: Connection) -> None:
    server.freeze()
    stop_active_expiry(client)
    client("STORE.PUT", "acme:agent-a", "brief", "v", "TTL", 10)
    client("STORE.PUT", "acme:agent-a", "alive", "v")
    client("SET", "elsewhere", "v", "PX", 10)
    server.advance(30)
    assert client("DBSIZE") == 5
    assert client("STORE.EVICT") == 1
    assert client("DBSIZE") == 2
    assert client("STORE.EVICT") == 0


def test_namespaces_below_a_prefix(client: Connection) -> None:
    for name in ("acme:agent-a", "acme:agent-a:conv-1", "acme:agent-b"):
        client("STORE.PUT", name, "k", "v")
    assert client("STORE.NAMESPACES", "acme:agent-a") == [b"acme:agent-a", b"acme:agent-a:conv-1"]


def test_namespaces_are_returned_with_escapes(client: Connection) -> None:
    name = render(b"acme", b"agent-a", b"k8s:pod:foo")
    client("STORE.PUT", name, "k", "v")
    assert client("STORE.NAMESPACES", "acme:agent-a") == [name]
    assert name == rb"acme:agent-a:k8s\:pod\:foo"


def test_delete_then_get_returns_none(client: Connection) -> None:
    client("STORE.PUT", "acme:agent-a", "k", "v")
    assert client("STORE.DEL", "acme:agent-a", "k") == 1
    assert client("STORE.GET", "acme:agent-a", "k") is None
    assert client("STORE.DEL", "acme:agent-a", "k") == 0


def test_list_honours_prefix_and_skips_expired_entries(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    stop_active_expiry(client)
    client("STORE.MPUT", "acme:a", "alpha", 1, "alps", 2, "beta", 3)
    client("STORE.PUT", "acme:a", "almost", 4, "TTL", 10)
    assert client("STORE.LIST", "acme:a", "PREFIX", "al") == [b"almost", b"alpha", b"alps"]
    server.advance(11)
    assert client("STORE.LIST", "acme:a", "PREFIX", "al") == [b"alpha", b"alps"]


# --- options -----------------------------------------------------------------------------


def test_conditions_and_ttls_of_put(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    key = "entelix:store:acme:acme:k"
    assert client("STORE.PUT", "acme", "k", "1", "XX") is None
    assert client("STORE.PUT", "acme", "k", "1", "NX", "TTL", 50) == "OK"
    assert client("STORE.PUT", "acme", "k", "2", "nx") is None
    assert client("STORE.PUT", "acme", "k", "3", "KEEPTTL", "XX") == "OK"
    assert (client("GET", key), client("PTTL", key)) == (b"3", 50)
    assert client("STORE.PUT", "acme", "k", "4") == "OK"
    assert client("PTTL", key) == -1
    assert client("STORE.GET", "acme", "k", "REFRESH", 70) == b"4"
    assert client("PTTL", key) == 70
    assert client("STORE.GET", "acme", "other", "REFRESH", 70) is None


def test_several_at_once(client: Connection) -> None:
    assert client("STORE.MPUT", "acme:a", "x", 1, "y:z", 2) == "OK"
    assert client("STORE.MGET", "acme:a", "y:z", "none", "x") == [b"2", None, b"1"]
    assert client("STORE.DEL", "acme:a", "x", "none", "y:z", "x") == 2


def test_list_pages(client: Connection, client3: Connection) -> None:
    keys = [b"%03d" % number for number in range(100)]
    client("STORE.MPUT", "acme:a", *(word for key in keys for word in (key, key)))
    client("STORE.PUT", "acme:a:inner", "050-inner", "v")
    walked: list[bytes] = []
    for _ in range(len(keys)):
        page = client("STORE.LIST", "acme:a", "AFTER", walked[-1] if walked else b"", "LIMIT", 7)
        assert len(page) <= 7
        walked += page
        if not page:
            break
    assert walked == keys
    assert client("STORE.LIST", "acme:a", "PREFIX", "05", "AFTER", "057") == [b"058", b"059"]
    assert client("STORE.LIST", "acme:a", "PREFIX", "05", "AFTER", "0", "LIMIT", 1) == [b"050"]
    assert client("STORE.LIST", "acme:a", "PREFIX", "05", "AFTER", "9") == []
    assert client("STORE.LIST", "acme:a", "WITHVALUES", "LIMIT", 1) == [b"000", b"000"]
    assert client3("STORE.LIST", "acme:a", "WITHVALUES", "LIMIT", 1) == Map([(b"000", b"000")])
    assert client("STORE.LIST", "acme:a", "LIMIT", 0) == keys


def test_whole_segments_only_and_depth(client: Connection) -> None:
    for name in ("acme:a", "acme:a-b", "acme:a:x:y", "acme:a:z", "acme:ab", "acme2:a", "acme:a!"):
        client("STORE.PUT", name, "k", "v")
    assert client("STORE.NAMESPACES", "acme:a") == [b"acme:a", b"acme:a:x:y", b"acme:a:z"]
    assert client("STORE.NAMESPACES", "acme:a", "DEPTH", 1) == [
        b"acme:a", b"acme:a:x", b"acme:a:z"
    ]  # fmt: skip
    assert client("STORE.NAMESPACES", "acme", "DEPTH", 1) == [
        b"acme:a", b"acme:a!", b"acme:a-b", b"acme:ab"
    ]  # fmt: skip
    assert client("STORE.NAMESPACES", "acme:a", "DEPTH", 0) == [b"acme:a"]
    assert client("STORE.NAMESPACES", "acme:a:x", "DEPTH", 0) == [b"acme:a:x"]
    assert client("STORE.NAMESPACES", "acme:none", "DEPTH", 0) == []
    assert client("STORE.NAMESPACES", "acme", "LIMIT", 2) == [b"acme:a", b"acme:a:x:y"]


def test_namespaces_of_expired_entries_are_not_listed(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    stop_active_expiry(client)
    for number in range(50):
        client("STORE.PUT", "acme:a", f"k{number:02}", "v", "TTL", 10)
    client("STORE.PUT", "acme:a:b", "k", "v", "TTL", 10)
    client("STORE.PUT", "acme:c", "k", "v", "TTL", 10)
    client("STORE.PUT", "acme:c", "l", "v")
    server.advance(11)
    assert client("STORE.NAMESPACES", "acme") == [b"acme:c"]
    assert client("STORE.NAMESPACES", "acme", "DEPTH", 0) == [b"acme"]


def test_count_and_clear_are_of_one_namespace(server: RunningServer, client: Connection) -> None:
    server.freeze()
    stop_active_expiry(client)
    client("STORE.MPUT", "acme:a", *("x",) * 2, *("y",) * 2)
    client("STORE.PUT", "acme:a", "brief", "v", "TTL", 10)
    client("STORE.PUT", "acme:a:b", "k", "v")
    assert client("STORE.COUNT", "acme:a") == 3
    server.advance(11)
    assert client("STORE.COUNT", "acme:a") == 2
    assert client("STORE.CLEAR", "acme:a") == 2
    assert client("STORE.CLEAR", "acme:a") == 0
    assert client("KEYS", "entelix:*") == [b"entelix:store:acme:acme:a:b:k"]
    assert len(client("KEYS", "*")) == 2


def test_count_and_clear_while_expiry_is_paused(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("STORE.PUT", "acme:a", "brief", "v", "TTL", 10)
    client("STORE.PUT", "acme:a", "k", "v")
    client("CLIENT", "PAUSE", 1000, "WRITE")
    server.advance(11)
    assert client("STORE.COUNT", "acme:a") == 1
    assert client("STORE.LIST", "acme:a") == [b"k"]
    client("CLIENT", "UNPAUSE")
    assert client("STORE.CLEAR", "acme:a") == 1


# --- searches ----------------------------------------------------------------------------


DOCUMENTS = {
    "one": {"kind": "user", "n": 1, "at": {"place": "Rome"}, "tags": ["a", "b"]},
    "two": {"kind": "user", "n": 2.5, "at": {"place": "Oslo"}, "ok": True},
    "six": {"kind": "bot", "n": 6, "at": None, "ok": 1},
}


@pytest.mark.parametrize(
    ("given_filter", "found"),
    [
        ({}, ["one", "six", "two"]),
        ({"kind": "user"}, ["one", "two"]),
        ({"kind": {"$ne": "user"}}, ["six"]),
        ({"n": {"$gt": 1}}, ["six", "two"]),
        ({"n": {"$gte": 1, "$lt": 6}}, ["one", "two"]),
        ({"n": {"$lte": 2.5}, "kind": "user"}, ["one", "two"]),
        ({"at.place": {"$in": ["Oslo", "Bonn"]}}, ["two"]),
        ({"tags.1": "b"}, ["one"]),
        ({"ok": True}, ["two"]),
        ({"ok": 1}, ["six"]),
        ({"at": {"place": "Rome"}}, ["one"]),
        ({"nothing": "there"}, []),
    ],
)
def test_search(client: Connection, given_filter: dict[str, Any], found: list[str]) -> None:
    for key, document in DOCUMENTS.items():
        client("STORE.PUT", "acme:a:inner", key, json.dumps(document))
    client("STORE.PUT", "acme:a", "not-json", "{")
    client("STORE.PUT", "acme:ab", "beside", json.dumps(DOCUMENTS["one"]))
    rows = client("STORE.SEARCH", "acme:a", "FILTER", json.dumps(given_filter))
    assert [row[3].decode() for row in rows] == found
    assert all(row[1] == b"acme:a:inner" for row in rows)


def test_search_pages_and_shapes(client: Connection, client3: Connection) -> None:
    client("STORE.MPUT", "acme:a", "k1", "{}", "k2", "{", "k3", "{}")
    client("STORE.PUT", "acme:a:b", "k4", "{}")

    def keys(*words: str) -> list[bytes]:
        return [row[3] for row in client("STORE.SEARCH", "acme:a", *words)]

    assert keys() == [b"k1", b"k2", b"k3", b"k4"]
    assert keys("LIMIT", "2", "OFFSET", "1") == [b"k2", b"k3"]
    assert keys("FILTER", "{}", "OFFSET", "1", "LIMIT", "2") == [b"k3", b"k4"]
    assert keys("LIMIT", "1", "OFFSET", "3") == [b"k4"]
    assert keys("OFFSET", "9") == []
    assert client3("STORE.SEARCH", "acme:a", "LIMIT", 1) == [
        Map([(b"namespace", b"acme:a"), (b"key", b"k1"), (b"value", b"{}")])
    ]


def test_inside_a_transaction(client: Connection) -> None:
    client("MULTI")
    client("STORE.PUT", "acme:a", "k", "v")
    client("STORE.LIST", "acme:a")
    client("STORE.GET", ":", "k")
    client("STORE.NAMESPACES", "acme")
    replies = client("EXEC")
    assert replies[:2] == ["OK", [b"k"]]
    assert isinstance(replies[2], Error)
    assert replies[3] == [b"acme:a"]
