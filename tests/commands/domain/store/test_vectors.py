"""STORE.NEAR: exactly the nearest entries, whatever else is stored."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.offline import Offline, Recorded
from tests.support.resp import Connection, Error

NOW = 1_700_000_000_000


@pytest.fixture
def session() -> Recorded:
    return Recorded(NOW)


def blob(numbers: Sequence[float]) -> bytes:
    return array("f", numbers).tobytes()


def near(session: Offline, vector: Sequence[float], *options: Any, prefix: str = "acme") -> Any:
    rows = session("STORE.NEAR", prefix, "VECTOR", blob(vector), *options)
    return rows if isinstance(rows, Error) else [(row[3].decode(), float(row[7])) for row in rows]


def put(session: Offline, key: str, vector: Sequence[float], value: Any = None) -> None:
    session("STORE.PUT", "acme:a", key, json.dumps(value), "VECTOR", blob(vector))


@pytest.fixture
def compass(session: Recorded) -> Recorded:
    put(session, "north", (0, 1), {"lang": "en"})
    put(session, "east", (1, 0), {"lang": "en"})
    put(session, "south", (0, -2), {"lang": "de"})
    put(session, "zero", (0, 0), {"lang": "de"})
    session("STORE.PUT", "acme:a", "without", "{}")
    session("STORE.PUT", "acme:b", "far", "{}", "VECTOR", blob((5, 5)))
    session("STORE.PUT", "acme:a", "longer", "{}", "VECTOR", blob((1, 1, 1)))
    return session


def test_each_metric(compass: Recorded) -> None:
    assert near(compass, (0, 3), prefix="acme:a") == [
        ("north", 1.0), ("east", 0.0), ("zero", 0.0), ("south", -1.0)
    ]  # fmt: skip
    assert near(compass, (0, 3), "METRIC", "dot") == [
        ("far", 15.0), ("north", 3.0), ("east", 0.0), ("zero", 0.0), ("south", -6.0)
    ]  # fmt: skip
    assert near(compass, (0, 1), "METRIC", "L2", "K", 3) == [
        ("north", 0.0), ("zero", 1.0), ("east", math.sqrt(2))
    ]  # fmt: skip


def test_the_filter_is_applied_first(compass: Recorded) -> None:
    wanted = ("FILTER", '{"lang":"de"}', "K", 1)
    assert near(compass, (0, 3), *wanted) == [("zero", 0.0)]
    compass("STORE.INDEX", "acme", "FIELDS", 1, "lang")
    compass.sweep()
    assert near(compass, (0, 3), *wanted) == [("zero", 0.0)]


def test_a_vector_goes_with_its_entry(compass: Recorded) -> None:
    compass("STORE.PUT", "acme:a", "north", "{}")
    compass("STORE.MPUT", "acme:a", "zero", "{}")
    compass("STORE.DEL", "acme:a", "east")
    compass("STORE.CLEAR", "acme:b")
    compass("STORE.EXPIRE", "acme:a", "longer", 5)
    compass.advance(6)
    compass("STORE.EVICT")
    assert near(compass, (0, 1)) == [("south", -1.0)]
    vectors = compass("KEYS", "redkeep:store:vector:*")
    assert vectors == [b"redkeep:store:vector:acme:acme:a:south"]
    assert compass("GET", vectors[0]) == blob((0, -2))


def test_a_vector_without_its_entry_is_not_found(compass: Recorded) -> None:
    compass("DEL", "entelix:store:acme:acme:a:north")
    compass("SET", "redkeep:store:vector:acme:acme:a:none", blob((0, 1)))
    compass("SET", "redkeep:store:vector:acme:acme:a\\x:bad", blob((0, 1)))
    compass("SET", "redkeep:store:vector:globex:acme:a:foreign", blob((0, 1)))
    assert near(compass, (0, 1), "K", 1, prefix="acme:a") == [("east", 0.0)]


def test_a_plain_set_keeps_the_vector(compass: Recorded) -> None:
    compass("SET", "entelix:store:acme:acme:a:north", "another value")
    assert near(compass, (0, 1), "K", 1) == [("north", 1.0)]


@pytest.mark.parametrize("vector", [(math.nan, 1), (math.inf, 1), (-math.inf, math.inf)])
@pytest.mark.parametrize("metric", ["COSINE", "DOT", "L2"])
def test_stored_bytes_that_are_no_numbers_are_skipped(
    compass: Recorded, vector: Sequence[float], metric: str
) -> None:
    compass("SET", "redkeep:store:vector:acme:acme:a:north", blob(vector))
    compass("SET", "redkeep:store:vector:acme:acme:a:east", "x")
    compass("DEL", "redkeep:store:vector:acme:acme:a:zero")
    compass("RPUSH", "redkeep:store:vector:acme:acme:a:zero", "x")
    found = near(compass, (0, 1), "METRIC", metric, prefix="acme:a")
    assert [key for key, _ in found] == ["south"]


@pytest.mark.parametrize("vector", [(math.nan,), (math.inf, 1.0), (1.0, -math.inf)])
def test_a_vector_of_a_request_must_be_finite(session: Recorded, vector: Sequence[float]) -> None:
    refused = Error("ERR VECTOR contains a number that is infinite or NaN")
    assert session("STORE.PUT", "acme:a", "k", "v", "VECTOR", blob(vector)) == refused
    assert session("STORE.NEAR", "acme:a", "VECTOR", blob(vector)) == refused
    assert session("DBSIZE") == 0


def test_a_vector_has_a_largest_size(session: Recorded) -> None:
    put(session, "largest", [1.0] * 4096)
    assert near(session, [1.0] * 4096) == [("largest", pytest.approx(1.0))]
    reply = session("STORE.PUT", "acme:a", "k", "v", "VECTOR", blob([1.0] * 4097))
    assert isinstance(reply, Error) and "1 to 4096" in reply.text


def test_the_numbers_compared_in_one_request_are_limited(session: Recorded) -> None:
    # Reading a vector counts as 64 numbers.
    session("CONFIG", "SET", "store-near-numbers", 66 * 100)
    for key in range(100):
        put(session, f"k{key:03}", (key, 1), {"even": key % 2 == 0})
    assert len(near(session, (1, 0), "K", 1000)) == 100
    put(session, "one more", (5, 5), {"even": False})
    reply = near(session, (1, 0))
    assert isinstance(reply, Error)
    assert "more than 100 vectors of 2 numbers below 'acme'" in reply.text
    assert len(near(session, (1, 0), "FILTER", '{"even":true}', "K", 1000)) == 50
    found = []
    cursor, parts = b"0", 0
    while cursor != b"0" or not parts:
        request = ("STORE.NEAR", "acme", "VECTOR", blob((1, 0)), "K", 2, "METRIC", "DOT")
        cursor, rows = session(*request, "CURSOR", cursor)
        found += [(float(row[7]), row[3]) for row in rows]
        parts += 1
    assert parts == 2
    assert sorted(found)[-2:] == [(98.0, b"k098"), (99.0, b"k099")]


def test_scores_are_doubles(client: Connection, client3: Connection) -> None:
    client("STORE.PUT", "acme:a", "k", "v", "VECTOR", blob((1, 2)))
    request = ("STORE.NEAR", "acme", "VECTOR", blob((1, 0)), "METRIC", "L2")
    assert client(*request) == [
        [b"namespace", b"acme:a", b"key", b"k", b"value", b"v", b"score", b"2"]
    ]
    ((*_, (name, score)),) = (row.items for row in client3(*request))
    assert (name, score) == (b"score", 2.0)


numbers = st.floats(-1e3, 1e3, width=32)
vectors = st.lists(numbers, min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(vectors, st.integers(0, 2)), max_size=30),
    vectors,
    st.integers(1, 12),
    st.sampled_from(["COSINE", "DOT", "L2"]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([170_000, 67 * 4]),
)
def test_the_answer_is_exact(
    stored: list[tuple[list[float], int]],
    wanted: list[float],
    number: int,
    metric: str,
    kind: int | None,
    allowed: int,
) -> None:
    session = Recorded(NOW)
    session("CONFIG", "SET", "store-near-numbers", allowed)
    expected = []
    for key, (vector, its_kind) in enumerate(stored):
        put(session, f"{key:03}", vector, {"kind": its_kind})
        if kind in (None, its_kind):
            dot = sum(a * b for a, b in zip(wanted, vector, strict=True))
            lengths = math.dist(wanted, (0, 0, 0)) * math.dist(vector, (0, 0, 0))
            expected.append(
                {
                    "COSINE": -dot / lengths if lengths else 0.0,
                    "DOT": -dot,
                    "L2": math.dist(wanted, vector),
                }[metric]
            )
    options = [] if kind is None else ["FILTER", json.dumps({"kind": kind})]
    found: list[float] = []
    cursor, begun = b"0", False
    while cursor != b"0" or not begun:
        begun = True
        request: list[Any] = ["STORE.NEAR", "acme", "VECTOR", blob(wanted)]
        request += ["K", number, "METRIC", metric]
        cursor, rows = session(*request, *options, "CURSOR", cursor)
        sign = 1 if metric == "L2" else -1
        part = [sign * float(row[7]) for row in rows]
        assert part == sorted(part)
        found += part
    found = sorted(found)[:number]
    assert found == pytest.approx(sorted(expected)[:number], rel=1e-6, abs=1e-6)
