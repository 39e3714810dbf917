"""Commands that pop from the first non-empty of several sorted sets, some of them blocking."""

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


def _first_nonempty(ctx: Context, keys: list[bytes]) -> tuple[bytes, SortedSet] | None:
    for key in keys:
        value = ctx.db.fetch_as(key, SortedSet)
        if value is not None:
            return key, value
    return None


def _log_pop(ctx: Context, key: bytes, count: int, from_top: bool) -> None:
    name = b"ZPOPMAX" if from_top else b"ZPOPMIN"
    ctx.log_as([name, key, b"%d" % count] if count > 1 else [name, key])


def _pop_or_block(ctx: Context, argv: list[bytes], from_top: bool) -> Outcome:
    deadline = parse_timeout(argv[-1], ctx.now)
    keys = argv[1:-1]
    found = _first_nonempty(ctx, keys)
    if found is None:
        return BlockOn(keys, deadline, SortedSet)
    key, value = found
    [(member, score)] = pop(ctx, key, value, 1, from_top)
    _log_pop(ctx, key, 1, from_top)
    return [key, member, score]


_BLOCKING_ARGUMENTS = [Key("key", "RW access delete", multiple=True), Double("timeout")]
_BLOCKING_HISTORY = [("6.0.0", "Accepts fractions of a second as `timeout`.")]


@command(
    "BZPOPMIN",
    group="sorted_set",
    since="5.0.0",
    flags="write blocking fast",
    complexity="O(log(N)) for N members.",
    summary="Pops the member with the lowest score, blocking until one is available.",
    arguments=_BLOCKING_ARGUMENTS,
    history=_BLOCKING_HISTORY,
)
def bzpopmin(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop_or_block(ctx, argv, from_top=False)


@command(
    "BZPOPMAX",
    group="sorted_set",
    since="5.0.0",
    flags="write blocking fast",
    complexity="O(log(N)) for N members.",
    summary="Pops the member with the highest score, blocking until one is available.",
    arguments=_BLOCKING_ARGUMENTS,
    history=_BLOCKING_HISTORY,
)
def bzpopmax(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop_or_block(ctx, argv, from_top=True)


@dataclass(slots=True)
class MultiPop:
    """The arguments of ZMPOP from numkeys on."""

    keys: list[bytes]
    from_top: bool
    count: int = 1


def _parse_multi_pop(argv: list[bytes], at: int) -> MultiPop:
    number = _at_least_one(argv[at], "ERR numkeys should be greater than 0")
    arguments = Arguments(argv, at + 1)
    keys = arguments.words(number)
    where = arguments.option()
    if where not in (b"MIN", b"MAX"):
        raise CommandError(SYNTAX)
    request = MultiPop(keys, where == b"MAX")
    if arguments.flag(b"COUNT"):
        request.count = _at_least_one(arguments.word(), "ERR count should be greater than 0")
    arguments.finish()
    return request


def _at_least_one(text: bytes, message: str) -> int:
    number = read_integer(text)
    if number is None or number < 1:
        raise CommandError(message)
    return number


def _pop_several(ctx: Context, request: MultiPop) -> Reply:
    found = _first_nonempty(ctx, request.keys)
    if found is None:
        return None
    key, value = found
    pairs = pop(ctx, key, value, request.count, request.from_top)
    _log_pop(ctx, key, len(pairs), request.from_top)
    return [key, [list(pair) for pair in pairs]]


_MULTI_ARGUMENTS = [
    Integer("numkeys"),
    Key("key", "RW access delete", multiple=True),
    OneOf("where", Token("MIN"), Token("MAX")),
    Integer("count", "COUNT", optional=True),
]
_MULTI_COMPLEXITY = "O(K)+O(M*log(N)) for K keys and M of N members popped."


@command(
    "ZMPOP",
    group="sorted_set",
    since="7.0.0",
    flags="write",
    complexity=_MULTI_COMPLEXITY,
    summary="Pops members from the first non-empty of several sorted sets.",
    arguments=_MULTI_ARGUMENTS,
)
def zmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    reply = _pop_several(ctx, _parse_multi_pop(argv, 1))
    return NULL_ARRAY if reply is None else reply


@command(
    "BZMPOP",
    group="sorted_set",
    since="7.0.0",
    flags="write blocking",
    complexity=_MULTI_COMPLEXITY,
    summary="Pops members from the first non-empty sorted set, blocking if all are empty.",
    arguments=[Double("timeout"), *_MULTI_ARGUMENTS],
)
def bzmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    request = _parse_multi_pop(argv, 2)
    deadline = parse_timeout(argv[1], ctx.now)
    reply = _pop_several(ctx, request)
    return BlockOn(request.keys, deadline, SortedSet) if reply is None else reply
