"""Filters over JSON values, written in JSON.

`{"source": "loop", "score": {"$gte": 0.5}, "user.name": {"$in": ["ada", "bob"]}}` matches
objects for which all three members hold. A name with dots is a path through the members of
objects and, by index, through arrays. The value is either a JSON value that must be equal, or
an object of operators, all of which must hold: `$eq $ne $gt $gte $lt $lte $in $nin $exists`.

A missing member equals nothing, not even null, and so matches only `$ne`, `$nin` and
`{"$exists": false}`. Numbers are compared with numbers and strings with strings; `$gt` and its
like never hold between other values. `true` does not equal 1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from commands.domain.errors import failure
from commands.domain.records import checked_json

Predicate = Callable[[Any], bool]

_MISSING = object()
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def parse_filter(text: bytes) -> Predicate:
    """Make a predicate of JSON values from a filter; an error if the filter is invalid."""
    given = checked_json(text, "FILTER")
    if not isinstance(given, dict):
        raise failure("ERR", "FILTER is not a JSON object")
    conditions = [
        (path.split("."), test) for path, wanted in given.items() for test in _tests(path, wanted)
    ]
    return lambda value: all(test(_follow(value, path)) for path, test in conditions)


def _tests(path: str, wanted: Any) -> list[Predicate]:
    if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
        return [_operator(path, name, operand) for name, operand in wanted.items()]
    return [lambda value: equal(value, wanted)]


def _operator(path: str, name: str, operand: Any) -> Predicate:
    if name in _ORDERS:
        return _ordered(_ORDERS[name], operand)
    if name == "$eq":
        return lambda value: equal(value, operand)
    if name == "$ne":
        return lambda value: not equal(value, operand)
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise failure("ERR", "FILTER: {} takes an array", name.encode())
        among, contains = name == "$in", _membership(operand)
        return lambda value: contains(value) is among
    if name == "$exists":
        if not isinstance(operand, bool):
            raise failure("ERR", "FILTER: $exists takes true or false")
        return lambda value: (value is not _MISSING) is operand
    raise failure("ERR", "FILTER: unknown operator '{}' for '{}'", name.encode(), path.encode())


def _membership(values: list[Any]) -> Predicate:
    """Return a test whether a JSON value equals one of these, in one step if it is a scalar."""
    scalars: dict[str, set[Any]] = {}
    others = []
    for value in values:
        kind = _kind(value)
        if kind in ("object", "array"):
            others.append(value)
        else:
            scalars.setdefault(kind, set()).add(value)

    def contains(value: Any) -> bool:
        kind = _kind(value)
        if kind in ("object", "array"):
            return any(equal(value, one) for one in others)
        return kind in scalars and value in scalars[kind]

    return contains


def _ordered(order: Callable[[Any, Any], bool], operand: Any) -> Predicate:
    kind = _kind(operand)
    if kind not in ("number", "string"):
        return lambda value: False
    return lambda value: _kind(value) == kind and order(value, operand)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    # A loop, because JSON may nest deeper than Python calls can.
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        kind = _kind(one)
        if kind != _kind(other):
            return False
        if kind == "object":
            if one.keys() != other.keys():
                return False
            pairs += [(one[name], other[name]) for name in one]
        elif kind == "array":
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif one != other:
            return False
    return True


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "null" if value is None else "missing"


def _follow(value: Any, path: list[str]) -> Any:
    """The value at the end of a path, or `_MISSING`."""
    for name in path:
        if isinstance(value, dict):
            value = value.get(name, _MISSING)
        elif isinstance(value, list) and name.isdecimal() and name.isascii():
            # int() refuses numbers of very many digits; no index has more than twenty.
            at = int(name[:20])
            value = value[at] if at < len(value) else _MISSING
        else:
            return _MISSING
    return value
