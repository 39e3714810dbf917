"""CP.* and other clients of the same keys: layout, foreign envelopes, log, events, copies."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from commands.domain.checkpoints.envelopes import members
from commands.domain.checkpoints.removal import BATCH
from commands.families import load
from commands.instance.context import Context
from tests.support.checkpoints import (
    BY_ID,
    BY_STEP,
    NOW,
    UUID7,
    A,
    B,
    C,
    body,
    envelope,
    ids,
    look_after,
    put,
    store,
)
from tests.support.offline import Recorded
from tests.support.resp import Connection
from tests.support.servers import Loop, RunningServer


def test_the_keys_and_the_envelope(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 3, "NEXT", "plan", "PARENT", B)
    assert sorted(client("KEYS", "*")) == [BY_ID.encode(), BY_STEP.encode()]
    assert client("ZRANGE", BY_STEP, 0, -1, "WITHSCORES") == [A.encode(), b"3"]
    expected = (
        '{"schema_version":1,"body":{"id":"%s","tenant_id":"acme","thread_id":"t",'
        '"parent_id":"%s","step":3,"state":{},"next_node":"plan",'
        '"timestamp":"2023-11-14T22:13:20.000Z"}}'
    )
    assert client("HGETALL", BY_ID) == [A.encode(), (expected % (A, B)).encode()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parent_id": ...},
        {"next_node": ...},
        {"parent_id": B},
        {"next_node": 5},
        {"extra": [1]},
        {"timestamp": "2026-01-01T00:00:00Z"},
    ],
)
def test_envelopes_of_other_clients(client: Connection, changes: dict[str, Any]) -> None:
    store(client, A, envelope(**changes))
    assert client("CP.LATEST", "acme", "t") == envelope(**changes).encode()
    assert UUID7.fullmatch(client("CP.UPDATE", "acme", "t", A, "STATE", "1"))
    assert UUID7.fullmatch(client("CP.FORK", "acme", "t", A, "u"))
    assert body(client("CP.LATEST", "acme", "u"))["state"] == 42
    assert client("CP.COPY", "acme", "t", "v") == 2


def test_interchange_with_the_plain_commands(server: RunningServer, client: Connection) -> None:
    plain = redis.Redis(port=server.port)
    with plain.pipeline(transaction=True) as pipe:
        for step, checkpoint in enumerate((A, B)):
            pipe.zadd(BY_STEP, {checkpoint: step})
            pipe.hset(BY_ID, checkpoint, envelope(checkpoint, step=step))
        pipe.execute()
    assert client("CP.LATEST", "acme", "t") == envelope(B, step=1).encode()
    assert ids(client("CP.HISTORY", "acme", "t")) == [B, A]
    put(client, C, 2)
    by_step: Any = plain.zrevrange(BY_STEP, 0, -1)
    found: Any = [plain.hget(BY_ID, checkpoint) for checkpoint in by_step]
    assert found == client("CP.HISTORY", "acme", "t")
    assert found[0] == client("CP.LATEST", "acme", "t")
    plain.close()


def test_a_copy_of_the_keys_is_a_copy_of_the_checkpoints(
    loop: Loop, server: RunningServer, client: Connection
) -> None:
    put(client, A, 0, "TTL", 1_000_000, "META", "{}")
    put(client, B, 1, "PARENT", A)
    client("CP.WRITES", "PUT", "acme", "t", B, "task", 0, "ch", b"\x00")
    client("CP.FORK", "acme", "t", A, "u:v")
    second = loop.start_server()
    try:
        other = second.connect()
        for key in client("KEYS", "*"):
            assert other("RESTORE", key, 0, client("DUMP", key)) == "OK"
        for request in (
            ("CP.LATEST", "acme", "t"),
            ("CP.HISTORY", "acme", "u:v"),
            ("CP.HISTORY", "acme", "t"),
            ("CP.WRITES", "GET", "acme", "t", B),
            ("CP.THREADS", "acme"),
        ):
            assert other(*request) == client(*request)
    finally:
        second.close()


def test_commands_are_logged_as_plain_commands(server: RunningServer) -> None:
    server.freeze(NOW)
    server.connect()("PING")  # so that the time of the turn has been read
    server.record()

    def run(*words: bytes) -> list[list[bytes]]:
        ctx = Context(server.instance, server.instance.internal_client())
        load()[words[0].decode()].handler(ctx, list(words))
        return ctx.log_entries or []

    logged = server.call(
        run,
        b"CP.PUT",
        b"acme",
        b"t",
        b"STEP",
        b"1",
        b"STATE",
        b"1",
        b"ID",
        A.encode(),
        b"TTL",
        b"5",
    )
    assert [b" ".join(request[:3]).decode() for request in logged] == [
        f"ZADD {BY_STEP} 1",
        f"HSET {BY_ID} {A}",
        f"PEXPIREAT {BY_STEP} {NOW + 5}",
        f"PEXPIREAT {BY_ID} {NOW + 5}",
    ]
    (removal,) = server.call(run, b"CP.DEL", b"acme", b"t")
    assert removal[:3] == [b"DEL", BY_STEP.encode(), BY_ID.encode()]


def test_changes_are_published(
    server: RunningServer, client: Connection, client3: Connection
) -> None:
    server.freeze(1_700_000_000_000)
    client3("PSUBSCRIBE", "__redkeep__:checkpoint:*")
    client("CONFIG", "SET", "domain-events", "yes")
    put(client, A, 0)
    assert client3.read_push().items == [
        b"pmessage",
        b"__redkeep__:checkpoint:*",
        b"__redkeep__:checkpoint:acme:t",
        b'{"family":"checkpoint","event":"put","command":"CP.PUT","at":1700000000000,'
        b'"id":"%b"}' % A.encode(),
    ]
    assert client("XLEN", "redkeep:events:checkpoint:{acme:t}") == 1


def test_hash_tags(loop: Loop) -> None:
    server = loop.start_server(hash_tags="yes")
    try:
        client = server.connect()
        put(client, A, 0, "META", '{"a":1}', "BSTATE", "b")
        put(client, B, 0, "META", '{"a":1}', "NS", "n")
        client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
        client("CP.FORK", "acme", "t", A, "u")
        slots = {client("CLUSTER", "KEYSLOT", key) for key in client("KEYS", "*")}
        assert slots == {client("CLUSTER", "KEYSLOT", "acme")}
        assert client("CP.THREADS", "acme") == [b"0", [b"t", b"u"]]
        assert client("CP.NAMESPACES", "acme", "t") == [b"0", [b"n"]]
        for wanted in ('{"a":1}', '{"b":{"$ne":1}}'):
            assert len(client("CP.SEARCH", "acme", "FILTER", wanted)[1]) == 3
        assert client("CP.LATEST", "}", "t").code == "NAMESPACE"
    finally:
        server.close()


@pytest.mark.parametrize("tagged", [True, False])
def test_sweeps_and_patrols_find_the_thread_of_a_key(
    tagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    client = Recorded(NOW)
    client("CONFIG", "SET", "domain-events", "yes")
    monkeypatch.setattr(client.instance.settings, "hash_tags", tagged)
    for step in range(2 * BATCH):
        client("CP.PUT", "a:b", "t:u", "STEP", step, "STATE", 1, "META", '{"m:n":1}', "NS", ":")
    look_after(client)
    assert len(client("CP.SEARCH", "a:b", "FILTER", '{"m:n":1}', "COUNT", 1000)[1]) == 2 * BATCH
    client("CP.PRUNE", "a:b", "t:u", "KEEP", 3, "NS", ":")
    client("CP.COPY", "a:b", "t:u", "v")
    client.sweep()
    assert len(client("CP.HISTORY", "a:b", "t:u", "NS", ":")) == 3
    assert client("CP.DEL", "a:b", "t:u") == 3
    client("CP.DEL", "a:b", "v")
    client.sweep()
    look_after(client)
    assert client("KEYS", "*") == []


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    ),
    st.booleans(),
)
def test_members_are_cut_out_unchanged(value: dict[str, Any], spaced: bool) -> None:
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps({"x": [1, {"body": 2}], "body": value}, separators=separators).encode()
    found = members(text)
    assert {name: json.loads(part) for name, part in found.items()} == value
    assert all(part in text for part in found.values())
