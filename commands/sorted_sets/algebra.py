"""Sorted sets: unions, intersections and differences. Plain sets count as scored 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, OneOf, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Pairs, Reply
from commands.instance.context import Context
from commands.sorted_sets.ranges import store_result
from storage.errors import WrongType
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet

Scores = dict[bytes, float]
Combine = Callable[[float, float], float]


def _sum(one: float, other: float) -> float:
    # inf + -inf is not a number; Redis calls it zero.
    total = one + other
    return 0.0 if math.isnan(total) else total


_COMBINE: dict[bytes, Combine] = {
    b"SUM": _sum,
    b"MIN": lambda one, other: other if other < one else one,
    b"MAX": lambda one, other: other if other > one else one,
}


@dataclass(slots=True)
class Operands:
    """The inputs of an operation: the value of each key (None if missing), and options."""

    values: list[Any]
    weights: list[float]
    combine: Combine = _sum
    with_scores: bool = False
    limit: int = 0

    def weighted(self) -> list[tuple[Mapping[bytes, float] | Set, float]]:
        """Values and weights, smallest value first: the order in which Redis adds up."""
        pairs = [
            ({} if v is None else v, w) for v, w in zip(self.values, self.weights, strict=True)
        ]
        return sorted(pairs, key=lambda pair: len(pair[0]))


def _operands(
    ctx: Context,
    argv: list[bytes],
    at: int,
    *,
    weighing: bool = False,
    showing: bool = False,
    counting: bool = False,
) -> Operands:
    """Read numkeys at `at`, the keys with their values, and the options allowed."""
    count = parse_integer(argv[at])
    if count < 1:
        name = argv[0].decode("latin-1").lower()
        raise CommandError(f"ERR at least 1 input key is needed for '{name}' command")
    arguments = Arguments(argv, at + 1)
    keys = arguments.words(count)
    values = [ctx.db.read(key) for key in keys]
    # Redis looks the keys up before it reads on, so this error goes before those.
    if any(v is not None and v.__class__ not in (SortedSet, Set) for v in values):
        raise WrongType
    operands = Operands(values, [1.0] * count)
    while arguments:
        option = arguments.option()
        if option == b"WEIGHTS" and weighing and len(arguments) >= count:
            operands.weights = [
                arguments.float("ERR weight value is not a float") for _ in range(count)
            ]
        elif option == b"AGGREGATE" and weighing and arguments:
            combine = _COMBINE.get(arguments.option())
            if combine is None:
                raise CommandError(SYNTAX)
            operands.combine = combine
        elif option == b"WITHSCORES" and showing:
            operands.with_scores = True
        elif option == b"LIMIT" and counting and arguments:
            operands.limit = arguments.positive("ERR LIMIT can't be negative")
        else:
            raise CommandError(SYNTAX)
    return operands


def _weigh(score: float, weight: float) -> float:
    product = score * weight
    return 0.0 if math.isnan(product) else product


def _scores(value: Any) -> Mapping[bytes, float]:
    """The value as members with scores."""
    return value if value.__class__ is not Set else dict.fromkeys(value, 1.0)


def _union(operands: Operands) -> Scores:
    combine = operands.combine
    result: Scores = {}
    for value, weight in operands.weighted():
        for member, score in _scores(value).items():
            weighed = _weigh(score, weight)
            before = result.get(member)
            result[member] = weighed if before is None else combine(before, weighed)
    return result


def _score_in(value: Any, member: bytes) -> float | None:
    if value.__class__ is Set:
        return 1.0 if member in value else None
    score: float | None = value.get(member)
    return score


def _intersection(operands: Operands) -> Scores:
    (smallest, first_weight), *others = operands.weighted()
    result: Scores = {}
    for member, score in _scores(smallest).items():
        combined = _weigh(score, first_weight)
        for value, weight in others:
            found = _score_in(value, member)
            if found is None:
                break
            combined = operands.combine(combined, _weigh(found, weight))
        else:
            result[member] = combined
    return result


def _difference(operands: Operands) -> Scores:
    first, *others = operands.values
    if first is None:
        return {}
    present = [value for value in others if value is not None]
    return {
        member: score
        for member, score in _scores(first).items()
        if not any(member in value for value in present)
    }


def _answer(scores: Scores, with_scores: bool) -> Reply:
    ordered = sorted((score, member) for member, score in scores.items())
    if with_scores:
        return Pairs([(member, score) for score, member in ordered])
    return [member for _, member in ordered]


_KEYS = [Integer("numkeys"), Key("key", "RO access", multiple=True)]
_WEIGHING = [
    Integer("weight", "WEIGHTS", optional=True, multiple=True),
    OneOf(
        "aggregate",
        Token("SUM"),
        Token("MIN"),
        Token("MAX"),
        token="AGGREGATE",
        optional=True,
    ),
]
_SCORES = Token("WITHSCORES", optional=True)
_DESTINATION = Key("destination", "OW update")
_STORE_KEYS = [KeySpec("OW update"), KeySpec("RO access", index=2, numkeys=True)]
_UNION_COMPLEXITY = "O(N)+O(M*log(M)), N being the size of all inputs, M that of the result."
_INTER_COMPLEXITY = (
    "O(N*K)+O(M*log(M)) at worst, N being the size of the smallest of K inputs, M that of "
    "the result."
)
_DIFF_COMPLEXITY = (
    "O(L+(N-K)log(N)) at worst, L being the size of all inputs, N that of the first, K that "
    "of the result."
)


@command(
    "ZUNION",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_UNION_COMPLEXITY,
    summary="Answers the members that are in any of several sorted sets.",
    arguments=[*_KEYS, *_WEIGHING, _SCORES],
)
def zunion(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, weighing=True, showing=True)
    return _answer(_union(operands), operands.with_scores)


@command(
    "ZINTER",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_INTER_COMPLEXITY,
    summary="Answers the members that are in all of several sorted sets.",
    arguments=[*_KEYS, *_WEIGHING, _SCORES],
)
def zinter(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, weighing=True, showing=True)
    return _answer(_intersection(operands), operands.with_scores)


@command(
    "ZDIFF",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_DIFF_COMPLEXITY,
    summary="Answers the members of a sorted set that are in none of the others.",
    arguments=[*_KEYS, _SCORES],
)
def zdiff(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, showing=True)
    return _answer(_difference(operands), operands.with_scores)


@command(
    "ZUNIONSTORE",
    group="sorted_set",
    since="2.0.0",
    flags="write denyoom",
    complexity=_UNION_COMPLEXITY,
    summary="Stores the union of several sorted sets under a key.",
    arguments=[_DESTINATION, *_KEYS, *_WEIGHING],
    keys=_STORE_KEYS,
)
def zunionstore(ctx: Context, argv: list[bytes]) -> Reply:
    scores = _union(_operands(ctx, argv, 2, weighing=True))
    return store_result(ctx, argv[1], list(scores.items()), "zunionstore")


@command(
    "ZINTERSTORE",
    group="sorted_set",
    since="2.0.0",
    flags="write denyoom",
    complexity=_INTER_COMPLEXITY,
    summary="Stores the intersection of several sorted sets under a key.",
    arguments=[_DESTINATION, *_KEYS, *_WEIGHING],
    keys=_STORE_KEYS,
)
def zinterstore(ctx: Context, argv: list[bytes]) -> Reply:
    scores = _intersection(_operands(ctx, argv, 2, weighing=True))
    return store_result(ctx, argv[1], list(scores.items()), "zinterstore")


@command(
    "ZDIFFSTORE",
    group="sorted_set",
    since="6.2.0",
    flags="write denyoom",
    complexity=_DIFF_COMPLEXITY,
    summary="Stores the difference of several sorted sets under a key.",
    arguments=[_DESTINATION, *_KEYS],
    keys=_STORE_KEYS,
)
def zdiffstore(ctx: Context, argv: list[bytes]) -> Reply:
    scores = _difference(_operands(ctx, argv, 2))
    return store_result(ctx, argv[1], list(scores.items()), "zdiffstore")


@command(
    "ZINTERCARD",
    group="sorted_set",
    since="7.0.0",
    flags="readonly",
    complexity="O(N*K) at worst, N being the size of the smallest of K inputs.",
    summary="Counts the members that are in all of several sorted sets.",
    arguments=[*_KEYS, Integer("limit", "LIMIT", optional=True)],
)
def zintercard(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, counting=True)
    (smallest, _), *others = operands.weighted()
    found = 0
    for member in smallest:
        if all(member in value for value, _ in others):
            found += 1
            if found == operands.limit:
                break
    return found
