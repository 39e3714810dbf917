"""Expiry of single hash fields, and commands that read or set fields and their expiry at once.

The reply has one number per field: -2 if the field does not exist, -1 if it has no deadline,
0 if the condition is not met, 1 if the change was made, and 2 if the field was removed
because the deadline has already passed.

The options are not parsed from the declarations: Redis checks the type of the key before it
reads them, and HSETEX has error texts of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import CommandError, invalid_expire, wrong_arity
from commands.engine.grammar import (
    Argument,
    ArgumentGroup,
    Integer,
    Key,
    OneOf,
    String,
    Token,
    UnixTime,
)
from commands.engine.numbers import INT64_MAX, parse_in_range, parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.hashes.log_entries import counted, expire_requests, log_fields, set_request
from commands.instance.context import Context
from storage.values.hashes import Hash

# Redis stores the deadlines of fields in 46 bits.
_LATEST = (1 << 46) - 1

_NO_FIELD, _NO_DEADLINE, _CONDITION_NOT_MET, _DONE, _REMOVED = -2, -1, 0, 1, 2

_FIELDS_MISSING = "ERR Mandatory argument FIELDS is missing or not at the right position"
_COUNT_MISMATCH = "ERR The `numfields` parameter must match the number of arguments"
_NO_COUNT = "ERR Number of fields must be a positive integer"
_NO_EXPIRE_COUNT = "ERR Parameter `numFields` should be greater than 0"

_FIELDS = ArgumentGroup(
    "fields", Integer("numfields"), String("field", multiple=True), token="FIELDS"
)
_CONDITION = OneOf("condition", Token("NX"), Token("XX"), Token("GT"), Token("LT"), optional=True)


def _expiration(last: Argument) -> Argument:
    return OneOf(
        "expiration",
        Integer("seconds", "EX"),
        Integer("milliseconds", "PX"),
        UnixTime("unix-time-seconds", "EXAT"),
        UnixTime("unix-time-milliseconds", "PXAT"),
        last,
        optional=True,
    )


# --- parsing -----------------------------------------------------------------------------


def _parse_deadline(text: bytes, unit: int, base: int, name: bytes) -> int:
    """Convert a time, in units of `unit` ms counted from `base`, into epoch ms."""
    number = parse_integer(text)
    if number < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    deadline = number * unit + base
    if deadline > _LATEST:
        raise invalid_expire(name.decode())
    return deadline


def _parse_fields(argv: list[bytes], at: int, no_count: str = _NO_COUNT) -> list[bytes]:
    """Parse `FIELDS count field ...`, which starts at `at` and extends to the end."""
    if at >= len(argv) or argv[at].upper() != b"FIELDS":
        raise CommandError(_FIELDS_MISSING)
    if at + 1 == len(argv):
        raise CommandError(_COUNT_MISMATCH)
    if parse_in_range(argv[at + 1], 1, INT64_MAX, no_count) != len(argv) - at - 2:
        raise CommandError(_COUNT_MISMATCH)
    return argv[at + 2 :]


def _unit_and_base(option: bytes, now: int) -> tuple[int, int]:
    """Return the unit in ms and the base of EX, PX, EXAT or PXAT."""
    return (1 if option.startswith(b"P") else 1000), (0 if option.endswith(b"AT") else now)


# --- setting deadlines -------------------------------------------------------------------


def _set_deadline(value: Hash, field: bytes, deadline: int, condition: bytes, now: int) -> int:
    """Set the deadline of a field if the condition is met, and return what was done."""
    if field not in value:
        return _NO_FIELD
    before = value.deadline(field)
    if condition and not _is_met(condition, before, deadline):
        return _CONDITION_NOT_MET
    if deadline <= now:
        value.remove(field)
        return _REMOVED
    value.set_deadline(field, deadline)
    return _DONE


def _is_met(condition: bytes, before: int | None, deadline: int) -> bool:
    # A field without a deadline counts as one that expires last.
    if condition == b"NX":
        return before is None
    if condition == b"XX":
        return before is not None
    if condition == b"GT":
        return before is not None and deadline > before
    return before is None or deadline < before


def _record_deadlines(
    ctx: Context, key: bytes, value: Hash, fields: Sequence[bytes], outcomes: list[int]
) -> None:
    """Report the outcomes of `_set_deadline` to the database and the log."""
    expiring = [field for field, outcome in zip(fields, outcomes, strict=True) if outcome == _DONE]
    removed = [
        field for field, outcome in zip(fields, outcomes, strict=True) if outcome == _REMOVED
    ]
    if not expiring and not removed:
        return
    ctx.db.note_field_deadlines(key, value)
    ctx.db.finish_change(key, value, "hdel" if removed else "hexpire", len(expiring) + len(removed))
    requests = expire_requests(key, value, dict.fromkeys(expiring))
    if removed:
        requests.append([b"HDEL", key, *dict.fromkeys(removed)])
    ctx.log_as(*requests)


def _expire(ctx: Context, argv: list[bytes], unit: int, base: int) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    deadline = _parse_deadline(argv[2], unit, base, argv[0])
    condition = argv[3].upper()
    if condition in (b"NX", b"XX", b"GT", b"LT"):
        fields = _parse_fields(argv, 4, _NO_EXPIRE_COUNT)
    else:
        condition = b""
        fields = _parse_fields(argv, 3, _NO_EXPIRE_COUNT)
    if value is None:
        return [_NO_FIELD] * len(fields)
    now = ctx.now
    outcomes = [_set_deadline(value, field, deadline, condition, now) for field in fields]
    _record_deadlines(ctx, key, value, fields, outcomes)
    return outcomes


@command(
    "HEXPIRE",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Makes fields of a hash expire after a number of seconds.",
    arguments=[Key("key", "RW update"), Integer("seconds"), _CONDITION, _FIELDS],
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
    arguments=[Key("key", "RW update"), Integer("milliseconds"), _CONDITION, _FIELDS],
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
    arguments=[Key("key", "RW update"), Integer("unix-time-seconds"), _CONDITION, _FIELDS],
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
    arguments=[Key("key", "RW update"), Integer("unix-time-milliseconds"), _CONDITION, _FIELDS],
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
    arguments=[Key("key", "RW update"), _FIELDS],
)
def hpersist(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    fields = _parse_fields(argv, 2)
    if value is None:
        return [_NO_FIELD] * len(fields)
    outcomes = [
        _NO_FIELD if field not in value else _DONE if value.clear_deadline(field) else _NO_DEADLINE
        for field in fields
    ]
    if _DONE in outcomes:
        ctx.db.note_field_deadlines(key, value)
        ctx.db.changed(key, "hpersist")
    return outcomes


# --- reading deadlines -------------------------------------------------------------------


def _deadlines(ctx: Context, argv: list[bytes], unit: int, base: int) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    fields = _parse_fields(argv, 2)
    if value is None:
        return [_NO_FIELD] * len(fields)
    replies = []
    for field in fields:
        deadline = value.deadline(field)
        if deadline is not None:
            replies.append((deadline - base + unit - 1) // unit)
        else:
            replies.append(_NO_DEADLINE if field in value else _NO_FIELD)
    return replies


@command(
    "HTTL",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) for N fields given.",
    summary="Returns in how many seconds fields of a hash expire.",
    arguments=[Key("key", "RO access"), _FIELDS],
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
    arguments=[Key("key", "RO access"), _FIELDS],
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
    arguments=[Key("key", "RO access"), _FIELDS],
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
    arguments=[Key("key", "RO access"), _FIELDS],
)
def hpexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1, 0)


# --- values and deadlines together -------------------------------------------------------


@command(
    "HGETDEL",
    group="hash",
    since="8.0.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Returns the values of fields of a hash and removes the fields.",
    arguments=[Key("key", "RW access delete"), _FIELDS],
)
def hgetdel(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    fields = _parse_fields(argv, 2)
    if value is None:
        return [None] * len(fields)
    replies = []
    removed = []
    for field in fields:
        replies.append(value.get(field))
        if value.remove(field):
            removed.append(field)
    if removed:
        ctx.db.finish_change(key, value, "hdel", len(removed))
        ctx.log_as([b"HDEL", key, *removed])
    return replies


@command(
    "HGETEX",
    group="hash",
    since="8.0.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Returns the values of fields of a hash and sets or removes their expiry.",
    arguments=[Key("key", "RW access update"), _expiration(Token("PERSIST")), _FIELDS],
)
def hgetex(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    option = argv[2].upper()
    deadline = None
    if option in (b"EX", b"PX", b"EXAT", b"PXAT"):
        deadline = _parse_deadline(argv[3], *_unit_and_base(option, ctx.now), argv[0])
        fields = _parse_fields(argv, 4)
    else:
        fields = _parse_fields(argv, 3 if option == b"PERSIST" else 2)
    if value is None:
        return [None] * len(fields)
    replies: list[bytes | None] = []
    if deadline is not None:
        outcomes = []
        for field in fields:
            replies.append(value.get(field))
            outcomes.append(_set_deadline(value, field, deadline, b"", ctx.now))
        _record_deadlines(ctx, key, value, fields, outcomes)
        return replies
    replies = [value.get(field) for field in fields]
    if option == b"PERSIST":
        persisted = [field for field in fields if value.clear_deadline(field)]
        if persisted:
            ctx.db.note_field_deadlines(key, value)
            ctx.db.changed(key, "hpersist", len(persisted))
            ctx.log_as([b"HPERSIST", key, *counted(persisted)])
    return replies


@dataclass(slots=True)
class _SetOptions:
    """The parsed request of HSETEX, without its key."""

    # NX or XX for the key, FNX or FXX for the fields; empty if not given.
    key_condition: bytes = b""
    field_condition: bytes = b""
    deadline: int | None = None
    keep_ttl: bool = False
    # Fields and values, alternating.
    words: Sequence[bytes] = ()


def _parse_set_options(argv: list[bytes], now: int) -> _SetOptions:
    options = _SetOptions()
    arguments = Arguments(argv, 2)
    while arguments:
        option = arguments.option()
        if option == b"FIELDS":
            if len(arguments) < 3:
                break
            count = parse_in_range(arguments.word(), 1, 2**31 - 1, "ERR invalid number of fields")
            options.words = arguments.rest()
            if len(options.words) != 2 * count:
                break
            return options
        if option in (b"EX", b"PX", b"EXAT", b"PXAT", b"KEEPTTL"):
            if options.keep_ttl or options.deadline is not None:
                raise CommandError(
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
                )
            if option == b"KEEPTTL":
                options.keep_ttl = True
                continue
            if not arguments:
                raise CommandError("ERR missing expire time")
            unit, base = _unit_and_base(option, now)
            options.deadline = _parse_deadline(arguments.word(), unit, base, argv[0])
        elif option in (b"FNX", b"FXX"):
            if options.field_condition:
                raise CommandError("ERR Only one of FXX or FNX arguments can be specified")
            options.field_condition = option
        elif option in (b"NX", b"XX"):
            if options.key_condition:
                raise CommandError("ERR Only one of XX or NX arguments can be specified")
            options.key_condition = option
        else:
            raise CommandError(b"ERR unknown argument: " + argv[len(argv) - len(arguments) - 1])
    raise wrong_arity("hsetex")


@command(
    "HSETEX",
    group="hash",
    since="8.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N fields given.",
    summary="Sets fields of a hash and their expiry.",
    arguments=[
        Key("key", "RW insert"),
        OneOf("key-condition", Token("NX"), Token("XX"), optional=True),
        OneOf("fields-condition", Token("FNX"), Token("FXX"), optional=True),
        _expiration(Token("KEEPTTL")),
        ArgumentGroup(
            "fields",
            Integer("numfields"),
            ArgumentGroup("data", String("field"), String("value"), multiple=True),
            token="FIELDS",
        ),
    ],
)
def hsetex(ctx: Context, argv: list[bytes]) -> Reply:
    options = _parse_set_options(argv, ctx.now)
    db, key, words = ctx.db, argv[1], options.words
    value = db.fetch_as(key, Hash)
    fields = list(dict.fromkeys(words[::2]))
    if options.key_condition and (value is None) != (options.key_condition == b"NX"):
        return 0
    if options.field_condition:
        present = [value is not None and field in value for field in fields]
        if any(present) if options.field_condition == b"FNX" else not all(present):
            return 0
    deadline = options.deadline
    if deadline is not None and deadline <= ctx.now:
        _set_in_the_past(ctx, key, value, fields)
        return 1
    target = Hash() if value is None else value
    count = len(words) // 2
    for at in range(0, len(words), 2):
        target.put(words[at], words[at + 1], ctx.limits, keep_ttl=options.keep_ttl)
    if value is None:
        db.store(key, target, "hset", count=count)
    else:
        db.changed(key, "hset", count)
    if deadline is None:
        if options.keep_ttl:
            log_fields(ctx, key, target, fields)
        else:
            ctx.log_as(set_request(key, target, fields))
        return 1
    for field in fields:
        target.set_deadline(field, deadline)
    db.note_field_deadlines(key, target)
    db.notify(key, "hexpire")
    log_fields(ctx, key, target, fields)
    return 1


def _set_in_the_past(ctx: Context, key: bytes, value: Hash | None, fields: list[bytes]) -> None:
    """Remove the fields: values with a deadline in the past are never stored."""
    removed = [] if value is None else [field for field in fields if value.remove(field)]
    if value is None or not removed:
        return
    ctx.db.notify(key, "hset")
    ctx.db.finish_change(key, value, "hdel", len(removed))
    ctx.log_as([b"HDEL", key, *removed])
