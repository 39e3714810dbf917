"""Strings in parts: appending, overwriting and cutting out."""

from __future__ import annotations

from commands.engine.errors import STRING_TOO_LONG, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


def check_length(ctx: Context, length: int) -> None:
    """An error where a string would outgrow what a client may send as one."""
    if length > ctx.instance.settings.proto_max_bulk_len:
        raise CommandError(STRING_TOO_LONG)


def clamp_range(start: int, end: int, length: int) -> tuple[int, int]:
    """Redis' inclusive range, negative from the end, as a slice; empty where it is."""
    if start < 0:
        start = max(start + length, 0)
    if end < 0:
        end = max(end + length, 0)
    end = min(end, length - 1) + 1
    return start, max(end, start)


@command(
    "APPEND",
    group="string",
    since="2.0.0",
    flags="write denyoom fast",
    summary="Adds to the end of a string, which begins empty.",
    complexity="O(1), amortized, for what is appended at a time.",
    arguments=[Key("key", "RW insert"), String("value")],
)
def append(ctx: Context, argv: list[bytes]) -> Reply:
    key, more, db = argv[1], argv[2], ctx.db
    value = db.fetch_string(key)
    if value is None:
        db.store(key, more, "append")
        return len(more)
    check_length(ctx, len(value) + len(more))
    value = db.fetch_buffer(key)
    assert value is not None
    value += more
    db.changed(key, "append")
    return len(value)


@command(
    "SETRANGE",
    group="string",
    since="2.2.0",
    flags="write denyoom",
    complexity="O(M) for the length M of the value, and of the zeros that fill a gap.",
    summary="Overwrites a string from an offset on, filling a gap with zero bytes.",
    arguments=[Key("key", "RW update"), Integer("offset"), String("value")],
)
def setrange(ctx: Context, argv: list[bytes]) -> Reply:
    key, part, db = argv[1], argv[3], ctx.db
    offset = parse_integer(argv[2])
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    value = db.fetch_string(key)
    if not part:
        return 0 if value is None else len(value)
    check_length(ctx, offset + len(part))
    if value is None:
        value = bytearray(offset)
        value += part
        db.store(key, value, "setrange")
        return len(value)
    value = db.fetch_buffer(key)
    assert value is not None
    if offset > len(value):
        value += bytes(offset - len(value))
    value[offset : offset + len(part)] = part
    db.changed(key, "setrange")
    return len(value)


@command(
    "GETRANGE",
    group="string",
    since="2.4.0",
    flags="readonly",
    complexity="O(N) for the length N of the reply.",
    summary="Answers a part of a string.",
    arguments=[Key("key", "RO access"), Integer("start"), Integer("end")],
)
def getrange(ctx: Context, argv: list[bytes]) -> Reply:
    start, end = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.read_string(argv[1])
    if value is None or (start < 0 and end < 0 and start > end):
        return b""
    start, end = clamp_range(start, end, len(value))
    return value[start:end]


@command(
    "SUBSTR",
    group="string",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) for the length N of the reply.",
    summary="Answers a part of a string.",
    arguments=[Key("key", "RO access"), Integer("start"), Integer("end")],
    deprecated=("2.0.0", "`GETRANGE`"),
)
def substr(ctx: Context, argv: list[bytes]) -> Reply:
    return getrange(ctx, argv)
