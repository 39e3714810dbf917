"""Parts of strings: appending, overwriting and reading a range."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.errors import STRING_TOO_LONG, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# Bytes of padding that are added at once.
_PIECE = 1 << 20


def check_length(ctx: Context, length: int) -> None:
    """Raise an error if a string would be longer than a client may send."""
    if length > ctx.instance.settings.proto_max_bulk_len:
        raise CommandError(STRING_TOO_LONG)


def lengthen(value: bytearray, length: int) -> None:
    """Pad a string with zeros, in pieces: all of them at once would take their size twice."""
    while len(value) < length:
        value += bytes(min(length - len(value), _PIECE))


def clamp_range(start: int, end: int, length: int) -> tuple[int, int]:
    """Convert an inclusive range, negative from the end, into a slice."""
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
    summary="Appends to the string stored at a key; a missing key counts as empty.",
    complexity="O(1) amortized for a short value.",
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


def _parse_offset(word: bytes) -> int:
    offset = parse_integer(word)
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    return offset


@dataclass(slots=True)
class Overwrite:
    key: bytes
    offset: int
    value: bytes


@command(
    "SETRANGE",
    group="string",
    since="2.2.0",
    flags="write denyoom",
    complexity="O(M) for a value of M bytes, including the zeros that fill a gap.",
    summary="Overwrites part of a string, padding it with zero bytes if needed.",
    arguments=[
        Key("key", "RW update"),
        Integer("offset", convert=_parse_offset),
        String("value"),
    ],
    request=Overwrite,
)
def setrange(ctx: Context, request: Overwrite) -> Reply:
    key, offset, part, db = request.key, request.offset, request.value, ctx.db
    value = db.fetch_string(key)
    if not part:
        return 0 if value is None else len(value)
    check_length(ctx, offset + len(part))
    if value is None:
        value = bytearray(offset + len(part))
        value[offset:] = part
        db.store(key, value, "setrange")
        return len(value)
    value = db.fetch_buffer(key)
    assert value is not None
    lengthen(value, offset)
    value[offset : offset + len(part)] = part
    db.changed(key, "setrange")
    return len(value)


@command(
    "GETRANGE",
    group="string",
    since="2.4.0",
    flags="readonly",
    complexity="O(N) for a reply of N bytes.",
    summary="Returns the part of a string between two offsets.",
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
    complexity="O(N) for a reply of N bytes.",
    summary="Returns the part of a string between two offsets.",
    arguments=[Key("key", "RO access"), Integer("start"), Integer("end")],
    deprecated=("2.0.0", "`GETRANGE`"),
)
def substr(ctx: Context, argv: list[bytes]) -> Reply:
    return getrange(ctx, argv)
