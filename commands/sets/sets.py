"""Sets: adding, removing and reading members. `algebra` combines several sets."""

from __future__ import annotations

from commands.engine.errors import MUST_BE_POSITIVE, SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, Pattern, String
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.random_counts import are_few, parse_random_count, random_picks
from commands.engine.registry import command
from commands.engine.replies import Reply, SetReply
from commands.engine.scan_options import parse_cursor, parse_scan_options
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.sets import Set

# --- adding and removing -----------------------------------------------------------------


@command(
    "SADD",
    group="set",
    since="1.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N members given.",
    summary="Adds members to a set and returns how many are new.",
    arguments=[Key("key", "RW insert"), String("member", multiple=True)],
    history=[("2.4.0", "Accepts several members.")],
)
def sadd(ctx: Context, argv: list[bytes]) -> Reply:
    db, key, limits = ctx.db, argv[1], ctx.keyspace.limits
    value = db.fetch(key)
    if value.__class__ is Set:
        if len(argv) == 3:
            # A single member is what clients send most, so it has a short path.
            if not value.add(argv[2], limits):
                return 0
            db.changed(key, "sadd")
            return 1
        value.expect(len(argv) - 2, limits)
        added = sum([value.add(member, limits) for member in argv[2:]])
        if added:
            db.changed(key, "sadd", added)
        return added
    if value is not None:
        raise WrongType
    value = Set.expecting(argv[2], len(argv) - 2, limits)
    added = sum([value.add(member, limits) for member in argv[2:]])
    db.store(key, value, "sadd", count=added)
    return added


@command(
    "SREM",
    group="set",
    since="1.0.0",
    flags="write fast",
    complexity="O(N) for N members given.",
    summary="Removes members from a set and returns how many it had.",
    arguments=[Key("key", "RW delete"), String("member", multiple=True)],
    history=[("2.4.0", "Accepts several members.")],
)
def srem(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], Set)
    if value is None:
        return 0
    removed = sum(map(value.remove, argv[2:]))
    if removed:
        ctx.db.finish_change(argv[1], value, "srem", removed)
    return removed


@command(
    "SMOVE",
    group="set",
    since="1.0.0",
    flags="write fast",
    summary="Moves a member from one set to another.",
    arguments=[
        Key("source", "RW access delete"),
        Key("destination", "RW insert"),
        String("member"),
    ],
)
def smove(ctx: Context, argv: list[bytes]) -> Reply:
    db, origin, target, member = ctx.db, argv[1], argv[2], argv[3]
    value = db.fetch_as(origin, Set)
    if value is None:
        return 0
    other = db.fetch_as(target, Set)
    if value is other:
        return 1 if member in value else 0
    if not value.remove(member):
        return 0
    db.finish_change(origin, value, "srem")
    if other is None:
        other = Set.expecting(member, 1, ctx.limits)
        other.add(member, ctx.limits)
        db.store(target, other, "sadd")
    elif other.add(member, ctx.limits):
        db.changed(target, "sadd")
    return 1


@command(
    "SPOP",
    group="set",
    since="1.0.0",
    flags="write fast",
    complexity="O(N) for N members removed.",
    summary="Removes and returns random members of a set.",
    arguments=[Key("key", "RW access delete"), Integer("count", optional=True, since="3.2.0")],
    tips=["nondeterministic_output"],
    history=[("3.2.0", "Accepts `count`.")],
)
def spop(ctx: Context, argv: list[bytes]) -> Reply:
    db, key = ctx.db, argv[1]
    if len(argv) == 2:
        value = db.fetch_as(key, Set)
        if value is None:
            return None
        member = value.pop(ctx.rng)
        db.finish_change(key, value, "spop")
        ctx.log_as([b"SREM", key, member])
        return member
    if len(argv) > 3:
        raise CommandError(SYNTAX)
    count = parse_in_range(argv[2], 0, INT64_MAX, MUST_BE_POSITIVE)
    value = db.fetch_as(key, Set)
    if value is None or count == 0:
        return SetReply([])
    if count >= len(value):
        members = list(value)
        db.changed(key, "spop", len(members))
        db.discard(key)
        db.notify(key, "del")
        ctx.log_as([b"DEL", key])
        return SetReply(members)
    members = value.pick_distinct(count, ctx.rng)
    for member in members:
        value.remove(member)
    db.changed(key, "spop", count)
    ctx.log_as([b"SREM", key, *members])
    return SetReply(members)


# --- reading -----------------------------------------------------------------------------


@command(
    "SMEMBERS",
    group="set",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) for N members.",
    summary="Returns every member of a set.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output_order"],
)
def smembers(ctx: Context, argv: list[bytes]) -> Reply:
    return SetReply(ctx.db.read_as(argv[1], Set) or [])


@command(
    "SISMEMBER",
    group="set",
    since="1.0.0",
    flags="readonly fast",
    summary="Tests whether a value is a member of a set.",
    arguments=[Key("key", "RO"), String("member")],
)
def sismember(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Set)
    return 1 if value is not None and argv[2] in value else 0


@command(
    "SMISMEMBER",
    group="set",
    since="6.2.0",
    flags="readonly fast",
    complexity="O(N) for N members given.",
    summary="Tests for each of several values whether it is a member of a set.",
    arguments=[Key("key", "RO access"), String("member", multiple=True)],
)
def smismember(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Set)
    if value is None:
        return [0] * (len(argv) - 2)
    return [1 if member in value else 0 for member in argv[2:]]


@command(
    "SCARD",
    group="set",
    since="1.0.0",
    flags="readonly fast",
    summary="Returns how many members a set has.",
    arguments=[Key("key", "RO")],
)
def scard(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Set)
    return 0 if value is None else len(value)


@command(
    "SRANDMEMBER",
    group="set",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) for N members returned.",
    summary="Returns random members of a set.",
    arguments=[Key("key", "RO access"), Integer("count", optional=True, since="2.6.0")],
    tips=["nondeterministic_output"],
    history=[("2.6.0", "Accepts `count`.")],
)
def srandmember(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        value = ctx.db.read_as(argv[1], Set)
        return None if value is None else value.pick(ctx.rng)
    if len(argv) > 3:
        raise CommandError(SYNTAX)
    count = parse_random_count(argv[2])
    value = ctx.db.read_as(argv[1], Set)
    if value is None:
        return []
    if count >= 0:
        return value.pick_distinct(count, ctx.rng)
    if are_few(-count, len(value)):
        return [value.pick(ctx.rng) for _ in range(-count)]
    return random_picks(list(value), -count, ctx.rng)


@command(
    "SSCAN",
    group="set",
    since="2.8.0",
    flags="readonly",
    complexity="O(1) per call, O(N) for a complete iteration over N members.",
    summary="Iterates over the members of a set, a few per call.",
    arguments=[
        Key("key", "RO access"),
        Integer("cursor"),
        Pattern("pattern", "MATCH", optional=True),
        Integer("count", "COUNT", optional=True),
    ],
    tips=["nondeterministic_output"],
)
def sscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[2])
    value = ctx.db.read_as(argv[1], Set)
    if value is None:
        return [b"0", []]
    options = parse_scan_options(argv, 3)
    following, members = value.scan(cursor, options.count)
    return [b"%d" % following, options.pick(members)]
