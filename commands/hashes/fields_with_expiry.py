"""Commands that read or set hash fields and change their expiry, or remove them, at once.

The arguments are not parsed from the declarations: HGETDEL and HGETEX check the type of the
key before they read them, and HSETEX has error texts of its own for repeated options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import CommandError, wrong_arity
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
from commands.engine.numbers import INT32_MAX, parse_in_range
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.hashes.field_deadlines import (
    FIELDS,
    parse_deadline,
    parse_fields,
    record_deadlines,
    set_deadline,
)
from commands.hashes.log_entries import counted, log_fields, set_request
from commands.instance.context import Context
from storage.values.hashes import Hash


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


def _unit_and_base(option: bytes, now: int) -> tuple[int, int]:
    """Return the unit in ms and the base of EX, PX, EXAT or PXAT."""
    return (1 if option.startswith(b"P") else 1000), (0 if option.endswith(b"AT") else now)


@command(
    "HGETDEL",
    group="hash",
    since="8.0.0",
    flags="write fast",
    complexity="O(N) for N fields given.",
    summary="Returns the values of fields of a hash and removes the fields.",
    arguments=[Key("key", "RW access delete"), FIELDS],
)
def hgetdel(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    value = ctx.db.fetch_as(key, Hash)
    fields = parse_fields(argv, 2)
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
    arguments=[Key("key", "RW access update"), _expiration(Token("PERSIST")), FIELDS],
)
def hgetex(ctx: Context, argv: list[bytes]) -> Reply:
    key = argv[1]
    ctx.db.read(key)
    value = ctx.db.fetch_as(key, Hash)
    option = argv[2].upper()
    deadline = None
    if option in (b"EX", b"PX", b"EXAT", b"PXAT"):
        deadline = parse_deadline(argv[3], *_unit_and_base(option, ctx.now), argv[0])
        fields = parse_fields(argv, 4)
    else:
        fields = parse_fields(argv, 3 if option == b"PERSIST" else 2)
    if value is None:
        return [None] * len(fields)
    replies: list[bytes | None] = []
    if deadline is not None:
        outcomes = []
        for field in fields:
            replies.append(value.get(field))
            outcomes.append(set_deadline(value, field, deadline, b"", ctx.now))
        record_deadlines(ctx, key, value, fields, outcomes)
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
            count = parse_in_range(arguments.word(), 1, INT32_MAX, "ERR invalid number of fields")
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
            options.deadline = parse_deadline(arguments.word(), unit, base, argv[0])
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
    """Remove the fields: values with a deadline in the past are never stored.

    The events are those of fields that were stored and expired at once, as in Valkey.
    """
    db = ctx.db
    if value is None:
        db.notify(key, "new")
    db.notify(key, "hset")
    db.notify(key, "hexpire")
    removed = [] if value is None else [field for field in fields if value.remove(field)]
    if value is not None and removed:
        db.finish_change(key, value, "hexpired", len(removed))
        ctx.log_as([b"HDEL", key, *removed])
        return
    db.notify(key, "hexpired")
    if value is None:
        db.notify(key, "del")
