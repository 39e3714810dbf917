"""STORE.* and other clients of the same keys: plain commands, copies, databases, events."""

from __future__ import annotations

import json

import redis

from tests.support.copies import copy_keys
from tests.support.oracles import Oracle
from tests.support.resp import Connection
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_000


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
            assert copy_keys(client, stock) == 80
            assert copy_keys(stock, copy) == 80
        for asked in (
            ("STORE.NAMESPACES", "acme"),
            ("STORE.LIST", "acme:agent-1:conv-1", "WITHVALUES"),
            ("STORE.SEARCH", "acme:agent-2", "FILTER", '{"n":{"$gte":20}}'),
            ("STORE.COUNT", "acme:agent-0:conv-0"),
        ):
            assert copy(*asked) == client(*asked)
            assert client(*asked)
        facts = ("STORE.INFO", "acme:agent-1:conv-1", "k:1\\")
        created = copy(*facts)[:4]
        assert None not in created and created == client(*facts)[:4]
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
            b"redkeep:store:times:{acme}:acme:a:k",
            b"redkeep:store:times:{acme}:acme:a:l",
        ]
        client("SET", "entelix:store:acme:acme:a:other-layout", "x")
        assert client("STORE.LIST", "acme:a") == [b"k", b"l"]
        assert client("STORE.NAMESPACES", "acme") == [b"acme:a"]
        client("STORE.INDEX", "acme", "FIELDS", 1, "n")
        client("STORE.PUT", "acme:a", "k", '{"n":1}', "VECTOR", "abcd")
        found = [[b"namespace", b"acme:a", b"key", b"k", b"value", b'{"n":1}']]
        assert client("STORE.SEARCH", "acme", "FILTER", '{"n":1}') == found
        near = [row[:6] for row in client("STORE.NEAR", "acme", "VECTOR", "abcd")]
        assert near == found
        assert client("STORE.CLEAR", "acme:a") == 2
        assert client("KEYS", "redkeep:store:*") == [b"redkeep:store:indexes"]
    finally:
        server.close()


def test_changes_are_published(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("PSUBSCRIBE", "__redkeep__:store:*")
    client("CONFIG", "SET", "domain-events", "yes")
    client("STORE.PUT", "acme:a", b"k\xff", "v")
    client("STORE.DEL", "acme:a", "none")
    client("STORE.MPUT", "acme:a", "x", "1", "y", "2")
    client("STORE.DEL", "acme:a", "x")
    assert client("XLEN", "redkeep:events:store:{acme:a}") == 3
    client("STORE.CLEAR", "acme:a")
    told = [json.loads(listener.read_push().items[3]) for _ in range(4)]
    assert [event["event"] for event in told] == ["put", "mput", "del", "clear"]
    assert told[0]["key"] == "k\\xff"
    # The stream goes with the last entry.
    assert client("EXISTS", "redkeep:events:store:{acme:a}") == 0
