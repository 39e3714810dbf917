"""Expiry of single hash fields.

The reply has one number per field: -2 if the field does not exist, -1 if it has no deadline,
0 if the condition is not met, 1 if the change was made, and 2 if the field was removed
because the deadline has already passed.

The arguments are not parsed from the declarations: Redis checks the type of the key before
it reads them.
"""

from __future__ import annotations

from commands.engine.grammar import Integer, Key, OneOf, Token
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.hashes.field_deadlines import (
    DONE,
    FIELDS,
    NO_DEADLINE,
    NO_FIELD,
    parse_deadline,
    parse_fields,
    record_deadlines,
    set_deadline,
)
from commands.instance.context import Context
from storage.values.hashes import Hash

_NO_EXPIRE_COUNT = "ERR Parameter `numFields` should be greater than 0"

_CONDITION = OneOf("condition", Token("NX"), Token("XX"), Token("GT"), Token("LT"), optional=True)


# --- setting deadlines -------------------------------------------------------------------


def _expire(ctx: Context, argv: list[bytes], unit: int, base: int) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    deadline = parse_deadline(argv[2], unit, base, argv[0])
    condition = argv[3].upper()
    if condition in (b"NX", b"XX", b"GT", b"LT"):
        fields = parse_fields(argv, 4, _NO_EXPIRE_COUNT)
    else:
        condition = b""
        fields = parse_fields(argv, 3, _NO_EXPIRE_COUNT)
    if value is None:
        return [NO_FIELD] * len(fields)
    now = ctx.now
    outcomes = [set_deadline(value, field, deadline, condition, now) for field in fields]
    record_deadlines(ctx, key, value, fields, outcomes)
    return outcomes


@command(
    "HEXPIRE",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash expire after a number of seconds.",
    arguments=[Key("key", "RW update"), Integer("seconds"), _CONDITION, FIELDS],
)
def hexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1000, ctx.now)


@command(
    "HPEXPIRE",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash expire after a number of milliseconds.",
    arguments=[Key("key", "RW update"), Integer("milliseconds"), _CONDITION, FIELDS],
)
def hpexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, ctx.now)


@command(
    "HEXPIREAT",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash expire at a Unix time in seconds.",
    arguments=[Key("key", "RW update"), Integer("unix-time-seconds"), _CONDITION, FIELDS],
)
def hexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1000, 0)


@command(
    "HPEXPIREAT",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash expire at a Unix time in milliseconds.",
    arguments=[Key("key", "RW update"), Integer("unix-time-milliseconds"), _CONDITION, FIELDS],
)
def hpexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, 0)


@command(
    "HPERSIST",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash persistent by removing their expiry.",
    arguments=[Key("key", "RW update"), FIELDS],
)
def hpersist(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    fields = parse_fields(argv, 2)
    if value is None:
        return [NO_FIELD] * len(fields)
    outcomes = [
        NO_FIELD if field not in value else DONE if value.clear_deadline(field) else NO_DEADLINE
        for field in fields
    ]
    persisted = outcomes.count(DONE)
    if persisted:
        ctx.db.note_field_deadlines(key, value)
        ctx.db.changed(key, "hpersist", persisted)
    return outcomes


# --- reading deadlines -------------------------------------------------------------------


def _deadlines(ctx: Context, argv: list[bytes], unit: int, base: int) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    fields = parse_fields(argv, 2)
    if value is None:
        return [NO_FIELD] * len(fields)
    replies = []
    for field in fields:
        deadline = value.deadline(field)
        if deadline is not None:
            replies.append((deadline - base + unit - 1) // unit)
        else:
            replies.append(NO_DEADLINE if field in value else NO_FIELD)
    return replies


@command(
    "HTTL",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns in how many seconds fields of a hash expire.",
    arguments=[Key("key", "RO access"), FIELDS],
)
def httl(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1000, ctx.now)


@command(
    "HPTTL",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns in how many milliseconds fields of a hash expire.",
    arguments=[Key("key", "RO access"), FIELDS],
)
def hpttl(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1, ctx.now)


@command(
    "HEXPIRETIME",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns the Unix time in seconds at which fields of a hash expire.",
    arguments=[Key("key", "RO access"), FIELDS],
)
def hexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1000, 0)


@command(
    "HPEXPIRETIME",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns the Unix time in milliseconds at which fields of a hash expire.",
    arguments=[Key("key", "RO access"), FIELDS],
)
def hpexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1, 0)
