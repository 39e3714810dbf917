"""Numbers stored as strings: INCR and its relatives."""

from __future__ import annotations

from commands.engine.errors import (
    INCREMENT_NAN_OR_INF,
    INCREMENT_OVERFLOW,
    NOT_A_FLOAT,
    CommandError,
)
from commands.engine.grammar import Double, Integer, Key
from commands.engine.long_doubles import add_long_doubles, read_long_double
from commands.engine.numbers import INT64_MAX, INT64_MIN, parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.database import Database


def _add(db: Database, key: bytes, amount: int) -> int:
    """Add to the integer stored at the key and return the sum."""
    value = db.fetch_string(key)
    if value is None:
        db.store(key, b"%d" % amount, "incrby")
        return amount
    # Most counters are short and positive. For those, three cheap checks replace the full
    # parser, which would take twice as long as all the rest.
    if value.isdigit() and len(value) < 19 and value[0] != 0x30:
        number = int(value) + amount
    else:
        number = parse_integer(value) + amount
    if not INT64_MIN <= number <= INT64_MAX:
        raise CommandError(INCREMENT_OVERFLOW)
    db.store(key, b"%d" % number, "incrby", keep_ttl=True)
    return number


@command(
    "INCR",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Adds one to the integer stored at a key; a missing key counts as 0.",
    arguments=[Key("key", "RW access update")],
)
def incr(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx.db, argv[1], 1)


@command(
    "DECR",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Subtracts one from the integer stored at a key; a missing key counts as 0.",
    arguments=[Key("key", "RW access update")],
)
def decr(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx.db, argv[1], -1)


@command(
    "INCRBY",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Adds to the integer stored at a key; a missing key counts as 0.",
    arguments=[Key("key", "RW access update"), Integer("increment")],
)
def incrby(ctx: Context, argv: list[bytes]) -> Reply:
    return _add(ctx.db, argv[1], parse_integer(argv[2]))


@command(
    "DECRBY",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Subtracts from the integer stored at a key; a missing key counts as 0.",
    arguments=[Key("key", "RW access update"), Integer("decrement")],
)
def decrby(ctx: Context, argv: list[bytes]) -> Reply:
    amount = parse_integer(argv[2])
    if amount == INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    return _add(ctx.db, argv[1], -amount)


@command(
    "INCRBYFLOAT",
    group="string",
    since="2.6.0",
    flags="write denyoom fast",
    summary="Adds to the decimal number stored at a key; a missing key counts as 0.",
    arguments=[Key("key", "RW access update"), Double("increment")],
)
def incrbyfloat(ctx: Context, argv: list[bytes]) -> Reply:
    key, db = argv[1], ctx.db
    value = db.fetch_string(key)
    number = read_long_double(b"0" if value is None else bytes(value))
    amount = read_long_double(argv[2])
    if number is None or amount is None:
        raise CommandError(NOT_A_FLOAT)
    text = add_long_doubles(number, amount)
    if text is None:
        raise CommandError(INCREMENT_NAN_OR_INF)
    db.store(key, text, "incrbyfloat", keep_ttl=True)
    # The sum depends on the machine's floating point, so the result is logged.
    ctx.log_as([b"SET", key, text, b"KEEPTTL"])
    return text
