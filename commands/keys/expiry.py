"""Expiry of keys: setting, reading and removing deadlines."""

from __future__ import annotations

from commands.engine.errors import CommandError, invalid_expire
from commands.engine.grammar import Argument, Integer, Key, OneOf, Token, UnixTime
from commands.engine.numbers import INT64_MAX, INT64_MIN, parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_CONDITION = OneOf(
    "condition",
    Token("NX"),
    Token("XX"),
    Token("GT"),
    Token("LT"),
    optional=True,
    since="7.0.0",
)
_KEY = Key("key", "RW update")
_HISTORY = (("7.0.0", "Accepts the conditions `NX`, `XX`, `GT` and `LT`."),)


def _arguments(time: Argument) -> list[Argument]:
    return [_KEY, time, _CONDITION]


@command(
    "EXPIRE",
    group="generic",
    since="1.0.0",
    flags="write fast",
    summary="Makes a key expire after a number of seconds.",
    arguments=_arguments(Integer("seconds")),
    history=_HISTORY,
)
def expire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, "expire", ctx.now, 1000)


@command(
    "PEXPIRE",
    group="generic",
    since="2.6.0",
    flags="write fast",
    summary="Makes a key expire after a number of milliseconds.",
    arguments=_arguments(Integer("milliseconds")),
    history=_HISTORY,
)
def pexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, "pexpire", ctx.now, 1)


@command(
    "EXPIREAT",
    group="generic",
    since="1.2.0",
    flags="write fast",
    summary="Makes a key expire at a Unix time in seconds.",
    arguments=_arguments(UnixTime("unix-time-seconds")),
    history=_HISTORY,
)
def expireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, "expireat", 0, 1000)


@command(
    "PEXPIREAT",
    group="generic",
    since="2.6.0",
    flags="write fast",
    summary="Makes a key expire at a Unix time in milliseconds.",
    arguments=_arguments(UnixTime("unix-time-milliseconds")),
    history=_HISTORY,
)
def pexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, "pexpireat", 0, 1)


def _expire(ctx: Context, argv: list[bytes], name: str, base: int, unit: int) -> int:
    """Set the deadline: the number given, in units of `unit` ms, counted from `base`."""
    conditions = _conditions(argv) if len(argv) > 3 else None
    deadline = parse_integer(argv[2]) * unit
    if not INT64_MIN <= deadline <= INT64_MAX - base:
        raise invalid_expire(name)
    deadline += base
    db, key = ctx.db, argv[1]
    if db.fetch(key) is None:
        return 0
    if conditions and not _allows(conditions, db.deadline(key), deadline):
        return 0
    if deadline <= ctx.now:
        db.delete(key)
        ctx.log_as([b"DEL", key])
        return 1
    db.expire_at(key, deadline)
    db.changed(key, "expire")
    ctx.log_as([b"PEXPIREAT", key, b"%d" % deadline])
    return 1


def _conditions(argv: list[bytes]) -> set[bytes]:
    conditions = set()
    for word in argv[3:]:
        condition = word.upper()
        if condition not in (b"NX", b"XX", b"GT", b"LT"):
            raise CommandError(b"ERR Unsupported option " + word)
        conditions.add(condition)
    if b"NX" in conditions and len(conditions) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if conditions >= {b"GT", b"LT"}:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return conditions


def _allows(conditions: set[bytes], current: int | None, deadline: int) -> bool:
    """Return whether the conditions allow the new deadline; without one a key never expires."""
    if current is None:
        return not conditions & {b"XX", b"GT"}
    return not (
        b"NX" in conditions
        or (b"GT" in conditions and deadline <= current)
        or (b"LT" in conditions and deadline >= current)
    )


@command(
    "PERSIST",
    group="generic",
    since="2.2.0",
    flags="write fast",
    summary="Makes a key persistent by removing its expiry.",
    arguments=[_KEY],
)
def persist(ctx: Context, argv: list[bytes]) -> Reply:
    db, key = ctx.db, argv[1]
    if db.fetch(key) is None or not db.persist(key):
        return 0
    db.changed(key, "persist")
    return 1


# --- reading deadlines ----------------------------------------------------------------------

_NO_KEY, _NO_DEADLINE = -2, -1


def _deadline(ctx: Context, key: bytes) -> int:
    """Return the deadline of a key, _NO_KEY or _NO_DEADLINE."""
    db = ctx.db
    if db.inspect(key) is None:
        return _NO_KEY
    deadline = db.deadline(key)
    return _NO_DEADLINE if deadline is None else deadline


@command(
    "TTL",
    group="generic",
    since="1.0.0",
    flags="readonly fast",
    summary="Returns in how many seconds a key expires.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output"],
    history=[("2.8.0", "Returns -2 if the key does not exist.")],
)
def ttl(ctx: Context, argv: list[bytes]) -> Reply:
    deadline = _deadline(ctx, argv[1])
    return deadline if deadline < 0 else (max(0, deadline - ctx.now) + 500) // 1000


@command(
    "PTTL",
    group="generic",
    since="2.6.0",
    flags="readonly fast",
    summary="Returns in how many milliseconds a key expires.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output"],
    history=[("2.8.0", "Returns -2 if the key does not exist.")],
)
def pttl(ctx: Context, argv: list[bytes]) -> Reply:
    deadline = _deadline(ctx, argv[1])
    return deadline if deadline < 0 else max(0, deadline - ctx.now)


@command(
    "EXPIRETIME",
    group="generic",
    since="7.0.0",
    flags="readonly fast",
    summary="Returns the Unix time in seconds at which a key expires.",
    arguments=[Key("key", "RO access")],
)
def expiretime(ctx: Context, argv: list[bytes]) -> Reply:
    deadline = _deadline(ctx, argv[1])
    return deadline if deadline < 0 else (deadline + 500) // 1000


@command(
    "PEXPIRETIME",
    group="generic",
    since="7.0.0",
    flags="readonly fast",
    summary="Returns the Unix time in milliseconds at which a key expires.",
    arguments=[Key("key", "RO access")],
)
def pexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadline(ctx, argv[1])
