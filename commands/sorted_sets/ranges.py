"""Ranges of members by rank, score or name: reading, storing and removing them.

The commands that read share one implementation: the older ones are `ZRANGE` with some
options fixed.
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
    """The part of a sorted set to select, and how to return it."""

    # "rank", "score" or "lex"; None until an option sets it.
    by: str | None = None
    reverse: bool | None = None
    offset: int = 0
    limit: int = -1
    with_scores: bool = False
    ranks: Span = (0, -1)
    scores: tuple[ScoreCut, ScoreCut] = (None, None)
    members: tuple[MemberCut, MemberCut] = (None, None)

    def select(self, value: SortedSet) -> list[tuple[float, bytes]]:
        """Return the selected (score, member) pairs in the requested order."""
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
        # LIMIT counts from the end of the range that is returned first.
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
    """Convert an inclusive range of ranks, negative ones from the end, to a span."""
    start = max(0, first + size if first < 0 else first)
    stop = min(size, (last + size if last < 0 else last) + 1)
    return (start, stop) if start < stop else (0, 0)


def _parse_range(argv: list[bytes], at: int, selection: Range, *, storing: bool = False) -> Range:
    """Parse the bounds of a range, which start at `at`, and the options after them."""
    arguments = Arguments(argv, at + 2)
    by, reverse = selection.by, selection.reverse
    limit = selection.limit
    while arguments:
        option = arguments.option()
        if option == b"WITHSCORES" and not storing:
            selection.with_scores = True
        elif option == b"LIMIT" and len(arguments) >= 2:
            selection.offset, limit = arguments.integer(), arguments.integer()
        elif option == b"REV" and reverse is None:
            reverse = True
        elif option == b"BYLEX" and by is None:
            by = "lex"
        elif option == b"BYSCORE" and by is None:
            by = "score"
        else:
            raise CommandError(SYNTAX)
    selection.by, selection.reverse, selection.limit = by or "rank", reverse, limit
    if limit != -1 and selection.by == "rank":
        raise CommandError(_LIMIT_WITHOUT_RANGE)
    if selection.with_scores and selection.by == "lex":
        raise CommandError(_LEX_WITH_SCORES)
    low, high = argv[at], argv[at + 1]
    if selection.by == "rank":
        selection.ranks = parse_integer(low), parse_integer(high)
        return selection
    if reverse:
        low, high = high, low
    if selection.by == "score":
        selection.scores = score_bounds(low, high)
    else:
        selection.members = member_bounds(low, high)
    return selection


def _read_range(ctx: Context, argv: list[bytes], selection: Range) -> Reply:
    _parse_range(argv, 2, selection)
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return []
    pairs = selection.select(value)
    if selection.with_scores:
        return Pairs([(member, score) for score, member in pairs])
    return [member for _, member in pairs]


def _by_rank(ctx: Context, argv: list[bytes], *, reverse: bool) -> list[bytes]:
    """Return a range by rank without options: the most common request, so the shortest path."""
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
_COMPLEXITY = "O(log(N)+M) for M of N members returned."


@command(
    "ZRANGE",
    group="sorted_set",
    since="1.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns a range of members by rank, score or name.",
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
    history=[("6.2.0", "Accepts `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
)
def zrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        return _by_rank(ctx, argv, reverse=False)
    return _read_range(ctx, argv, Range())


@command(
    "ZREVRANGE",
    group="sorted_set",
    since="1.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns a range of members by rank, highest score first.",
    arguments=[_READ, Integer("start"), Integer("stop"), _WITH_SCORES],
    deprecated=("6.2.0", "`ZRANGE` with `REV`"),
)
def zrevrange(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        return _by_rank(ctx, argv, reverse=True)
    return _read_range(ctx, argv, Range("rank", reverse=True))


@command(
    "ZRANGEBYSCORE",
    group="sorted_set",
    since="1.0.5",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns the members whose scores are between two bounds.",
    arguments=[
        _READ,
        Double("min"),
        Double("max"),
        Token("WITHSCORES", optional=True, since="2.0.0"),
        _LIMIT,
    ],
    history=[("2.0.0", "Accepts `WITHSCORES`.")],
    deprecated=("6.2.0", "`ZRANGE` with `BYSCORE`"),
)
def zrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _read_range(ctx, argv, Range("score", reverse=False))


@command(
    "ZREVRANGEBYSCORE",
    group="sorted_set",
    since="2.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns the members whose scores are between two bounds, highest first.",
    arguments=[_READ, Double("max"), Double("min"), _WITH_SCORES, _LIMIT],
    history=[("2.1.6", "Accepts bounds that exclude `min` and `max`.")],
    deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYSCORE`"),
)
def zrevrangebyscore(ctx: Context, argv: list[bytes]) -> Reply:
    return _read_range(ctx, argv, Range("score", reverse=True))


@command(
    "ZRANGEBYLEX",
    group="sorted_set",
    since="2.8.9",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns the members whose names are between two bounds.",
    arguments=[_READ, String("min"), String("max"), _LIMIT],
    deprecated=("6.2.0", "`ZRANGE` with `BYLEX`"),
)
def zrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _read_range(ctx, argv, Range("lex", reverse=False))


@command(
    "ZREVRANGEBYLEX",
    group="sorted_set",
    since="2.8.9",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns the members whose names are between two bounds, last name first.",
    arguments=[_READ, String("max"), String("min"), _LIMIT],
    deprecated=("6.2.0", "`ZRANGE` with `REV` and `BYLEX`"),
)
def zrevrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    return _read_range(ctx, argv, Range("lex", reverse=True))


@command(
    "ZRANGESTORE",
    group="sorted_set",
    since="6.2.0",
    flags="write denyoom",
    complexity="O(log(N)+M) for M of N members stored.",
    summary="Copies a range of a sorted set, by rank, score or name, to another key.",
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
    selection = _parse_range(argv, 3, Range(), storing=True)
    value = ctx.db.read_as(argv[2], SortedSet)
    pairs = [] if value is None else selection.select(value)
    return store_result(ctx, argv[1], [(member, score) for score, member in pairs], "zrangestore")


def store_result(
    ctx: Context, key: bytes, scores: list[tuple[bytes, float]], event: str, count: int = 1
) -> int:
    """Store a computed sorted set in a key, or delete the key if the set is empty.

    `count` is the number of changes that storing a set counts as.
    """
    if not scores:
        ctx.db.delete(key, even_expired=True)
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


@dataclass(slots=True)
class RemoveByRank:
    key: bytes
    start: int
    stop: int


@command(
    "ZREMRANGEBYRANK",
    group="sorted_set",
    since="2.0.0",
    flags="write",
    complexity="O(log(N)+M) for M of N members removed.",
    summary="Removes the members whose ranks are between two bounds.",
    arguments=[Key("key", "RW delete"), Integer("start"), Integer("stop")],
    request=RemoveByRank,
)
def zremrangebyrank(ctx: Context, request: RemoveByRank) -> Reply:
    value = ctx.db.fetch_as(request.key, SortedSet)
    if value is None:
        return 0
    span = rank_span(request.start, request.stop, len(value))
    return _remove(ctx, request.key, value, span, "zremrangebyrank")


@command(
    "ZREMRANGEBYSCORE",
    group="sorted_set",
    since="1.2.0",
    flags="write",
    complexity="O(log(N)+M) for M of N members removed.",
    summary="Removes the members whose scores are between two bounds.",
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
    complexity="O(log(N)+M) for M of N members removed.",
    summary="Removes the members whose names are between two bounds.",
    arguments=[Key("key", "RW delete"), String("min"), String("max")],
)
def zremrangebylex(ctx: Context, argv: list[bytes]) -> Reply:
    cuts = member_bounds(argv[2], argv[3])
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None:
        return 0
    return _remove(ctx, argv[1], value, value.span_by_member(*cuts), "zremrangebylex")
