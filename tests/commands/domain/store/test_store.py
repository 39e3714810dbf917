"""STORE.*: entries, namespaces, search, and the separation of tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.copies import copy_keys
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error, Map
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def shared(loop: Loop) -> Iterator[RunningServer]:
    """One server for all examples of a property."""
    running = loop.start_server()
    yield running
    running.close()


def escape(segment: bytes) -> bytes:
    return segment.replace(b"\\", b"\\\\").replace(b":", b"\\:")


def render(*segments: bytes) -> bytes:
    return b":".join(map(escape, segments))


def stop_active_expiry(client: Connection) -> None:
    """Keep expired entries in memory until a command finds them."""
    assert client("DEBUG", "SET-ACTIVE-EXPIRE", "0") == "OK"


# --- entries ------------------------------------------------------------------


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
    assert client("DBSIZE") == 1
    assert client("STORE.GET", "acme:agent-a", "k") is None


def test_evict_removes_expired_entries(server: RunningServer, client: Connection) -> None:
    server.freeze()
    stop_active_expiry(client)
    client("STORE.PUT", "acme:agent-a", "brief", "v", "TTL", 10)
    client("STORE.PUT", "acme:agent-a", "alive", "v")
    client("SET", "elsewhere", "v", "PX", 10)
    server.advance(30)
    assert client("DBSIZE") == 3
    assert client("STORE.EVICT") == 1
    assert client("DBSIZE") == 1
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


# --- interchange -----------------------------------------------------------------------------


def test_plain_commands_and_these_see_each_other(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    client("SET", "entelix:store:acme:acme:agent-a:plain", "1", "PX", 100)
    client("STORE.PUT", "acme:agent-a", "own", "2", "TTL", 200)
    assert client("STORE.GET", "acme:agent-a", "plain") == b"1"
    assert client("GET", "entelix:store:acme:acme:agent-a:own") == b"2"
    assert client("PEXPIRETIME", "entelix:store:acme:acme:agent-a:own") == NOW + 200
    assert client("STORE.LIST", "acme:agent-a") == [b"own", b"plain"]
    client("DEL", "entelix:store:acme:acme:agent-a:own")
    assert client("STORE.COUNT", "acme:agent-a") == 1
    client("RENAME", "entelix:store:acme:acme:agent-a:plain", "entelix:store:acme:acme:b:moved")
    assert client("STORE.NAMESPACES", "acme") == [b"acme:b"]


def test_a_redis_py_pipeline_and_these_see_each_other(server: RunningServer) -> None:
    """Another client of the layout writes entries with SET, and PX for a TTL."""
    server.freeze(NOW)
    with redis.Redis(port=server.port) as plain:
        pipeline = plain.pipeline(transaction=False)
        pipeline.set("entelix:store:acme:acme:agent-a:k1", '{"n":1}')
        pipeline.set("entelix:store:acme:acme:agent-a:k2", '{"n":2}', px=1000)
        pipeline.set("entelix:store:acme:acme:agent-a:conv-1:k3", '{"n":3}')
        assert pipeline.execute() == [True, True, True]
        assert plain.execute_command("STORE.LIST", "acme:agent-a") == [b"k1", b"k2"]
        assert len(plain.execute_command("STORE.SEARCH", "acme", "FILTER", '{"n":{"$gt":1}}')) == 2
        server.advance(1001)
        assert plain.execute_command("STORE.MGET", "acme:agent-a", "k1", "k2") == [b'{"n":1}', None]
        plain.execute_command("STORE.PUT", "acme:agent-a", "k4", "x", "TTL", 500)
        pipeline.get("entelix:store:acme:acme:agent-a:k4")
        pipeline.pttl("entelix:store:acme:acme:agent-a:k4")
        assert pipeline.execute() == [b"x", 500]


def test_a_copy_of_all_keys_returns_the_same(
    loop: Loop, client: Connection, valkey: Oracle
) -> None:
    """The keys are copied through a stock server, which has no STORE commands."""
    for number in range(40):
        name = f"acme:agent-{number % 5}:conv-{number % 3}"
        client("STORE.PUT", name, f"k:{number}\\", json.dumps({"n": number}), "TTL", 60_000)
    other = loop.start_server()
    try:
        copy = other.connect()
        with valkey.connect() as stock:
            assert copy_keys(client, stock) == 40
            assert copy_keys(stock, copy) == 40
        for asked in (
            ("STORE.NAMESPACES", "acme"),
            ("STORE.LIST", "acme:agent-1:conv-1", "WITHVALUES"),
            ("STORE.SEARCH", "acme:agent-2", "FILTER", '{"n":{"$gte":20}}'),
            ("STORE.COUNT", "acme:agent-0:conv-0"),
        ):
            assert copy(*asked) == client(*asked)
            assert client(*asked)
    finally:
        other.close()


def test_databases_are_apart_and_swap(client: Connection) -> None:
    client("STORE.PUT", "acme:a", "k", "v")
    client("SELECT", 1)
    assert client("STORE.LIST", "acme:a") == []
    client("SWAPDB", 0, 1)
    assert client("STORE.LIST", "acme:a") == [b"k"]
    client("FLUSHDB")
    assert client("STORE.COUNT", "acme:a") == 0
    client("STORE.PUT", "acme:b", "k", "v")
    assert client("STORE.NAMESPACES", "acme") == [b"acme:b"]


def test_hash_tags_put_a_tenant_into_one_slot(loop: Loop) -> None:
    server = loop.start_server(hash_tags="yes")
    try:
        client = server.connect()
        client("STORE.MPUT", "acme:a", "k", "v", "l", "w")
        assert sorted(client("KEYS", "*")) == [
            b"entelix:store:{acme}:acme:a:k",
            b"entelix:store:{acme}:acme:a:l",
        ]
        client("SET", "entelix:store:acme:acme:a:other-layout", "x")
        assert client("STORE.LIST", "acme:a") == [b"k", b"l"]
        assert client("STORE.NAMESPACES", "acme") == [b"acme:a"]
        assert client("STORE.CLEAR", "acme:a") == 2
    finally:
        server.close()


# --- options ---------------------------------------------------------------------------------


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
    after = b""
    while page := client("STORE.LIST", "acme:a", "AFTER", after, "LIMIT", 7):
        assert len(page) <= 7
        walked += page
        after = page[-1]
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
    assert client("KEYS", "*") == [b"entelix:store:acme:acme:a:b:k"]


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


# --- errors and bad records -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ":", ":a", "\\", "acme:\\", "acme:\\x", "a\\", "a:b\\:c\\"])
@pytest.mark.parametrize(
    "request_",
    [
        "PUT {} k v", "MPUT {} k v", "GET {} k", "MGET {} k", "DEL {} k", "LIST {}",
        "NAMESPACES {}", "SEARCH {}", "COUNT {}", "CLEAR {}",
    ],
)  # fmt: skip
def test_bad_namespaces(shared: RunningServer, name: str, request_: str) -> None:
    client = shared.connect()
    client("STORE.PUT", "acme", "k", "v")
    before = client("DEBUG", "DIGEST")
    words = [name if word == "{}" else word for word in ("STORE." + request_).split()]
    reply = client(*words)
    assert isinstance(reply, Error) and reply.text.startswith("NAMESPACE "), reply
    assert client("DEBUG", "DIGEST") == before
    client.close()


_A_DURATION = "an integer from 1 to 4503599627370496 (milliseconds)"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("PUT acme k v TTL 0", f"ERR TTL must be {_A_DURATION}, not '0'"),
        ("PUT acme k v TTL -1", f"ERR TTL must be {_A_DURATION}, not '-1'"),
        ("PUT acme k v TTL 5s", f"ERR TTL must be {_A_DURATION}, not '5s'"),
        ("PUT acme k v TTL 4503599627370497", f"ERR TTL must be {_A_DURATION}, not '{2**52 + 1}'"),
        ("PUT acme k v TTL", "ERR TTL is incomplete, expected: TTL milliseconds"),
        ("PUT acme k v TTL 5 KEEPTTL", "ERR TTL and KEEPTTL exclude each other"),
        ("PUT acme k v NX XX", "ERR NX and XX exclude each other"),
        ("PUT acme k v MORE", "ERR unknown option 'MORE'"),
        ("MPUT acme k v l", "ERR data is incomplete, expected: key value [key value ...]"),
        ("GET acme k REFRESH", "ERR REFRESH is incomplete, expected: REFRESH milliseconds"),
        ("GET acme k REFRESH 0", f"ERR REFRESH must be {_A_DURATION}, not '0'"),
        ("LIST acme LIMIT -1", "ERR LIMIT must be an integer of at least 0, not '-1'"),
        ("LIST acme WITHVALUE", "ERR unknown option 'WITHVALUE'"),
        ("LIST acme PREFIX a PREFIX b", "ERR PREFIX is given twice"),
        ("NAMESPACES acme DEPTH -1", "ERR DEPTH must be an integer of at least 0, not '-1'"),
        ("SEARCH acme FILTER {", "BADRECORD FILTER is not valid JSON"),
        ("SEARCH acme FILTER []", "ERR FILTER is not a JSON object"),
        ("SEARCH acme OFFSET -1", "ERR OFFSET must be an integer of at least 0, not '-1'"),
        ("GET acme hash", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        (
            "GET acme hash REFRESH 5",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
)
def test_errors_change_nothing(client: Connection, request_: str, text: str) -> None:
    client("STORE.PUT", "acme", "k", "old", "TTL", 100_000)
    client("HSET", "entelix:store:acme:acme:hash", "f", "v")
    before = client("DEBUG", "DIGEST")
    assert client(*("STORE." + request_).split()) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_bad_records_are_skipped_and_counted(client: Connection) -> None:
    client("STORE.MPUT", "acme:a", "k", "1", "z", "2")
    client("HSET", "entelix:store:acme:acme:a:hash", "f", "v")
    client("HSET", "entelix:store:acme:acme:only-hash:hash", "f", "v")
    # Keys that do not have the form of an entry: wrong tenant, wrong escapes, no key.
    client("SET", "entelix:store:evil:acme:a:foreign", "x")
    client("SET", "entelix:store:acme:acme:a:k\\x", "x")
    client("SET", "entelix:store:acme:acme", "x")
    client("SET", "entelix:store:acme", "x")
    client("SET", "entelix:store::", "x")
    assert client("STORE.LIST", "acme:a") == [b"k", b"z"]
    assert client("STORE.LIST", "acme:a", "WITHVALUES") == [b"k", b"1", b"z", b"2"]
    assert client("STORE.NAMESPACES", "acme") == [b"acme:a"]
    assert len(client("STORE.SEARCH", "acme")) == 2
    assert client("STORE.MGET", "acme:a", "hash", "k") == [None, b"1"]
    poisoned = [line for line in client("INFO", "redkeep").splitlines() if b"bad_records" in line]
    assert poisoned and not poisoned[0].endswith(b":0")


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


def test_changes_are_published(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("PSUBSCRIBE", "__redkeep__:store:*")
    client("CONFIG", "SET", "domain-events", "yes")
    client("STORE.PUT", "acme:a", b"k\xff", "v")
    client("STORE.DEL", "acme:a", "none")
    client("STORE.MPUT", "acme:a", "x", "1", "y", "2")
    client("STORE.DEL", "acme:a", "x")
    client("STORE.CLEAR", "acme:a")
    told = [json.loads(listener.read_push().items[3]) for _ in range(4)]
    assert [event["event"] for event in told] == ["put", "mput", "del", "clear"]
    assert told[0]["key"] == "k\\xff"
    assert client("XLEN", "redkeep:events:{acme:a}") == 4


# --- properties --------------------------------------------------------------------------------

ODD = [b":", b"\\", b"\\:", b"\0", b"\0\0", b"\0\1", b"\xff", b"*", b"?", b"[", b"a", b"", b"{a}"]
texts = st.one_of(
    st.lists(st.sampled_from(ODD), max_size=4).map(b"".join),
    st.binary(max_size=6),
    st.text(max_size=4).map(str.encode),
    st.binary(min_size=1, max_size=1).map(lambda byte: byte * 300),
)
tenants = texts.filter(bool)
spaces = st.tuples(tenants, st.lists(texts, max_size=3)).map(lambda pair: (pair[0], *pair[1]))
entries = st.tuples(spaces, texts)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(entries, st.binary(max_size=3), min_size=1, max_size=12))
def test_listings_return_exactly_what_was_stored(
    shared: RunningServer, stored: dict[tuple[tuple[bytes, ...], bytes], bytes]
) -> None:
    with shared.connect() as client:
        client("FLUSHALL")
        for (space, key), value in stored.items():
            assert client("STORE.PUT", render(*space), key, value) == "OK"
        assert client("DBSIZE") == len(stored)
        by_space: dict[tuple[bytes, ...], dict[bytes, bytes]] = {}
        for (space, key), value in stored.items():
            by_space.setdefault(space, {})[key] = value
        for space, held in by_space.items():
            name = render(*space)
            flat = [word for key in sorted(held) for word in (key, held[key])]
            assert client("STORE.LIST", name, "WITHVALUES") == flat
            assert client("STORE.COUNT", name) == len(held)
            for key, value in held.items():
                assert client("STORE.GET", name, key) == value
            for depth in range(1, len(space) + 1):
                below = [one for one in by_space if one[:depth] == space[:depth]]
                found = client("STORE.NAMESPACES", render(*space[:depth]))
                assert sorted(found) == sorted(render(*one) for one in below)
                rows = client("STORE.SEARCH", render(*space[:depth]))
                assert len(rows) == sum(len(by_space[one]) for one in below)
                cut = client("STORE.NAMESPACES", render(*space[:depth]), "DEPTH", 1)
                assert sorted(cut) == sorted({render(*one[: depth + 1]) for one in below})


@settings(max_examples=200, deadline=None)
@given(tenants, st.data())
def test_no_argument_reaches_another_tenant(
    shared: RunningServer, tenant: bytes, data: st.DataObject
) -> None:
    """The name of the other tenant is known, and used in hostile arguments."""
    victim = b"victim"
    if tenant == victim:
        return
    hostile = st.one_of(
        texts,
        st.sampled_from(
            [victim, b":victim", b"x:victim:v", b"\\:victim", b"..", b"*", b"victim:v:secret"]
        ),
    )
    with shared.connect() as client:
        client("FLUSHALL")
        client("STORE.PUT", b"victim:v", "secret", b"SECRET")
        client("STORE.PUT", b"victim", "secret", b"SECRET")
        space = render(tenant, *data.draw(st.lists(hostile, max_size=3)))
        word, other = data.draw(hostile), data.draw(hostile)
        for request in (
            ("STORE.GET", space, word),
            ("STORE.GET", space, word, "REFRESH", 5),
            ("STORE.MGET", space, word, other),
            ("STORE.LIST", space, "PREFIX", word, "AFTER", other, "WITHVALUES"),
            ("STORE.NAMESPACES", space),
            ("STORE.SEARCH", space),
            ("STORE.PUT", space, word, b"mine"),
            ("STORE.MPUT", space, word, b"mine", other, b"mine"),
            ("STORE.DEL", space, word, other),
            ("STORE.PUT", space, word, b"mine"),
            ("STORE.CLEAR", space),
        ):
            reply = client(*request)
            assert not isinstance(reply, Error), reply
            assert b"SECRET" not in repr(reply).encode()
            if request[0] == "STORE.NAMESPACES":
                assert reply == []
        assert client("DBSIZE") == 2
        assert client("STORE.GET", b"victim:v", "secret") == b"SECRET"
        assert client("PTTL", b"entelix:store:victim:victim:v:secret") == -1
        assert client("STORE.NAMESPACES", "victim") == [b"victim", b"victim:v"]
