"""CP.SEARCH and its index: what it finds, what it costs, and how the index is kept right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commands.domain.checkpoints.meta_index import encode
from commands.families import load
from commands.instance.context import Context
from tests.support.checkpoints import NOW, A, B, C, body, look_after
from tests.support.offline import Recorded
from tests.support.resp import Word
from tests.support.waiting import pages


@pytest.fixture
def client() -> Recorded:
    load()
    return Recorded(NOW)


def put(client: Recorded, thread: str, ident: str, meta: Any, *options: Word) -> None:
    words = ("STEP", 0, "STATE", 1, "ID", ident, "META", json.dumps(meta), *options)
    assert client("CP.PUT", "acme", thread, *words) == ident.encode()


def search(client: Recorded, wanted: Any, size: int = 100) -> list[tuple[str, str]]:
    words = ("CP.SEARCH", "acme", "FILTER", json.dumps(wanted), "COUNT", size)
    found = pages(lambda cursor: client(*words, "CURSOR", cursor))
    bodies = [body(envelope) for page in found for envelope in page]
    return sorted((one["thread_id"], one["id"]) for one in bodies)


def rows(client: Recorded) -> dict[bytes, list[bytes]]:
    keys = client("KEYS", "redkeep:cp-meta:*")
    return {key: client("ZRANGE", key, 0, -1) for key in sorted(keys)}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"user": "ada"}, [("t", A), ("u", A)]),
        ({"user": "ada", "score": {"$gt": 1}}, [("u", A)]),
        ({"user": {"$in": ["bob", "eve", "ada"]}}, [("t", A), ("t", B), ("u", A)]),
        ({"score": {"$gte": 1, "$lt": 2}}, [("t", A)]),
        ({"score": {"$exists": True}}, [("t", A), ("u", A)]),
        ({"score": {"$exists": False}}, [("t", B), ("v", C)]),
        ({"user": {"$ne": "ada"}}, [("t", B), ("v", C)]),
        ({"at.city": "Rome"}, [("v", C)]),
        ({"at": {"city": "Rome"}}, [("v", C)]),
        ({"at.city": {"$exists": False}, "user": "bob"}, [("t", B)]),
        ({}, [("t", A), ("t", B), ("u", A), ("v", C)]),
        ({"user": None}, []),
        ({"none": 1}, []),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_a_search_finds_checkpoints_of_all_threads(
    client: Recorded, wanted: Any, expected: list[tuple[str, str]], size: int
) -> None:
    put(client, "t", A, {"user": "ada", "score": 1})
    put(client, "t", B, {"user": "bob"})
    put(client, "u", A, {"user": "ada", "score": 2.5})
    put(client, "v", C, {"at": {"city": "Rome"}}, "NS", "n")
    client("CP.PUT", "other", "t", "STEP", 0, "STATE", 1, "META", '{"user":"ada"}')
    assert search(client, wanted, size) == expected


def test_rows_follow_the_checkpoints(client: Recorded) -> None:
    put(client, "t", A, {"user": "ada"})
    put(client, "t", A, {"user": "bob"})
    assert search(client, {"user": "ada"}) == []
    assert search(client, {"user": "bob"}) == [("t", A)]
    client("CP.COPY", "acme", "t", "u")
    client("CP.FORK", "acme", "t", A, "v", "ID", B)
    assert search(client, {"user": "bob"}) == [("t", A), ("u", A), ("v", B)]
    client("CP.DEL", "acme", "t", A)
    client("CP.PRUNE", "acme", "u", "KEEP", 0)
    client("CP.DEL", "acme", "v")
    assert client("KEYS", "*") == []


def test_a_search_by_equality_reads_what_it_returns(
    client: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        meta = json.dumps({"user": f"u{number // 10}", "even": number % 2 == 0})
        client("CP.PUT", "acme", f"t{number}", "STEP", 0, "STATE", 1, "META", meta)
    called: list[bytes] = []
    call = Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        called.append(words[0])
        return call(ctx, *words)

    monkeypatch.setattr(Context, "call", counted)
    assert len(client("CP.SEARCH", "acme", "FILTER", '{"even":true,"user":"u7"}')[1]) == 5
    assert len(called) < 20


def test_no_page_looks_at_much_more_than_five_hundred_rows(client: Recorded) -> None:
    for number in range(1500):
        meta = json.dumps({"group": "g", "number": f"{number}"})
        client("CP.PUT", "acme", f"t{number % 50}", "STEP", 0, "STATE", 1, "META", meta)
    for wanted in ({"group": "g", "number": {"$ne": ""}}, {"number": {"$ne": "0"}}):
        words = ("CP.SEARCH", "acme", "FILTER", json.dumps(wanted), "COUNT", 1000)
        cursor, found = client(*words)
        assert cursor != b"0"
        assert 400 <= len(found) <= 500
    wanted = {"group": "g", "number.x": {"$exists": False}, "none": {"$exists": False}}
    cursor, found = client("CP.SEARCH", "acme", "FILTER", json.dumps(wanted), "COUNT", 10)
    assert (len(found), cursor[:1]) == (10, b">")


def test_a_patrol_indexes_what_other_clients_stored(client: Recorded) -> None:
    put(client, "t", A, {"user": "ada"})
    for key in ("bystep", "byid"):
        client("RENAME", f"entelix:cp:acme:t:{key}", f"entelix:cp:acme:was:{key}")
    raw = client("HGET", "entelix:cp:acme:was:byid", A).replace(b'"t"', b'"was"')
    client("HSET", "entelix:cp:acme:was:byid", A, raw)
    assert search(client, {"user": "ada"}) == []
    look_after(client)
    assert search(client, {"user": "ada"}) == [("was", A)]
    assert sum(map(len, rows(client).values())) == 1


def test_patrols_remove_what_expired_or_deleted_threads_left(client: Recorded) -> None:
    put(client, "t", A, {"user": "ada"}, "TTL", 1000)
    put(client, "u", A, {"user": "ada"}, "BSTATE", "b")
    put(client, "v", A, {"user": "ada"}, "BSTATE", "b")
    client("CP.WRITES", "PUT", "acme", "u", A, "task", 0, "ch", "v")
    client("CONFIG", "SET", "domain-events", "yes")
    put(client, "w", A, {"user": "ada"})
    client("HDEL", "entelix:cp:acme:u:byid", A)
    client("DEL", "entelix:cp:acme:w:byid", "entelix:cp:acme:w:bystep")
    client.advance(2000)
    assert search(client, {"user": "ada"}) == [("v", A)]
    look_after(client)
    assert sum(map(len, rows(client).values())) == 1
    assert client("KEYS", "entelix:cp:acme:[tuw]:*") == [b"entelix:cp:acme:u:bystep"]
    assert client("KEYS", "redkeep:events:*") == []
    assert client("HLEN", "entelix:cp:acme:v:states") == 1


def test_foreign_rows_neither_hide_nor_repeat_checkpoints(client: Recorded) -> None:
    for thread in ("a", "b", "c"):
        put(client, thread, A, {"n": 1})
    key = "redkeep:cp-meta:acme:n"
    stale = b"%b\0b::%b" % (encode(2), A.encode())
    client("ZADD", key, 0, stale, 0, "junk", 0, b"n\0", 5, "scored", "-inf", b"\xff\0x:y:z", 0, "")
    for wanted in ({"n": 1}, {"n": {"$gte": 0}}):
        assert set(search(client, wanted, 1)) <= {("a", A), ("b", A), ("c", A)}
    look_after(client)
    assert search(client, {"n": {"$gte": 0}}, 1) == [("a", A), ("b", A), ("c", A)]
    assert len(rows(client)[key.encode()]) == 3


def test_an_index_of_another_type_does_not_stop_writing(client: Recorded) -> None:
    client("SET", "redkeep:cp-meta:acme:n", "no sorted set")
    put(client, "t", A, {"n": 1, "m": 2})
    assert search(client, {"m": 2}) == [("t", A)]
    assert client("CP.SEARCH", "acme", "FILTER", '{"n":1}').code == "WRONGTYPE"
    client("DEL", "redkeep:cp-meta:acme:n")
    look_after(client)
    assert search(client, {"n": 1}) == [("t", A)]


def test_meta_has_at_most_64_members(client: Recorded) -> None:
    meta = {f"m{number}": number for number in range(65)}
    words = ("CP.PUT", "acme", "t", "STEP", 0, "STATE", 1, "META", json.dumps(meta))
    assert client(*words).text == "BADRECORD META has more than 64 members"


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.text("ab\0\x01", max_size=60),
)


@given(values, values)
@example(1, 1.0)
@example(0.0, -0.0)
@example("a", "a\0b")
@example("a\x01", "a")
def test_encoded_values_have_the_order_of_the_values(one: Any, other: Any) -> None:
    low, high = encode(one), encode(other)
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (one, other))
    if numbers or (isinstance(one, str) and isinstance(other, str)):
        if one < other:
            assert low + b"\0" <= high + b"\0"
        elif one == other:
            assert low == high


metas = st.dictionaries(
    st.sampled_from(["a", "b", "a.b", ""]),
    st.one_of(values, st.lists(values, max_size=2), st.dictionaries(st.just("b"), values)),
    max_size=3,
)
conditions = st.one_of(
    values,
    st.dictionaries(
        st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), values, max_size=2
    ),
    st.builds(lambda v: {"$in": v}, st.lists(values, max_size=3)),
    st.builds(lambda v: {"$nin": v}, st.lists(values, max_size=3)),
    st.builds(lambda v: {"$exists": v}, st.booleans()),
    st.dictionaries(st.just("b"), values, max_size=1),
)
filters = st.dictionaries(st.sampled_from(["a", "b", "a.b", "a.0", ""]), conditions, max_size=2)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(metas, max_size=6), filters, st.integers(1, 3))
def test_a_search_finds_what_a_history_finds(
    metas: list[dict[str, Any]], wanted: dict[str, Any], size: int
) -> None:
    load()
    client = Recorded(NOW)
    for number, meta in enumerate(metas):
        put(client, f"t{number % 2}", f"01890a5d-ac96-774b-bcce-{number:012x}", meta)
    expected = []
    for thread in ("t0", "t1"):
        for envelope in client("CP.HISTORY", "acme", thread, "FILTER", json.dumps(wanted)):
            expected.append((thread, body(envelope)["id"]))
    assert search(client, wanted, size) == sorted(expected)
