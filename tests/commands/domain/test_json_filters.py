"""Filters over JSON: what they match, and errors in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands.domain.json_filters import parse_filter
from commands.engine.errors import CommandError

VALUE = {
    "n": 2,
    "x": 1.5,
    "s": "loop",
    "t": True,
    "z": None,
    "l": ["a", {"b": 3}],
    "o": {"p": {"q": "deep"}},
}


@pytest.mark.parametrize(
    ("given", "matches"),
    [
        ({}, True),
        ({"n": 2}, True),
        ({"n": 2.0}, True),
        ({"n": "2"}, False),
        ({"t": True}, True),
        ({"t": 1}, False),
        ({"n": 2, "s": "else"}, False),
        ({"z": None}, True),
        ({"missing": None}, False),
        ({"o.p.q": "deep"}, True),
        ({"o.p": {"q": "deep"}}, True),
        ({"o.p.q.r": "deep"}, False),
        ({"l.1.b": 3}, True),
        ({"l.2": 3}, False),
        ({"l.x": 3}, False),
        ({"l." + "9" * 5000: 3}, False),
        ({"l": ["a", {"b": 3.0}]}, True),
        ({"l": ["a"]}, False),
        ({"n": {"$eq": 2}}, True),
        ({"n": {"$gt": 1, "$lte": 2}}, True),
        ({"n": {"$gt": 2}}, False),
        ({"n": {"$gte": 2, "$lt": 2}}, False),
        ({"n": {"$gt": "1"}}, False),
        ({"t": {"$gt": 0}}, False),
        ({"s": {"$lt": "m"}}, True),
        ({"l": {"$gt": []}}, False),
        ({"missing": {"$lt": 9}}, False),
        ({"n": {"$ne": 2}}, False),
        ({"n": {"$ne": "2"}}, True),
        ({"missing": {"$ne": 2}}, True),
        ({"s": {"$in": ["x", "loop"]}}, True),
        ({"s": {"$in": []}}, False),
        ({"missing": {"$in": [None]}}, False),
        ({"s": {"$nin": ["loop"]}}, False),
        ({"missing": {"$nin": ["loop"]}}, True),
        ({"z": {"$exists": True}}, True),
        ({"missing": {"$exists": False}}, True),
    ],
)
def test_filters(given: dict[str, Any], matches: bool) -> None:
    assert parse_filter(json.dumps(given).encode())(VALUE) is matches


@pytest.mark.parametrize("value", [None, 1, "text", [], True])
def test_values_that_are_not_objects_have_no_members(value: Any) -> None:
    assert parse_filter(b"{}")(value)
    assert not parse_filter(b'{"a":1}')(value)


def test_values_may_nest_deeper_than_calls() -> None:
    deep = b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}"
    assert parse_filter(deep)({"a": parse_deep(1000)})
    assert not parse_filter(deep)({"a": parse_deep(999)})


def parse_deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"{", b"BADRECORD FILTER is not valid JSON"),
        (b"1", b"ERR FILTER is not a JSON object"),
        (b'{"a":{"$like":1}}', b"ERR FILTER: unknown operator '$like' for 'a'"),
        (b'{"a":{"$gt":1,"b":2}}', b"ERR FILTER: unknown operator 'b' for 'a'"),
        (b'{"a":{"$in":1}}', b"ERR FILTER: $in takes an array"),
        (b'{"a":{"$exists":1}}', b"ERR FILTER: $exists takes true or false"),
    ],
)
def test_invalid_filters(text: bytes, error: bytes) -> None:
    with pytest.raises(CommandError) as raised:
        parse_filter(text)
    assert raised.value.text == error
