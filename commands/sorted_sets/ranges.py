"""Sorted sets: ranges of members by rank, score and name, to answer, store or remove.

The eight reading commands are one: the older ones are `ZRANGE` with its options fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Double, Integer, Key, OneOf, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Pairs, Reply
from commands.instance.context import Context
from commands.sorted_sets.bounds import member_bounds, score_bounds
from storage.values.sorted_sets import MemberCut, ScoreCut, SortedSet, Span

_LIMIT_WITHOUT_RANGE = (
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
)
_LEX_WITH_SCORES = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"


@dataclass(slots=True)
class Range:
    """What part of a sorted set is asked for, and how it is to be shown."""

    # "rank", "score" or "lex"; None while no option has said so.
    by: str | None = None
    reverse: bool | None = None
    offset: int = 0
    limit: int = -1
    with_scores: bool = False
    ranks: Span = (0, -1)
    scores: tuple[ScoreCut, ScoreCut] = (None, None)
    members: tuple[MemberCut, MemberCut] = (None, None)

    def select(self, value: SortedSet) -> list[tuple[float, bytes]]:
        """The (score, member) pairs asked for, in the order asked for."""
        start, stop = self._span(value)
        if self.reverse:
            pairs = value.pairs(start, stop)
            pairs.reverse()
            return pairs
        return value.pairs(start, stop)

    def _span(self, value: SortedSet) -> Span:
        reverse = bool(self.reverse)
        if self.by == "rank":
            start, stop = rank_span(*self.ranks, len(value))
            return (len(value) - stop, len(value) - start) if reverse else (start, stop)
        if self.by == "score":
            start, stop = value.span_by_score(*self.scores)
        else:
            start, stop = value.span_by_member(*self.members, from_end=reverse)
        if start >= stop or self.offset < 0:
            return (0, 0)
        # LIMIT counts from the end at which the walk begins.
        if reverse:
            stop = max(start, stop - self.offset)
            if 0 <= self.limit < stop - start:
                start = stop - self.limit
        else:
            start = min(stop, start + self.offset)
            if 0 <= self.limit < stop - start:
                stop = start + self.limit
        return start, stop


def rank_span(first: int, last: int, size: int) -> Span:
    """A range of ranks, negative ones from the end, both ends in it, as a span."""
    start = max(0, first + size if first < 0 else first)
    stop = min(size, (last + size if last < 0 else last) + 1)
    return (start, stop) if start < stop else (0, 0)


def _parse_range(argv: list[bytes], at: int, wanted: Range, *, storing: bool = False) -> Range:
    """Read the ends of a range, which stand at `at`, and the options behind them."""
    arguments = Arguments(argv, at + 2)
    by, reverse = wanted.by, wanted.reverse
    limit = wanted.limit
    while arguments:
        option = arguments.option()
        if option == b"WITHSCORES" and not storing:
            wanted.with_scores = True
        elif option == b"LIMIT" and len(arguments) >= 2:
            wanted.offset, limit = arguments.integer(), arguments.integer()
        elif option == b"REV" and reverse is None:
            reverse = True
        elif option == b"BYLEX" and by is None:
            by = "lex"
        elif option == b"BYSCORE" and by is None:
            by = "score"
        else:
            raise CommandError(SYNTAX)
    wanted.by, wanted.reverse, wanted.limit = by or "rank", reverse, limit
    if limit != -1 and wanted.by == "rank":
        raise CommandError(_LIMIT_WITHOUT_RANGE)
    if wanted.with_scores and wanted.by == "lex":
        raise CommandError(_LEX_WITH_SCORES)
    low, high = argv[at], argv[at + 1]
    if wanted.by == "rank":
        wanted.ranks = parse_integer(low), parse_integer(high)
        return wanted
    if reverse:
        low, high = high, low
    if wanted.by == "score":
        wanted.scores = score_bounds(low, high)
    else:
        wanted.members = member_bounds(low, high)
    return wanted


def _answer(ctx: Context, argv: list[bytes], wanted: Range) -> Reply:
    _parse_range(argv, 2, wanted)
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return []
    pairs = wanted.select(value)
    if wanted.with_scores:
        return Pairs([(member, score) for score, member in pairs])
    return [member for _, member in pairs]


def _by_rank(ctx: Context, argv: list[bytes], *, reverse: bool) -> list[bytes]:
    """A range by rank without options: what clients ask for most, on its shortest way."""
    first, last = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return []
    size = len(value)
    start, stop = rank_span(first, last, size)
    if not reverse:
        return [member for _, member in value.pairs(start, stop)]
    return [member for _, member in reversed(value.pairs(size - stop, size - start))]


_LIMIT = ArgumentGroup("limit", Integer("offset"), Integer("count"), token="LIMIT", optional=True)
_WITH_SCORES = Token("WITHSCORES", optional=True)
_READ = Key("key", "RO access")
_COMPLEXITY = "O(log(N)+M) to answer M members out of N."


@command(
    "ZRANGE",
    group="sorted_set",
    since="1.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers a range of members, by rank, score or name.",
    arguments=[
        _READ,
        String("start"),
        String("stop"),
        OneOf("sortby", Token("BYSCORE"), Token("BYLEX"), optional=True, since="6.2.0"),
        Token("REV", optional=True, since="6.2.0"),
        ArgumentGroup(
            "limit",
            Integer("offset"),
            Integer("count"),
            token="LIMIT",
            optional=True,
            since="6.2.0",
        ),
        _WITH_SCORES,
    ],
    history=[("6.2.0", "Takes `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
)
def zrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        return _by_rank(ctx, argv, reverse=False)
    return _answer(ctx, argv, Range())


@command(
    "ZREVRANGE",
    group="sorted_set",
    since="1.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers a range of members by rank, from the highest score down.",
    arguments=[_READ, Integer("start"), Integer("stop"), _WITH_SCORES],
    deprecated=("6.2.0", "`ZRANGE` with `REV`"),
)
def zrevrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        return _by_rank(ctx, argv, reverse=True)
    return _answer(ctx, argv, Range("rank", reverse=True))


@command(
    "ZRANGEBYSCORE",
    group="sorted_set",
    since="1.0.5",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers the members whose scores lie in a range.",
    arguments=[
        _READ,
        Double("min"),
        Double("max"),
        Token("WITHSCORES", optional=True, since="2.0.0"),
        _LIMIT,
    ],
    history=[("2.0.0", "Takes `WITHSCORES`.")],
    deprecated=("6.2.0", "`ZRANGE` with `BYSCORE`"),
)
def zrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, Range("score", reverse=False))


@command(
    "ZREVRANGEBYSCORE",
    group="sorted_set",
    since="2.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers the members whose scores lie in a range, from the highest down.",
    arguments=[_READ, Double("max"), Double("min"), _WITH_SCORES, _LIMIT],
    history=[("2.1.6", "`min` and `max` can be left out of the range.")],
    deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`"),
)
def zrevrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, Range("score", reverse=True))


@command(
    "ZRANGEBYLEX",
    group="sorted_set",
    since="2.8.9",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers the members that lie between two others by name.",
    arguments=[_READ, String("min"), String("max"), _LIMIT],
    deprecated=("6.2.0", "`ZRANGE` with `BYLEX`"),
)
def zrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, Range("lex", reverse=False))


@command(
    "ZREVRANGEBYLEX",
    group="sorted_set",
    since="2.8.9",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Answers the members that lie between two others by name, from the last back.",
    arguments=[_READ, String("max"), String("min"), _LIMIT],
    deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYLEX`"),
)
def zrevrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _answer(ctx, argv, Range("lex", reverse=True))


@command(
    "ZRANGESTORE",
    group="sorted_set",
    since="6.2.0",
    flags="write denyoom",
    complexity="O(log(N)+M) to store M members out of N.",
    summary="Stores a range of a sorted set under another key.",
    arguments=[
        Key("dst", "OW update"),
        Key("src", "RO access"),
        String("min"),
        String("max"),
        OneOf("sortby", Token("BYSCORE"), Token("BYLEX"), optional=True),
        Token("REV", optional=True),
        _LIMIT,
    ],
)
def zrangestore(ctx: Context, argv: list[bytes]) -> Reply:
    wanted = _parse_range(argv, 3, Range(), storing=True)
    value = ctx.db.read_as(argv[2], SortedSet)
    pairs = [] if value is None else wanted.select(value)
    return store_result(ctx, argv[1], [(member, score) for score, member in pairs], "zrangestore")


def store_result(
    ctx: Context, key: bytes, scores: list[tuple[bytes, float]], event: str, count: int = 1
) -> int:
    """Put a computed sorted set under a key, or remove the key if it is empty.

    `count` is how many changes a set put there counts as.
    """
    if not scores:
        ctx.db.delete(key)
        return 0
    ctx.db.store(key, SortedSet.build(scores, ctx.keyspace.limits), event, count=count)
    return len(scores)


# --- removing ------------------------------------------------------------------------------


def _remove(ctx: Context, key: bytes, value: SortedSet, span: Span, event: str) -> int:
    start, stop = span
    if start >= stop:
        return 0
    removed = len(value.remove_span(start, stop))
    ctx.db.finish_change(key, value, event, removed)
    return removed


@command(
    "ZREMRANGEBYRANK",
    group="sorted_set",
    since="2.0.0",
    flags="write",
    complexity="O(log(N)+M) to remove M members out of N.",
    summary="Removes the members of a range of ranks.",
    arguments=[Key("key", "RW delete"), Integer("start"), Integer("stop")],
)
def zremrangebyrank(ctx: Context, argv: list[bytes]) -> Reply:
    first, last = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None:
        return 0
    span = rank_span(first, last, len(value))
    return _remove(ctx, argv[1], value, span, "zremrangebyrank")


@command(
    "ZREMRANGEBYSCORE",
    group="sorted_set",
    since="1.2.0",
    flags="write",
    complexity="O(log(N)+M) to remove M members out of N.",
    summary="Removes the members whose scores lie in a range.",
    arguments=[Key("key", "RW delete"), Double("min"), Double("max")],
)
def zremrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    cuts = score_bounds(argv[2], argv[3])
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None:
        return 0
    return _remove(ctx, argv[1], value, value.span_by_score(*cuts), "zremrangebyscore")


@command(
    "ZREMRANGEBYLEX",
    group="sorted_set",
    since="2.8.9",
    flags="write",
    complexity="O(log(N)+M) to remove M members out of N.",
    summary="Removes the members that lie between two others by name.",
    arguments=[Key("key", "RW delete"), String("min"), String("max")],
)
def zremrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    cuts = member_bounds(argv[2], argv[3])
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None:
        return 0
    return _remove(ctx, argv[1], value, value.span_by_member(*cuts), "zremrangebylex")
