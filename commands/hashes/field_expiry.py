"""Deadlines of single hash fields, and the commands that read or set fields along with them.

Answers per field: -2 there is no such field, -1 it has no deadline, 0 the condition does
not hold, 1 done, 2 removed because the deadline has passed already.
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

# Redis keeps deadlines of fields in 46 bits.
_LATEST = (1 << 46) - 1

_NO_FIELD, _NO_DEADLINE, _REFUSED, _DONE, _REMOVED = -2, -1, 0, 1, 2

_NO_FIELDS_WORD = "ERR Mandatory argument FIELDS is missing or not at the right position"
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
    """A time in units of `unit` ms, counted from `base`, in epoch ms."""
    number = parse_integer(text)
    if number < 0:
        raise CommandError("ERR invalid expire time, must be >= 0")
    deadline = number * unit + base
    if deadline > _LATEST:
        raise invalid_expire(name.decode())
    return deadline


def _parse_fields(argv: list[bytes], at: int, no_count: str = _NO_COUNT) -> list[bytes]:
    """The fields named by `FIELDS count field ...`, which begins at `at` and ends argv."""
    if at >= len(argv) or argv[at].upper() != b"FIELDS":
        raise CommandError(_NO_FIELDS_WORD)
    if at + 1 == len(argv):
        raise CommandError(_COUNT_MISMATCH)
    if parse_in_range(argv[at + 1], 1, INT64_MAX, no_count) != len(argv) - at - 2:
        raise CommandError(_COUNT_MISMATCH)
    return argv[at + 2 :]


def _unit_and_base(option: bytes, now: int) -> tuple[int, int]:
    """How EX, PX, EXAT and PXAT count."""
    return (1 if option.startswith(b"P") else 1000), (0 if option.endswith(b"AT") else now)


# --- giving deadlines --------------------------------------------------------------------


def _give(value: Hash, field: bytes, deadline: int, condition: bytes, now: int) -> int:
    """Let a field run out at a time, if the condition holds."""
    if field not in value:
        return _NO_FIELD
    before = value.deadline(field)
    if condition and not _holds(condition, before, deadline):
        return _REFUSED
    if deadline <= now:
        value.remove(field)
        return _REMOVED
    value.set_deadline(field, deadline)
    return _DONE


def _holds(condition: bytes, before: int | None, deadline: int) -> bool:
    # No deadline counts as the latest one there can be.
    if condition == b"NX":
        return before is None
    if condition == b"XX":
        return before is not None
    if condition == b"GT":
        return before is not None and deadline > before
    return before is None or deadline < before


def _given(
    ctx: Context, key: bytes, value: Hash, fields: Sequence[bytes], outcomes: list[int]
) -> None:
    """Tell the door and the log what `_give` came to for each field."""
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
    outcomes = [_give(value, field, deadline, condition, now) for field in fields]
    _given(ctx, key, value, fields, outcomes)
    return outcomes


@command(
    "HEXPIRE",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Lets fields of a hash run out after a number of seconds.",
    arguments=[Key("key", "RW update"), Integer("seconds"), _CONDITION, _FIELDS],
)
def hexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1000, ctx.now)


@command(
    "HPEXPIRE",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Lets fields of a hash run out after a number of milliseconds.",
    arguments=[Key("key", "RW update"), Integer("milliseconds"), _CONDITION, _FIELDS],
)
def hpexpire(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, ctx.now)


@command(
    "HEXPIREAT",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Lets fields of a hash run out at a Unix time in seconds.",
    arguments=[Key("key", "RW update"), Integer("unix-time-seconds"), _CONDITION, _FIELDS],
)
def hexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1000, 0)


@command(
    "HPEXPIREAT",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Lets fields of a hash run out at a Unix time in milliseconds.",
    arguments=[Key("key", "RW update"), Integer("unix-time-milliseconds"), _CONDITION, _FIELDS],
)
def hpexpireat(ctx: Context, argv: list[bytes]) -> Reply:
    return _expire(ctx, argv, 1, 0)


@command(
    "HPERSIST",
    group="hash",
    since="7.4.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Takes the deadlines of fields of a hash away.",
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


# --- asking for deadlines ----------------------------------------------------------------


def _deadlines(ctx: Context, argv: list[bytes], unit: int, base: int) -> Reply:
    value = ctx.db.read_as(argv[1], Hash)
    fields = _parse_fields(argv, 2)
    if value is None:
        return [_NO_FIELD] * len(fields)
    answers = []
    for field in fields:
        deadline = value.deadline(field)
        if deadline is not None:
            answers.append((deadline - base + unit - 1) // unit)
        else:
            answers.append(_NO_DEADLINE if field in value else _NO_FIELD)
    return answers


@command(
    "HTTL",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers in how many seconds fields of a hash run out.",
    arguments=[Key("key", "RO access"), _FIELDS],
)
def httl(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1000, ctx.now)


@command(
    "HPTTL",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers in how many milliseconds fields of a hash run out.",
    arguments=[Key("key", "RO access"), _FIELDS],
)
def hpttl(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1, ctx.now)


@command(
    "HEXPIRETIME",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers at which Unix time in seconds fields of a hash run out.",
    arguments=[Key("key", "RO access"), _FIELDS],
)
def hexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1000, 0)


@command(
    "HPEXPIRETIME",
    group="hash",
    since="7.4.0",
    flags="readonly fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers at which Unix time in milliseconds fields of a hash run out.",
    arguments=[Key("key", "RO access"), _FIELDS],
)
def hpexpiretime(ctx: Context, argv: list[bytes]) -> Reply:
    return _deadlines(ctx, argv, 1, 0)


# --- fields along with their deadlines ---------------------------------------------------


@command(
    "HGETDEL",
    group="hash",
    since="8.0.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers the values of fields of a hash and removes them.",
    arguments=[Key("key", "RW access delete"), _FIELDS],
)
def hgetdel(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    fields = _parse_fields(argv, 2)
    if value is None:
        return [None] * len(fields)
    answers = []
    removed = []
    for field in fields:
        answers.append(value.get(field))
        if value.remove(field):
            removed.append(field)
    if removed:
        ctx.db.finish_change(key, value, "hdel", len(removed))
        ctx.log_as([b"HDEL", key, *removed])
    return answers


@command(
    "HGETEX",
    group="hash",
    since="8.0.0",
    flags="write fast",
    complexity="O(N) with N the number of fields given",
    summary="Answers the values of fields of a hash and changes when they run out.",
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
    answers: list[bytes | None] = []
    if deadline is not None:
        outcomes = []
        for field in fields:
            answers.append(value.get(field))
            outcomes.append(_give(value, field, deadline, b"", ctx.now))
        _given(ctx, key, value, fields, outcomes)
        return answers
    answers = [value.get(field) for field in fields]
    if option == b"PERSIST":
        freed = [field for field in fields if value.clear_deadline(field)]
        if freed:
            ctx.db.note_field_deadlines(key, value)
            ctx.db.changed(key, "hpersist", len(freed))
            ctx.log_as([b"HPERSIST", key, *counted(freed)])
    return answers


@dataclass(slots=True)
class _SetOptions:
    """What HSETEX was asked for."""

    # NX or XX for the key, FNX or FXX for the fields; empty for none.
    key_condition: bytes = b""
    field_condition: bytes = b""
    deadline: int | None = None
    keep_ttl: bool = False
    # Fields and values in turn.
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
    complexity="O(N) with N the number of fields given",
    summary="Sets fields of a hash together with when they run out.",
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
    """What is set to have run out already only removes what was there before it."""
    gone = [] if value is None else [field for field in fields if value.remove(field)]
    if value is None or not gone:
        return
    ctx.db.notify(key, "hset")
    ctx.db.finish_change(key, value, "hdel", len(gone))
    ctx.log_as([b"HDEL", key, *gone])
