"""CP.*: writing and reading checkpoints, threads, pending writes."""

from __future__ import annotations

import json

import pytest

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
    put,
    store,
)
from tests.support.resp import Connection, Error, Word
from tests.support.servers import RunningServer
from tests.support.waiting import pages


def test_an_id_is_generated_if_none_is_given(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    made = client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1")
    assert UUID7.fullmatch(made)
    assert int(made.replace(b"-", b"")[:12], 16) == NOW
    assert client("CP.GET", "acme", "t", made) == client("CP.LATEST", "acme", "t")


@pytest.mark.parametrize(
    "state", [" [1,  2] ", "12345678901234567890123", "0.10", '"\\u00e9"', "null"]
)
def test_the_state_is_kept_as_it_was_given(client: Connection, state: str) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", state, "ID", A)
    assert b'"state":%b,"next_node"' % state.encode() in client("CP.GET", "acme", "t", A)


def test_deeply_nested_states(client: Connection) -> None:
    for levels in (1000, 1021, 1022, 1023, 1024, 1025, 5000):
        state = "[" * levels + "]" * levels
        reply = client("CP.PUT", "acme", "t", "STEP", levels, "STATE", state)
        assert isinstance(reply, Error) == (levels > 1022)
        assert b'"step":%d,' % min(levels, 1022) in client("CP.LATEST", "acme", "t")
    assert client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1],[2").code == "BADRECORD"


def test_latest_is_the_highest_step_and_then_the_greater_id(client: Connection) -> None:
    assert client("CP.LATEST", "acme", "t") is None
    put(client, C, 1)
    put(client, A, 2)
    put(client, B, 2)
    assert body(client("CP.LATEST", "acme", "t"))["id"] == B
    assert ids(client("CP.HISTORY", "acme", "t")) == [B, A, C]


def test_a_put_with_the_same_id_replaces(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 1)
    put(client, A, 5, "NEXT", "x")
    assert client("ZRANGE", BY_STEP, 0, -1, "WITHSCORES") == [A.encode(), b"5"]
    assert body(client("CP.GET", "acme", "t", A))["next_node"] == "x"


def test_a_repeated_put_leaves_the_same_state(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.000Z"}')
    before = client("DEBUG", "DIGEST")
    server.advance(10)
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.000Z"}')
    assert client("DEBUG", "DIGEST") == before
    put(client, A, 1, "META", '{"timestamp":"2023-11-14T22:13:20.010Z"}')
    assert b"20.010Z" in client("CP.GET", "acme", "t", A)
    client("HSET", BY_ID, A, "broken")
    put(client, A, 1)
    assert body(client("CP.GET", "acme", "t", A))["step"] == 1


def test_ids_are_read_in_any_case(client: Connection) -> None:
    client("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", A.upper())
    assert ids([client("CP.GET", "acme", "t", A.upper())]) == [A]
    store(client, B, envelope(B.upper()))
    assert client("CP.GET", "acme", "t", B) is not None


def test_names_with_special_characters(client: Connection) -> None:
    for tenant, thread in [("a:b", "c"), ("a", "b:c"), ("a\\", ":c"), ("ä\n", '"\x00')]:
        made = client("CP.PUT", tenant, thread, "STEP", 0, "STATE", "1")
        found = body(client("CP.LATEST", tenant, thread))
        assert (found["tenant_id"], found["thread_id"]) == (tenant, thread)
        assert ids(client("CP.HISTORY", tenant, thread)) == [made.decode()]
    assert client("EXISTS", "entelix:cp:a\\:b:c:byid", "entelix:cp:a:b\\:c:byid") == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), [C, B, A]),
        (("LIMIT", 0), [C, B, A]),
        (("LIMIT", 2), [C, B]),
        (("LIMIT", 9223372036854775807), [C, B, A]),
        (("BEFORE", B), [A]),
        (("limit", 1, "before", C), [B]),
        (("FILTER", '{"source":"loop"}'), [C, A]),
        (("FILTER", '{"score":{"$gt":1}}', "LIMIT", 1), [C]),
        (("FILTER", "{}"), [C, B, A]),
        (("FILTER", '{"source":"loop"}', "BEFORE", C), [A]),
    ],
)
def test_history(client: Connection, options: tuple[Word, ...], expected: list[str]) -> None:
    put(client, A, 0, "META", '{"source":"loop","score":2}')
    put(client, B, 1)
    put(client, C, 2, "META", '{"source":"loop","score":3}')
    assert ids(client("CP.HISTORY", "acme", "t", *options)) == expected


def test_limit_counts_the_checkpoints_returned(client: Connection) -> None:
    for number in range(30):
        checkpoint = f"01890a5d-ac96-774b-bcce-0000000000{number:02d}"
        put(client, checkpoint, number, "META", json.dumps({"even": number % 2 == 0}))
    found = client("CP.HISTORY", "acme", "t", "LIMIT", 10, "FILTER", '{"even":true}')
    assert [body(one)["step"] for one in found] == list(range(28, 8, -2))
    client("HSET", BY_ID, "01890a5d-ac96-774b-bcce-000000000029", "{")
    assert len(client("CP.HISTORY", "acme", "t", "LIMIT", 29)) == 29


def test_update(server: RunningServer, client: Connection) -> None:
    put(client, A, 7, "NEXT", "plan", "META", '{"a":1}')
    made = client("CP.UPDATE", "acme", "t", A, "STATE", "[7]")
    found = body(client("CP.LATEST", "acme", "t"))
    assert found["id"] == made.decode()
    assert (found["step"], found["next_node"], found["parent_id"]) == (8, "plan", A)
    assert found["state"] == [7]
    assert "meta" not in found
    assert client("CP.UPDATE", "acme", "t", B, "STATE", "1") == Error(
        f"NOTFOUND no parent {B} of thread 't' of tenant 'acme'"
    )


# --- threads -----------------------------------------------------------------------------


def test_fork(client: Connection) -> None:
    put(client, A, 7, "NEXT", "plan", "META", '{"a": 1}')
    made = client("CP.FORK", "acme", "t", A, "u")
    found = body(client("CP.LATEST", "acme", "u"))
    assert made.decode() == found["id"] != A
    assert found["thread_id"] == "u"
    assert (found["step"], found["next_node"], found["parent_id"]) == (7, "plan", A)
    assert found["meta"] == {"a": 1}
    assert client("ZCARD", BY_STEP) == 1


def test_copy(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 5000)
    store(client, B, envelope(B, step=1, state={"n": [1, {"thread_id": "t"}], "thread_id": "t"}), 1)
    store(client, C, "{", 2)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    assert client("CP.COPY", "acme", "t", "u") == 2
    digest = client("DEBUG", "DIGEST")
    assert client("CP.COPY", "acme", "t", "u") == 2
    assert client("DEBUG", "DIGEST") == digest
    first, second = client("CP.HISTORY", "acme", "u")
    assert (ids([first, second]), body(first)["thread_id"]) == ([B, A], "u")
    assert body(first)["state"] == {"n": [1, {"thread_id": "t"}], "thread_id": "t"}
    assert client("CP.WRITES", "GET", "acme", "u", A) == [[b"task", 0, b"ch", b"v"]]
    server.advance(5001)
    assert client("KEYS", "*") == []


def test_a_copy_expires_with_its_thread(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 5000)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    client("CP.PUT", "acme", "u", "STEP", 0, "STATE", "1", "ID", B)
    client("CP.PUT", "acme", "v", "STEP", 0, "STATE", "1", "ID", B, "TTL", 1000)
    for thread, left in (("u", -1), ("v", 1000), ("new", 5000)):
        assert client("CP.COPY", "acme", "t", thread) == 1
        for key in ("bystep", "byid", "writes"):
            assert client("PTTL", f"entelix:cp:acme:{thread}:{key}") == left


def test_prune(client: Connection) -> None:
    for step, checkpoint in enumerate((A, B, C)):
        put(client, checkpoint, step)
        client("CP.WRITES", "PUT", "acme", "t", checkpoint, "task", 0, "ch", "v")
    assert client("CP.PRUNE", "acme", "t", "KEEP", 3) == 0
    assert client("CP.PRUNE", "acme", "t", "KEEP", 1) == 2
    assert ids(client("CP.HISTORY", "acme", "t")) == [C]
    assert client("DBSIZE") == 3
    assert client("CP.PRUNE", "acme", "t", "KEEP", 0) == 1
    assert client("DBSIZE") == 0


def test_del(client: Connection) -> None:
    for step, checkpoint in enumerate((A, B, C)):
        put(client, checkpoint, step)
        client("CP.WRITES", "PUT", "acme", "t", checkpoint, "task", 0, "ch", "v")
    assert client("CP.DEL", "acme", "t", B) == 1
    assert client("CP.DEL", "acme", "t", B) == 0
    assert client("CP.WRITES", "GET", "acme", "t", B) == []
    assert client("CP.DEL", "acme", "t") == 2
    assert client("CP.DEL", "acme", "t") == 0
    assert client("DBSIZE") == 0


def test_threads(client: Connection) -> None:
    names = ["a", "a-b", "a:b", "b\\", "ä", "z"]
    for name in names:
        client("CP.PUT", "acme", name, "STEP", 0, "STATE", "1")
    client("CP.PUT", "acmes", "other", "STEP", 0, "STATE", "1")
    client("MSET", "entelix:cp:acme:no\\key:x", 1, "entelix:cp:acme:a", 1, "entelix:cp:acme:b:y", 1)
    cursor, listed = client("CP.THREADS", "acme")
    assert cursor == b"0"
    assert sorted(name.decode() for name in listed) == sorted(names)
    assert client("CP.THREADS", "acme", "PREFIX", "a:")[1] == [b"a:b"]
    assert sorted(client("CP.THREADS", "acme", "PREFIX", "a")[1]) == [b"a", b"a-b", b"a:b"]
    assert client("CP.THREADS", "nobody") == [b"0", []]
    found = pages(lambda cursor: client("CP.THREADS", "acme", "CURSOR", cursor, "COUNT", 1))
    assert [name for page in found for name in page] == listed


# --- pending writes ----------------------------------------------------------------------


def test_writes(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0, "TTL", 1000)
    reply = client(
        *("CP.WRITES", "PUT", "acme", "t", A, "b:task"),
        *(10, "ch:1", b"\x00\xff:", -1, "__error__", "", 2, "ch", "v"),
    )
    assert reply == 3
    assert client("CP.WRITES", "PUT", "acme", "t", A, "a", 0, "ch", "x") == 1
    assert client("CP.WRITES", "PUT", "acme", "t", A, "a", 0, "ch", "y") == 1
    assert client("CP.WRITES", "GET", "acme", "t", A) == [
        [b"a", 0, b"ch", b"y"],
        [b"b:task", -1, b"__error__", b""],
        [b"b:task", 2, b"ch", b"v"],
        [b"b:task", 10, b"ch:1", b"\x00\xff:"],
    ]
    client("HSET", "entelix:cp:acme:t:writes", f"{A}:1", "poison")
    assert len(client("CP.WRITES", "GET", "acme", "t", A)) == 3
    assert client("PTTL", "entelix:cp:acme:t:writes") == 1000
    assert client("CP.WRITES", "GET", "acme", "t", B) == []


def test_a_ttl_is_that_of_the_thread(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    put(client, A, 0)
    client("CP.WRITES", "PUT", "acme", "t", A, "task", 0, "ch", "v")
    put(client, B, 1, "TTL", 1000)
    put(client, C, 2)
    server.advance(1000)
    assert len(client("CP.HISTORY", "acme", "t")) == 3
    server.advance(1)
    assert client("CP.LATEST", "acme", "t") is None
    assert client("CP.THREADS", "acme") == [b"0", []]
    assert client("KEYS", "*") == []


# --- unusual contents, transactions, descriptions ----------------------------------------


TRICKY = [
    '{"state":1,"next_node":null,"timestamp":"2026-01-01T00:00:00Z"}}',
    '","next_node":"',
    "\\",
    '"',
    "}}",
    "\n\x00é",
]


@pytest.mark.parametrize("text", TRICKY)
def test_texts_that_look_like_parts_of_an_envelope(client: Connection, text: str) -> None:
    state, meta = json.dumps([text, {text: text}]), json.dumps({text: [text]})
    for thread in ("t", text):
        client("CP.PUT", "acme", thread, "STEP", 1, "STATE", state, "NEXT", text, "META", meta)
        found = client("CP.LATEST", "acme", thread)
        assert client("CP.HISTORY", "acme", thread) == [found]
        assert client("CP.HISTORY", "acme", thread, "FILTER", "{}") == [found]
        said = body(found)
        assert (said["next_node"], said["meta"], said["thread_id"]) == (
            text,
            {text: [text]},
            thread,
        )
        assert b'"state":%b,"next_node":' % state.encode() in found


def test_an_id_without_an_envelope_is_skipped(client: Connection) -> None:
    client("ZADD", BY_STEP, 1, A)
    assert client("CP.LATEST", "acme", "t") is None
    assert client("CP.HISTORY", "acme", "t") == []


def test_in_a_transaction(client: Connection, client3: Connection) -> None:
    for connection in (client, client3):
        connection("MULTI")
        for request in (
            ("CP.PUT", "acme", "t", "STEP", 0, "STATE", "1", "ID", A),
            ("CP.LATEST", "acme", "t"),
            ("CP.GET", "acme", "t", B),
            ("CP.THREADS", "acme"),
        ):
            assert connection(*request) == "QUEUED"
        made, latest, absent, threads = connection("EXEC")
        assert (made, body(latest)["id"], absent) == (A.encode(), A, None)
        assert threads == [b"0", [b"t"]]


def test_the_declarations(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "CP.LATEST", "acme", "t") == [b"acme"]
    assert client("COMMAND", "GETKEYS", "CP.WRITES", "GET", "acme", "t", A) == [b"acme"]
    put_, history = client("COMMAND", "INFO", "CP.PUT", "CP.HISTORY")
    assert put_[1:6] == [-5, ["write", "denyoom"], 1, 1, 1]
    assert {"@checkpoint", "@write"} <= set(put_[6])
    assert {"@checkpoint", "@read"} <= set(history[6])
    assert (
        dict(zip(*[iter(client("COMMAND", "DOCS", "CP.PUT")[1])] * 2, strict=True))[b"group"]
        == b"checkpoint"
    )


def test_help(client: Connection) -> None:
    lines = client("CP.HELP")
    assert "CP.WRITES GET tenant thread id [NS path]" in lines
    assert client("CP.WRITES", "HELP")[0].startswith("CP.WRITES <subcommand>")


@pytest.mark.parametrize("newest", ["of other metadata", "unreadable"])
def test_a_history_with_a_filter_reads_to_the_end(client: Connection, newest: str) -> None:
    put = ("CP.PUT", "acme", "long", "STATE", 1, "STEP")
    client(*put, 0, "META", '{"kept":1}')
    client.pipeline([(*put, step, "META", '{"kept":2}') for step in range(1, 1102)])
    if newest == "unreadable":
        by_id = next(key for key in client("KEYS", "*") if client("TYPE", key) == "hash")
        ids = client("HKEYS", by_id)[1:]
        client.pipeline([("HSET", by_id, each, "{}") for each in ids])
    (found,) = client("CP.HISTORY", "acme", "long", "FILTER", '{"kept":1}')
    assert json.loads(found)["body"]["step"] == 0
