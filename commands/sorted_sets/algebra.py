"""ZUNION, ZINTER, ZDIFF and their variants. Members of plain sets have the score 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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
Operand = SortedSet | Set
Combine = Callable[[float, float], float]


def _sum(one: float, other: float) -> float:
    # inf + -inf is NaN; Redis uses zero instead.
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

    values: list[Operand | None]
    weights: list[float]
    combine: Combine = _sum
    with_scores: bool = False
    limit: int = 0

    def weighted(self) -> list[tuple[Operand, float]]:
        """Return values and weights, smallest value first: the order in which Redis adds."""
        pairs = [
            (SortedSet() if v is None else v, w)
            for v, w in zip(self.values, self.weights, strict=True)
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
    """Parse numkeys at `at`, the keys and the options allowed, and read the values."""
    count = parse_integer(argv[at])
    if count < 1:
        name = argv[0].decode("latin-1").lower()
        raise CommandError(f"ERR at least 1 input key is needed for '{name}' command")
    arguments = Arguments(argv, at + 1)
    keys = arguments.words(count)
    found = [ctx.db.read(key) for key in keys]
    values = [v for v in found if v is None or isinstance(v, (SortedSet, Set))]
    # Redis looks up the keys before it parses the options, so WRONGTYPE comes first.
    if len(values) < count:
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


def _scores(value: Operand) -> Scores:
    """Return the members of the value with their scores."""
    return dict.fromkeys(value, 1.0) if isinstance(value, Set) else value


def _union(operands: Operands) -> Scores:
    combine = operands.combine
    result: Scores = {}
    for value, weight in operands.weighted():
        for member, score in _scores(value).items():
            weighed = _weigh(score, weight)
            before = result.get(member)
            result[member] = weighed if before is None else combine(before, weighed)
    return result


def _score_in(value: Operand, member: bytes) -> float | None:
    if isinstance(value, Set):
        return 1.0 if member in value else None
    return value.get(member)


def _intersection(operands: Operands) -> Scores:
    (smallest, first_weight), *others = operands.weighted()
    result: Scores = {}
    for member, score in _scores(smallest).items():
        combined = _weigh(score, first_weight)
        for value, weight in others:
            found = _score_in(value, member)
            if found is None:
                break
            # As in Redis, an infinity times zero stays NaN here: it makes a sum zero, and is
            # neither the lower nor the higher of two scores.
            combined = operands.combine(combined, found * weight)
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


def _members_reply(scores: Scores, with_scores: bool) -> Reply:
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
_UNION_COMPLEXITY = "O(N)+O(M*log(M)) for N members in all inputs and M in the result."
_INTER_COMPLEXITY = (
    "O(N*K)+O(M*log(M)) in the worst case, for K inputs, N members in the smallest of them "
    "and M in the result."
)
_DIFF_COMPLEXITY = (
    "O(L+(N-K)log(N)) in the worst case, for L members in all inputs, N in the first and K in "
    "the result."
)


@command(
    "ZUNION",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_UNION_COMPLEXITY,
    summary="Computes the union of sorted sets and returns it.",
    arguments=[*_KEYS, *_WEIGHING, _SCORES],
)
def zunion(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, weighing=True, showing=True)
    return _members_reply(_union(operands), operands.with_scores)


@command(
    "ZINTER",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_INTER_COMPLEXITY,
    summary="Computes the intersection of sorted sets and returns it.",
    arguments=[*_KEYS, *_WEIGHING, _SCORES],
)
def zinter(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, weighing=True, showing=True)
    return _members_reply(_intersection(operands), operands.with_scores)


@command(
    "ZDIFF",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity=_DIFF_COMPLEXITY,
    summary="Computes the difference of a sorted set and others and returns it.",
    arguments=[*_KEYS, _SCORES],
)
def zdiff(ctx: Context, argv: list[bytes]) -> Reply:
    operands = _operands(ctx, argv, 1, showing=True)
    return _members_reply(_difference(operands), operands.with_scores)


@command(
    "ZUNIONSTORE",
    group="sorted_set",
    since="2.0.0",
    flags="write denyoom",
    complexity=_UNION_COMPLEXITY,
    summary="Computes the union of sorted sets and stores it.",
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
    summary="Computes the intersection of sorted sets and stores it.",
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
    summary="Computes the difference of a sorted set and others and stores it.",
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
    complexity="O(N*K) in the worst case, for K inputs and N members in the smallest of them.",
    summary="Counts the members that are in all of the sorted sets.",
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
