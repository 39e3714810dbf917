"""Sorted sets: popping from the first of several keys, and waiting for one to fill."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments, parse_timeout
from commands.engine.effects import BlockOn, Outcome
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Double, Integer, Key, OneOf, Token
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Reply
from commands.instance.context import Context
from commands.sorted_sets.sorted_sets import pop
from storage.values.sorted_sets import SortedSet


def _first_filled(ctx: Context, keys: list[bytes]) -> tuple[bytes, SortedSet] | None:
    for key in keys:
        value = ctx.db.fetch_as(key, SortedSet)
        if value is not None:
            return key, value
    return None


def _log_pop(ctx: Context, key: bytes, count: int, from_top: bool) -> None:
    name = b"ZPOPMAX" if from_top else b"ZPOPMIN"
    ctx.log_as([name, key, b"%d" % count] if count > 1 else [name, key])


def _pop_or_wait(ctx: Context, argv: list[bytes], from_top: bool) -> Outcome:
    deadline = parse_timeout(argv[-1], ctx.now)
    keys = argv[1:-1]
    found = _first_filled(ctx, keys)
    if found is None:
        return BlockOn(keys, deadline, SortedSet)
    key, value = found
    [(member, score)] = pop(ctx, key, value, 1, from_top)
    _log_pop(ctx, key, 1, from_top)
    return [key, member, score]


_WAITING_ARGUMENTS = [Key("key", "RW access delete", multiple=True), Double("timeout")]
_WAITING_HISTORY = [("6.0.0", "Takes fractions of a second as `timeout`.")]


@command(
    "BZPOPMIN",
    group="sorted_set",
    since="5.0.0",
    flags="write blocking fast",
    complexity="O(log(N)), N being the number of members.",
    summary="Takes out the member with the lowest score, waiting until there is one.",
    arguments=_WAITING_ARGUMENTS,
    history=_WAITING_HISTORY,
)
def bzpopmin(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop_or_wait(ctx, argv, from_top=False)


@command(
    "BZPOPMAX",
    group="sorted_set",
    since="5.0.0",
    flags="write blocking fast",
    complexity="O(log(N)), N being the number of members.",
    summary="Takes out the member with the highest score, waiting until there is one.",
    arguments=_WAITING_ARGUMENTS,
    history=_WAITING_HISTORY,
)
def bzpopmax(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop_or_wait(ctx, argv, from_top=True)


@dataclass(slots=True)
class MultiPop:
    """The words of ZMPOP from numkeys on."""

    keys: list[bytes]
    from_top: bool
    count: int = 1


def _parse_multi(argv: list[bytes], at: int) -> MultiPop:
    number = _at_least_one(argv[at], "ERR numkeys should be greater than 0")
    arguments = Arguments(argv, at + 1)
    keys = arguments.words(number)
    where = arguments.option()
    if where not in (b"MIN", b"MAX"):
        raise CommandError(SYNTAX)
    parsed = MultiPop(keys, where == b"MAX")
    if arguments.flag(b"COUNT"):
        parsed.count = _at_least_one(arguments.word(), "ERR count should be greater than 0")
    arguments.finish()
    return parsed


def _at_least_one(text: bytes, message: str) -> int:
    number = read_integer(text)
    if number is None or number < 1:
        raise CommandError(message)
    return number


def _pop_several(ctx: Context, wanted: MultiPop) -> Reply:
    found = _first_filled(ctx, wanted.keys)
    if found is None:
        return None
    key, value = found
    pairs = pop(ctx, key, value, wanted.count, wanted.from_top)
    _log_pop(ctx, key, len(pairs), wanted.from_top)
    return [key, [list(pair) for pair in pairs]]


_MULTI_ARGUMENTS = [
    Integer("numkeys"),
    Key("key", "RW access delete", multiple=True),
    OneOf("where", Token("MIN"), Token("MAX")),
    Integer("count", "COUNT", optional=True),
]
_MULTI_COMPLEXITY = "O(K)+O(M*log(N)) for K keys and M members popped out of N."


@command(
    "ZMPOP",
    group="sorted_set",
    since="7.0.0",
    flags="write",
    complexity=_MULTI_COMPLEXITY,
    summary="Takes members off an end of the first sorted set that has any.",
    arguments=_MULTI_ARGUMENTS,
)
def zmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    reply = _pop_several(ctx, _parse_multi(argv, 1))
    return NULL_ARRAY if reply is None else reply


@command(
    "BZMPOP",
    group="sorted_set",
    since="7.0.0",
    flags="write blocking",
    complexity=_MULTI_COMPLEXITY,
    summary="Takes members off the first sorted set that has any, waiting until one does.",
    arguments=[Double("timeout"), *_MULTI_ARGUMENTS],
)
def bzmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    wanted = _parse_multi(argv, 2)
    deadline = parse_timeout(argv[1], ctx.now)
    reply = _pop_several(ctx, wanted)
    return BlockOn(wanted.keys, deadline, SortedSet) if reply is None else reply
