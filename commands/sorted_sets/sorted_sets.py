"""Adding, removing and looking up members of sorted sets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from commands.engine.errors import MUST_BE_POSITIVE, SYNTAX, CommandError, wrong_arity
from commands.engine.grammar import (
    ArgumentGroup,
    Double,
    Integer,
    Key,
    OneOf,
    Pattern,
    String,
    Token,
)
from commands.engine.numbers import INT64_MAX, format_float, parse_float, parse_integer
from commands.engine.random_counts import are_few, parse_random_count, random_picks
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Pairs, Reply
from commands.engine.scan_options import parse_cursor, parse_scan_options
from commands.instance.context import Context
from commands.sorted_sets.bounds import member_bounds, score_bounds
from storage.values.sorted_sets import SortedSet

_NAN = "ERR resulting score is not a number (NaN)"


@dataclass(slots=True)
class AddOptions:
    """The options between the key and the first score of ZADD."""

    only_new: bool = False
    only_known: bool = False
    only_greater: bool = False
    only_less: bool = False
    count_changed: bool = False
    increment: bool = False


_ADD_OPTIONS = {
    b"NX": "only_new",
    b"XX": "only_known",
    b"GT": "only_greater",
    b"LT": "only_less",
    b"CH": "count_changed",
    b"INCR": "increment",
}


@command(
    "ZADD",
    group="sorted_set",
    since="1.2.0",
    flags="write denyoom fast",
    complexity="O(log(N)) for each member added, for N members in the sorted set.",
    summary="Sets the scores of members, adding those that are new.",
    arguments=[
        Key("key", "RW update"),
        OneOf("condition", Token("NX"), Token("XX"), optional=True, since="3.0.2"),
        OneOf("comparison", Token("GT"), Token("LT"), optional=True, since="6.2.0"),
        Token("CH", name="change", optional=True, since="3.0.2"),
        Token("INCR", name="increment", optional=True, since="3.0.2"),
        ArgumentGroup("data", Double("score"), String("member"), multiple=True),
    ],
    history=[
        ("2.4.0", "Accepts several members."),
        ("3.0.2", "Accepts `XX`, `NX`, `CH` and `INCR`."),
        ("6.2.0", "Accepts `GT` and `LT`."),
    ],
)
def zadd(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        text = argv[2]
        if text.isdigit() and len(text) < 16:
            return _add_one(ctx, argv[1], float(text), argv[3])
        if text.upper() in _ADD_OPTIONS:
            raise CommandError(SYNTAX)
        return _add_one(ctx, argv[1], parse_float(text), argv[3])
    options = AddOptions()
    at = 2
    while at < len(argv) and (name := _ADD_OPTIONS.get(argv[at].upper())):
        setattr(options, name, True)
        at += 1
    if at == len(argv) or (len(argv) - at) % 2:
        raise CommandError(SYNTAX)
    _check(options, (len(argv) - at) // 2)
    scores = [parse_float(text) for text in argv[at::2]]
    return add_members(ctx, argv[1], list(zip(argv[at + 1 :: 2], scores, strict=True)), options)


def _add_one(ctx: Context, key: bytes, score: float, member: bytes) -> int:
    """Run ZADD for one member without options, which is what most requests are."""
    db = ctx.db
    value = db.fetch_as(key, SortedSet)
    if value is None:
        value = SortedSet()
        value.put(member, score, ctx.keyspace.limits)
        db.store(key, value, "zadd")
        return 1
    before = value.get(member)
    if before == score:
        return 0
    value.put(member, score, ctx.keyspace.limits)
    db.changed(key, "zadd")
    return 1 if before is None else 0


def _check(options: AddOptions, members: int) -> None:
    if options.only_new and options.only_known:
        raise CommandError("ERR XX and NX options at the same time are not compatible")
    if options.only_greater + options.only_less + options.only_new > 1:
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if options.increment and members > 1:
        raise CommandError("ERR INCR option supports a single increment-element pair")


def add_members(
    ctx: Context, key: bytes, members: list[tuple[bytes, float]], options: AddOptions
) -> Reply:
    """Run a parsed ZADD: returns the number of members added, or the new score with INCR."""
    db, limits = ctx.db, ctx.keyspace.limits
    value = db.fetch_as(key, SortedSet)
    if value is None and options.only_known:
        return None if options.increment else 0
    target = SortedSet() if value is None else value
    target.expect(len(members), max(len(member) for member, _ in members), limits)
    added = updated = 0
    score: float | None = None
    for member, given in members:
        before = target.get(member)
        score = _new_score(before, given, options)
        if score is None or score == before:
            continue
        target.put(member, score, limits)
        if before is None:
            added += 1
        else:
            updated += 1
    if added or updated:
        event = "zincr" if options.increment else "zadd"
        if value is None:
            db.store(key, target, event)
            ctx.keyspace.dirty += added + updated - 1
        else:
            db.changed(key, event, added + updated)
    if options.increment:
        return score
    return added + updated if options.count_changed else added


def _new_score(before: float | None, given: float, options: AddOptions) -> float | None:
    """Return the new score of a member; None if the options leave it unchanged."""
    if before is None:
        return None if options.only_known else given
    if options.only_new:
        return None
    score = before + given if options.increment else given
    if math.isnan(score):
        raise CommandError(_NAN)
    if (options.only_greater and score <= before) or (options.only_less and score >= before):
        return None
    return score


@command(
    "ZINCRBY",
    group="sorted_set",
    since="1.2.0",
    flags="write denyoom fast",
    complexity="O(log(N)) for N members.",
    summary="Adds a number to the score of a member.",
    arguments=[Key("key", "RW access update"), Integer("increment"), String("member")],
)
def zincrby(ctx: Context, argv: list[bytes]) -> Reply:
    increment = parse_float(argv[2])
    return add_members(ctx, argv[1], [(argv[3], increment)], AddOptions(increment=True))


@command(
    "ZREM",
    group="sorted_set",
    since="1.2.0",
    flags="write fast",
    complexity="O(M*log(N)) for M of N members removed.",
    summary="Deletes members and returns how many of them existed.",
    arguments=[Key("key", "RW delete"), String("member", multiple=True)],
    history=[("2.4.0", "Accepts several members.")],
)
def zrem(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None:
        return 0
    removed = sum(map(value.remove, argv[2:]))
    if removed:
        ctx.db.finish_change(argv[1], value, "zrem", removed)
    return removed


# --- looking up ----------------------------------------------------------------------------


@command(
    "ZCARD",
    group="sorted_set",
    since="1.2.0",
    flags="readonly fast",
    summary="Counts the members of a sorted set; zero if the key does not exist.",
    arguments=[Key("key", "RO")],
)
def zcard(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    return 0 if value is None else len(value)


@command(
    "ZSCORE",
    group="sorted_set",
    since="1.2.0",
    flags="readonly fast",
    summary="Looks up the score of a member.",
    arguments=[Key("key", "RO access"), String("member")],
)
def zscore(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    return None if value is None else value.get(argv[2])


@command(
    "ZMSCORE",
    group="sorted_set",
    since="6.2.0",
    flags="readonly fast",
    complexity="O(N) for N members requested.",
    summary="Looks up the scores of several members.",
    arguments=[Key("key", "RO access"), String("member", multiple=True)],
)
def zmscore(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return [None] * (len(argv) - 2)
    return [value.get(member) for member in argv[2:]]


def _rank(ctx: Context, argv: list[bytes], from_top: bool) -> Reply:
    if len(argv) > 4:
        raise wrong_arity("zrevrank" if from_top else "zrank")
    with_score = len(argv) == 4
    if with_score and argv[3].upper() != b"WITHSCORE":
        raise CommandError(SYNTAX)
    value = ctx.db.read_as(argv[1], SortedSet)
    score = None if value is None else value.get(argv[2])
    if value is None or score is None:
        return NULL_ARRAY if with_score else None
    rank = value.rank(argv[2])
    if from_top:
        rank = len(value) - 1 - rank
    return [rank, score] if with_score else rank


_RANK_ARGUMENTS = [
    Key("key", "RO access"),
    String("member"),
    Token("WITHSCORE", optional=True),
]
_RANK_HISTORY = [("7.2.0", "Accepts `WITHSCORE`.")]


@command(
    "ZRANK",
    group="sorted_set",
    since="2.0.0",
    flags="readonly fast",
    complexity="O(log(N))",
    summary="Returns the rank of a member, counted from the lowest score.",
    arguments=_RANK_ARGUMENTS,
    history=_RANK_HISTORY,
)
def zrank(ctx: Context, argv: list[bytes]) -> Reply:
    return _rank(ctx, argv, from_top=False)


@command(
    "ZREVRANK",
    group="sorted_set",
    since="2.0.0",
    flags="readonly fast",
    complexity="O(log(N))",
    summary="Returns the rank of a member, counted from the highest score.",
    arguments=_RANK_ARGUMENTS,
    history=_RANK_HISTORY,
)
def zrevrank(ctx: Context, argv: list[bytes]) -> Reply:
    return _rank(ctx, argv, from_top=True)


@command(
    "ZCOUNT",
    group="sorted_set",
    since="2.0.0",
    flags="readonly fast",
    complexity="O(log(N)) for N members.",
    summary="Counts the members whose scores are between two bounds.",
    arguments=[Key("key", "RO access"), Double("min"), Double("max")],
)
def zcount(ctx: Context, argv: list[bytes]) -> Reply:
    low, high = score_bounds(argv[2], argv[3])
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return 0
    start, stop = value.span_by_score(low, high)
    return max(0, stop - start)


@command(
    "ZLEXCOUNT",
    group="sorted_set",
    since="2.8.9",
    flags="readonly fast",
    complexity="O(log(N)) for N members.",
    summary="Counts the members whose names are between two bounds.",
    arguments=[Key("key", "RO access"), String("min"), String("max")],
)
def zlexcount(ctx: Context, argv: list[bytes]) -> Reply:
    low, high = member_bounds(argv[2], argv[3])
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return 0
    start, stop = value.span_by_member(low, high)
    return max(0, stop - start)


# --- popping -------------------------------------------------------------------------------


def pop(
    ctx: Context, key: bytes, value: SortedSet, count: int, from_top: bool
) -> list[tuple[bytes, float]]:
    """Pop up to `count` members (at least one) from one end, the outermost first."""
    if from_top:
        pairs = value.remove_span(max(0, len(value) - count), len(value))
        pairs.reverse()
    else:
        pairs = value.remove_span(0, count)
    ctx.db.finish_change(key, value, "zpopmax" if from_top else "zpopmin", len(pairs))
    return [(member, score) for score, member in pairs]


def _pop(ctx: Context, argv: list[bytes], from_top: bool) -> Reply:
    if len(argv) > 3:
        raise CommandError(SYNTAX)
    count = 1
    if len(argv) == 3:
        count = parse_integer(argv[2], MUST_BE_POSITIVE)
        if count < 0:
            raise CommandError(MUST_BE_POSITIVE)
    value = ctx.db.fetch_as(argv[1], SortedSet)
    if value is None or not count:
        return []
    pairs = pop(ctx, argv[1], value, count, from_top)
    return Pairs(pairs) if len(argv) == 3 else list(pairs[0])


_POP_ARGUMENTS = [Key("key", "RW access delete"), Integer("count", optional=True)]


@command(
    "ZPOPMIN",
    group="sorted_set",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)*M) for M of N members popped.",
    summary="Removes and returns the members with the lowest scores.",
    arguments=_POP_ARGUMENTS,
)
def zpopmin(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, from_top=False)


@command(
    "ZPOPMAX",
    group="sorted_set",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)*M) for M of N members popped.",
    summary="Removes and returns the members with the highest scores.",
    arguments=_POP_ARGUMENTS,
)
def zpopmax(ctx: Context, argv: list[bytes]) -> Reply:
    return _pop(ctx, argv, from_top=True)


# --- random members, scanning --------------------------------------------------------------


@command(
    "ZRANDMEMBER",
    group="sorted_set",
    since="6.2.0",
    flags="readonly",
    complexity="O(N) for N members returned.",
    summary="Picks members at random, with or without repetition.",
    arguments=[
        Key("key", "RO access"),
        ArgumentGroup(
            "options",
            Integer("count"),
            Token("WITHSCORES", optional=True),
            optional=True,
        ),
    ],
    tips=["nondeterministic_output"],
)
def zrandmember(ctx: Context, argv: list[bytes]) -> Reply:
    rng = ctx.rng
    if len(argv) == 2:
        value = ctx.db.read_as(argv[1], SortedSet)
        return None if value is None else value.at(rng.randrange(len(value)))[1]
    count, with_scores = _random_options(argv)
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None or not count:
        return []
    size = len(value)
    if count < 0 and not are_few(-count, size):
        items = Pairs(list(value.items())) if with_scores else list(value)
        return random_picks(items, -count, rng)
    if count >= size:
        pairs = value.pairs()
        # Redis returns a whole set in descending order.
        pairs.reverse()
    elif count > 0:
        pairs = [value.at(rank) for rank in rng.sample(range(size), count)]
    else:
        pairs = [value.at(rank) for rank in rng.choices(range(size), k=-count)]
    if with_scores:
        return Pairs([(member, score) for score, member in pairs])
    return [member for _, member in pairs]


def _random_options(argv: list[bytes]) -> tuple[int, bool]:
    count = parse_random_count(argv[2])
    with_scores = len(argv) > 3
    if len(argv) > 4 or (with_scores and argv[3].upper() != b"WITHSCORES"):
        raise CommandError(SYNTAX)
    if with_scores and abs(count) > INT64_MAX // 2:
        raise CommandError("ERR value is out of range")
    return count, with_scores


@command(
    "ZSCAN",
    group="sorted_set",
    since="2.8.0",
    flags="readonly",
    complexity="O(1) for each call, O(N) for a complete iteration over N members.",
    summary="Returns some members with their scores, and a cursor for the next call.",
    arguments=[
        Key("key", "RO access"),
        Integer("cursor"),
        Pattern("pattern", "MATCH", optional=True),
        Integer("count", "COUNT", optional=True),
        Token("NOSCORES", optional=True),
    ],
    tips=["nondeterministic_output"],
    history=[("8.0.0", "Accepts `NOSCORES`.")],
)
def zscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[2])
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return [b"0", []]
    options = parse_scan_options(argv, 3, bare=b"NOSCORES")
    cursor, members = value.scan(cursor, options.count)
    members = options.pick(members)
    if not options.bare:
        # For large sets, Redis formats scores differently here than anywhere else.
        show = format_float if value.packed else _seventeen_digits
        members = [text for member in members for text in (member, show(value[member]))]
    return [b"%d" % cursor, members]


def _seventeen_digits(score: float) -> bytes:
    return b"%.17g" % score
