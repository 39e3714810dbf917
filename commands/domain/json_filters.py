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
from dataclasses import dataclass
from typing import Any

from commands.domain.errors import failure
from commands.domain.records import checked_json

Predicate = Callable[[Any], bool]

MISSING = object()
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of the value at a path. A value that must be equal has the operator `$eq`."""

    path: str
    operator: str
    operand: Any


class Filter:
    """A predicate of JSON values, with the conditions that it is made of."""

    __slots__ = ("_tests", "conditions")

    def __init__(self, conditions: list[Condition]) -> None:
        self.conditions = conditions
        self._tests = [(split_path(one.path), _test(one)) for one in conditions]

    def __call__(self, value: Any) -> bool:
        return all(test(follow(value, path)) for path, test in self._tests)


def parse_filter(text: bytes) -> Filter:
    """Make a predicate of JSON values from a filter; an error if the filter is invalid."""
    given = checked_json(text, "FILTER")
    if not isinstance(given, dict):
        raise failure("ERR", "FILTER is not a JSON object")
    conditions: list[Condition] = []
    for path, wanted in given.items():
        if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
            conditions += [Condition(path, name, operand) for name, operand in wanted.items()]
        else:
            conditions.append(Condition(path, "$eq", wanted))
    return Filter(conditions)


def split_path(path: str) -> list[str]:
    return path.split(".")


def _test(condition: Condition) -> Predicate:
    path, name, operand = condition.path, condition.operator, condition.operand
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
        return lambda value: (value is not MISSING) is operand
    raise failure("ERR", "FILTER: unknown operator '{}' for '{}'", name.encode(), path.encode())


def _membership(values: list[Any]) -> Predicate:
    """Return a test whether a JSON value equals one of these, in one step if it is a scalar."""
    scalars: dict[str, set[Any]] = {}
    others = []
    for value in values:
        kind = kind_of(value)
        if kind in ("object", "array"):
            others.append(value)
        else:
            scalars.setdefault(kind, set()).add(value)

    def contains(value: Any) -> bool:
        kind = kind_of(value)
        if kind in ("object", "array"):
            return any(equal(value, one) for one in others)
        return kind in scalars and value in scalars[kind]

    return contains


def _ordered(order: Callable[[Any, Any], bool], operand: Any) -> Predicate:
    kind = kind_of(operand)
    if kind not in ("number", "string"):
        return lambda value: False
    return lambda value: kind_of(value) == kind and order(value, operand)


def equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    # A loop, because JSON may nest deeper than Python calls can.
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        kind = kind_of(one)
        if kind != kind_of(other):
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


def kind_of(value: Any) -> str:
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


def follow(value: Any, path: list[str]) -> Any:
    """The value at the end of a path, or `MISSING`."""
    for name in path:
        if isinstance(value, dict):
            value = value.get(name, MISSING)
        elif isinstance(value, list) and name.isdecimal() and name.isascii():
            # int() refuses numbers of very many digits; no index has more than twenty.
            at = int(name[:20])
            value = value[at] if at < len(value) else MISSING
        else:
            return MISSING
    return value
