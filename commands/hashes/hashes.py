"""Hashes: maps of fields to values under one key."""

from __future__ import annotations

from commands.engine.errors import (
    INCREMENT_NAN_OR_INF,
    INCREMENT_OVERFLOW,
    NOT_A_FLOAT,
    SYNTAX,
    CommandError,
    wrong_arity,
)
from commands.engine.grammar import ArgumentGroup, Double, Integer, Key, Pattern, String, Token
from commands.engine.long_doubles import add_long_doubles, read_long_double
from commands.engine.numbers import INT64_MAX, INT64_MIN, parse_integer, read_integer
from commands.engine.random_counts import are_few, parse_random_count, random_picks
from commands.engine.registry import command
from commands.engine.replies import OK, Pairs, Reply
from commands.engine.scan_options import parse_cursor, parse_scan_options
from commands.hashes.log_entries import log_fields
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.hashes import Hash

_NOT_AN_INTEGER = "ERR hash value is not an integer"
_NOT_A_FLOAT = "ERR hash value is not a float"
_NOT_FINITE = "ERR value is NaN or Infinity"

# --- setting -----------------------------------------------------------------------------


@command(
    "HSET",
    group="hash",
    since="2.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N fields given.",
    summary="Sets fields of a hash and returns how many are new.",
    arguments=[
        Key("key", "RW update"),
        ArgumentGroup("data", String("field"), String("value"), multiple=True),
    ],
    history=[("4.0.0", "Accepts several fields.")],
)
def hset(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 4:
        # A single field is what clients send most, so it has a short path.
        db, key = ctx.db, argv[1]
        value = db.fetch(key)
        if value.__class__ is Hash:
            added = value.put(argv[2], argv[3], ctx.keyspace.limits)
            db.changed(key, "hset")
            return 1 if added else 0
        if value is not None:
            raise WrongType
        value = Hash()
        value.put(argv[2], argv[3], ctx.keyspace.limits)
        db.store(key, value, "hset")
        return 1
    return _set_fields(ctx, argv, "hset")


@command(
    "HMSET",
    group="hash",
    since="2.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N fields given.",
    summary="Sets fields of a hash.",
    arguments=[
        Key("key", "RW update"),
        ArgumentGroup("data", String("field"), String("value"), multiple=True),
    ],
    deprecated=("4.0.0", "`HSET` with several fields"),
)
def hmset(ctx: Context, argv: list[bytes]) -> Reply:
    _set_fields(ctx, argv, "hmset")
    return OK


def _set_fields(ctx: Context, argv: list[bytes], name: str) -> int:
    if len(argv) % 2:
        raise wrong_arity(name)
    db, key, limits = ctx.db, argv[1], ctx.limits
    value = db.fetch_as(key, Hash)
    target = Hash() if value is None else value
    added = 0
    for at in range(2, len(argv), 2):
        added += target.put(argv[at], argv[at + 1], limits)
    count = len(argv) // 2 - 1
    if value is None:
        db.store(key, target, "hset", count=count)
    else:
        db.changed(key, "hset", count)
    return added


@command(
    "HSETNX",
    group="hash",
    since="2.0.0",
    flags="write denyoom fast",
    summary="Sets a field of a hash unless it already exists.",
    arguments=[Key("key", "RW insert"), String("field"), String("value")],
)
def hsetnx(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], Hash)
    if value is not None and argv[2] in value:
        return 0
    _put(ctx, argv[1], value, argv[2], argv[3], "hset")
    return 1


@command(
    "HINCRBY",
    group="hash",
    since="2.0.0",
    flags="write denyoom fast",
    summary="Adds to the integer in a field of a hash; a missing field counts as 0.",
    arguments=[Key("key", "RW access update"), String("field"), Integer("increment")],
)
def hincrby(ctx: Context, argv: list[bytes]) -> Reply:
    amount = parse_integer(argv[3])
    key, field = argv[1], argv[2]
    value = ctx.db.fetch_as(key, Hash)
    before = None if value is None else value.get(field)
    number = 0 if before is None else read_integer(before)
    if number is None:
        raise CommandError(_NOT_AN_INTEGER)
    number += amount
    if not INT64_MIN <= number <= INT64_MAX:
        raise CommandError(INCREMENT_OVERFLOW)
    _put(ctx, key, value, field, b"%d" % number, "hincrby")
    return number


@command(
    "HINCRBYFLOAT",
    group="hash",
    since="2.6.0",
    flags="write denyoom fast",
    summary="Adds to the decimal number in a field of a hash; a missing field counts as 0.",
    arguments=[Key("key", "RW access update"), String("field"), Double("increment")],
)
def hincrbyfloat(ctx: Context, argv: list[bytes]) -> Reply:
    amount = read_long_double(argv[3])
    if amount is None:
        raise CommandError(NOT_A_FLOAT)
    if amount[0] is None:
        raise CommandError(_NOT_FINITE)
    key, field = argv[1], argv[2]
    value = ctx.db.fetch_as(key, Hash)
    before = None if value is None else value.get(field)
    number = read_long_double(b"0" if before is None else before)
    if number is None:
        raise CommandError(_NOT_A_FLOAT)
    text = add_long_doubles(number, amount)
    if text is None:
        raise CommandError(INCREMENT_NAN_OR_INF)
    target = _put(ctx, key, value, field, text, "hincrbyfloat")
    # The sum depends on the machine's floating point, so the result is logged.
    log_fields(ctx, key, target, [field])
    return text


def _put(
    ctx: Context, key: bytes, value: Hash | None, field: bytes, content: bytes, event: str
) -> Hash:
    """Set one field, keeping its deadline; return the hash, which is created if needed."""
    if value is not None:
        value.put(field, content, ctx.limits, keep_ttl=True)
        ctx.db.changed(key, event)
        return value
    new = Hash()
    new.put(field, content, ctx.limits)
    ctx.db.store(key, new, event)
    return new


@command(
    "HDEL",
    group="hash",
    since="2.0.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Removes fields of a hash and returns how many it had.",
    arguments=[Key("key", "RW delete"), String("field", multiple=True)],
    history=[("2.4.0", "Accepts several fields.")],
)
def hdel(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], Hash)
    if value is None:
        return 0
    removed = sum(map(value.remove, argv[2:]))
    if removed:
        ctx.db.finish_change(argv[1], value, "hdel", removed)
    return removed


# --- reading -----------------------------------------------------------------------------


@command(
    "HGET",
    group="hash",
    since="2.0.0",
    flags="readonly fast",
    summary="Returns the value of one field of a hash.",
    arguments=[Key("key", "RO access"), String("field")],
)
def hget(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return None if value is None else value.get(argv[2])


@command(
    "HMGET",
    group="hash",
    since="2.0.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns the values of several fields of a hash.",
    arguments=[Key("key", "RO access"), String("field", multiple=True)],
)
def hmget(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    if value is None:
        return [None] * (len(argv) - 2)
    return [value.get(field) for field in argv[2:]]


@command(
    "HGETALL",
    group="hash",
    since="2.0.0",
    flags="readonly",
    complexity="O(N) for N fields in the hash.",
    summary="Returns every field of a hash with its value.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output_order"],
)
def hgetall(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return {} if value is None else dict(value)


@command(
    "HKEYS",
    group="hash",
    since="2.0.0",
    flags="readonly",
    complexity="O(N) for N fields in the hash.",
    summary="Returns the names of all fields of a hash.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output_order"],
)
def hkeys(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return [] if value is None else list(value)


@command(
    "HVALS",
    group="hash",
    since="2.0.0",
    flags="readonly",
    complexity="O(N) for N fields in the hash.",
    summary="Returns the values of all fields of a hash.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output_order"],
)
def hvals(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return [] if value is None else list(value.values())


@command(
    "HLEN",
    group="hash",
    since="2.0.0",
    flags="readonly fast",
    summary="Returns how many fields a hash has.",
    arguments=[Key("key", "RO")],
)
def hlen(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return 0 if value is None else len(value)


@command(
    "HEXISTS",
    group="hash",
    since="2.0.0",
    flags="readonly fast",
    summary="Tests whether a hash has a field.",
    arguments=[Key("key", "RO"), String("field")],
)
def hexists(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return 1 if value is not None and argv[2] in value else 0


@command(
    "HSTRLEN",
    group="hash",
    since="3.2.0",
    flags="readonly fast",
    summary="Returns the length of a hash field's value, in bytes.",
    arguments=[Key("key", "RO"), String("field")],
)
def hstrlen(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    return 0 if value is None else len(value.get(argv[2], b""))


@command(
    "HRANDFIELD",
    group="hash",
    since="6.2.0",
    flags="readonly",
    complexity="O(N) for N fields returned.",
    summary="Returns random fields of a hash.",
    arguments=[
        Key("key", "RO access"),
        ArgumentGroup(
            "options", Integer("count"), Token("WITHVALUES", optional=True), optional=True
        ),
    ],
    tips=["nondeterministic_output"],
)
def hrandfield(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 2:
        value = ctx.db.read_as(argv[1], Hash)
        return None if value is None else value.pick(ctx.rng)
    with_values = len(argv) == 4 and argv[3].upper() == b"WITHVALUES"
    count = parse_random_count(argv[2])
    if len(argv) > 3 and not with_values:
        raise CommandError(SYNTAX)
    if with_values and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
        raise CommandError("ERR value is out of range")
    value = ctx.db.read_as(argv[1], Hash)
    if value is None:
        return []
    if count < 0 and not are_few(-count, len(value)):
        items = Pairs(list(value.items())) if with_values else list(value)
        return random_picks(items, -count, ctx.rng)
    if count >= 0:
        fields = value.pick_distinct(count, ctx.rng)
    else:
        fields = [value.pick(ctx.rng) for _ in range(-count)]
    return Pairs([(field, value[field]) for field in fields]) if with_values else fields


@command(
    "HSCAN",
    group="hash",
    since="2.8.0",
    flags="readonly",
    complexity="O(1) per call, O(N) for a complete iteration over N fields.",
    summary="Iterates over the fields of a hash and their values, a few per call.",
    arguments=[
        Key("key", "RO access"),
        Integer("cursor"),
        Pattern("pattern", "MATCH", optional=True),
        Integer("count", "COUNT", optional=True),
        Token("NOVALUES", optional=True),
    ],
    tips=["nondeterministic_output"],
)
def hscan(ctx: Context, argv: list[bytes]) -> Reply:
    cursor = parse_cursor(argv[2])
    value = ctx.db.read_as(argv[1], Hash)
    if value is None:
        return [b"0", []]
    options = parse_scan_options(argv, 3, bare=b"NOVALUES")
    following, fields = value.scan(cursor, options.count)
    picked = options.pick(fields)
    if not options.bare:
        picked = [word for field in picked for word in (field, value[field])]
    return [b"%d" % following, picked]
