"""Whole strings: GET, SET and their variants for several keys and for expiry.

INCR and its relatives are in `counters`, APPEND and the commands on ranges in `editing`.
"""

from __future__ import annotations

from commands.engine.errors import SYNTAX, CommandError, wrong_arity
from commands.engine.grammar import ArgumentGroup, Integer, Key, OneOf, String, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import read_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from commands.strings.options import (
    ABSOLUTE_TTLS,
    GETEX_OPTIONS,
    MSETEX_OPTIONS,
    SET_OPTIONS,
    Options,
    condition_tokens,
    expiry_arguments,
    parse_deadline,
)

# --- one key -----------------------------------------------------------------------------


# The hottest handler of the server: a single look-up. Any further check or copy would cost
# every request more than it could save.
@command(
    "GET",
    group="string",
    since="1.0.0",
    flags="readonly fast",
    summary="Returns the string stored at a key.",
    arguments=[Key("key", "RO access")],
)
def get(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.db.read_string(argv[1])


@command(
    "SET",
    group="string",
    since="1.0.0",
    flags="write denyoom",
    summary="Stores a string at a key, replacing any previous value.",
    arguments=[
        Key("key", "RW access update variable_flags"),
        String("value"),
        OneOf(
            "condition",
            *condition_tokens("2.6.12"),
            String("comparison-value", "IFEQ", since="8.1.0"),
            optional=True,
        ),
        Token("GET", optional=True, since="6.2.0"),
        OneOf(
            "expiration",
            *expiry_arguments("2.6.12", "6.2.0"),
            Token("KEEPTTL", since="6.0.0"),
            optional=True,
        ),
    ],
    history=[
        ("2.6.12", "Added the options `EX`, `PX`, `NX` and `XX`."),
        ("6.0.0", "Added the option `KEEPTTL`."),
        ("6.2.0", "Added the options `GET`, `EXAT` and `PXAT`."),
        ("7.0.0", "`NX` and `GET` can be combined."),
        ("8.1.0", "Added the option `IFEQ`."),
    ],
)
def set_(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) == 3:
        # Nearly every SET has no options and must not pay for parsing them.
        ctx.db.store(argv[1], argv[2], "set")
        return OK
    options = Options(argv, 3, SET_OPTIONS)
    key, value, db = argv[1], argv[2], ctx.db
    deadline = options.deadline(ctx.now, "set")
    previous = db.read_string(key) if options.get else None
    condition = options.condition
    if condition is not None:
        if condition == b"IFEQ":
            found = previous if options.get else db.fetch_string(key)
            met = found is not None and found == options.comparison
        else:
            met = (db.fetch(key) is None) == (condition == b"NX")
        if not met:
            return previous
    keep_ttl = options.ttl == b"KEEPTTL"
    _store_until(ctx, key, value, deadline, keep_ttl=keep_ttl)
    if condition == b"IFEQ" and deadline is None:
        # Redis has no IFEQ, and it must be able to read the log.
        ctx.log_as([b"SET", key, value, b"KEEPTTL"] if keep_ttl else [b"SET", key, value])
    return previous if options.get else OK


def _store_until(
    ctx: Context, key: bytes, value: bytes, deadline: int | None, *, keep_ttl: bool = False
) -> None:
    """Store a string and set its deadline, if any; the log gets the absolute deadline."""
    db = ctx.db
    if deadline is None:
        db.store(key, value, "set", keep_ttl=keep_ttl)
        return
    # Moving the deadline is cheaper than removing it and setting a new one.
    db.store(key, value, "set", keep_ttl=True)
    db.expire_at(key, deadline)
    db.notify(key, "expire")
    ctx.log_as([b"SET", key, value, b"PXAT", b"%d" % deadline])


@command(
    "SETNX",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Stores a string at a key that does not exist yet.",
    arguments=[Key("key", "OW insert"), String("value")],
    deprecated=("2.6.12", "`SET` with the `NX` argument"),
)
def setnx(ctx: Context, argv: list[bytes]) -> Reply:
    if ctx.db.fetch(argv[1]) is not None:
        return 0
    ctx.db.store(argv[1], argv[2], "set")
    return 1


@command(
    "SETEX",
    group="string",
    since="2.0.0",
    flags="write denyoom",
    summary="Stores a string at a key and makes it expire after a number of seconds.",
    arguments=[Key("key", "OW update"), Integer("seconds"), String("value")],
    deprecated=("2.6.12", "`SET` with the `EX` argument"),
)
def setex(ctx: Context, argv: list[bytes]) -> Reply:
    deadline = parse_deadline(argv[2], "setex", seconds=True, base=ctx.now)
    _store_until(ctx, argv[1], argv[3], deadline)
    return OK


@command(
    "PSETEX",
    group="string",
    since="2.6.0",
    flags="write denyoom",
    summary="Stores a string at a key and makes it expire after a number of milliseconds.",
    arguments=[Key("key", "OW update"), Integer("milliseconds"), String("value")],
    deprecated=("2.6.12", "`SET` with the `PX` argument"),
)
def psetex(ctx: Context, argv: list[bytes]) -> Reply:
    deadline = parse_deadline(argv[2], "psetex", seconds=False, base=ctx.now)
    _store_until(ctx, argv[1], argv[3], deadline)
    return OK


@command(
    "GETSET",
    group="string",
    since="1.0.0",
    flags="write denyoom fast",
    summary="Stores a string at a key and returns the previous one.",
    arguments=[Key("key", "RW access update"), String("value")],
    deprecated=("6.2.0", "`SET` with the `!GET` argument"),
)
def getset(ctx: Context, argv: list[bytes]) -> Reply:
    previous = ctx.db.read_string(argv[1])
    ctx.db.store(argv[1], argv[2], "set")
    return previous


@command(
    "GETDEL",
    group="string",
    since="6.2.0",
    flags="write fast",
    summary="Returns the string stored at a key and removes the key.",
    arguments=[Key("key", "RW access delete")],
)
def getdel(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_string(argv[1])
    if value is not None:
        ctx.db.delete(argv[1])
        ctx.log_as([b"DEL", argv[1]])
    return value


@command(
    "GETEX",
    group="string",
    since="6.2.0",
    flags="write fast",
    summary="Returns the string stored at a key and sets or removes its expiry.",
    arguments=[
        Key("key", "RW access update"),
        OneOf("expiration", *expiry_arguments(None, None), Token("PERSIST"), optional=True),
    ],
)
def getex(ctx: Context, argv: list[bytes]) -> Reply:
    options = Options(argv, 2, GETEX_OPTIONS)
    key, db = argv[1], ctx.db
    value = db.read_string(key)
    if value is None:
        return None
    deadline = options.deadline(ctx.now, "getex")
    if deadline is not None:
        if deadline <= ctx.now and options.ttl in ABSOLUTE_TTLS:
            db.delete(key)
            ctx.log_as([b"DEL", key])
        else:
            db.expire_at(key, deadline)
            db.changed(key, "expire")
            ctx.log_as([b"PEXPIREAT", key, b"%d" % deadline])
    elif options.ttl is not None and db.persist(key):
        db.changed(key, "persist")
        ctx.log_as([b"PERSIST", key])
    return value


@command(
    "DELIFEQ",
    group="string",
    since="9.0.0",
    flags="write fast",
    summary="Removes a key if the string stored there equals a given one.",
    arguments=[Key("key", "RM delete"), String("value")],
)
def delifeq(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_string(argv[1])
    if value is None or value != argv[2]:
        return 0
    ctx.db.delete(argv[1])
    ctx.log_as([b"DEL", argv[1]])
    return 1


@command(
    "STRLEN",
    group="string",
    since="2.2.0",
    flags="readonly fast",
    summary="Returns the length of the string stored at a key, in bytes.",
    arguments=[Key("key", "RO")],
)
def strlen(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_string(argv[1])
    return 0 if value is None else len(value)


# --- several keys ------------------------------------------------------------------------


@command(
    "MGET",
    group="string",
    since="1.0.0",
    flags="readonly fast",
    complexity="O(N) for N keys.",
    summary="Returns the strings stored at several keys, null for keys without one.",
    arguments=[Key("key", "RO access", multiple=True)],
    tips=["request_policy:multi_shard"],
)
def mget(ctx: Context, argv: list[bytes]) -> Reply:
    # `map` saves a Python-level call per key. Buffers, which are modified in place, are
    # copied: inside a transaction the reply is encoded after later commands have run.
    return [
        value
        if value.__class__ is bytes
        else bytes(value)
        if value.__class__ is bytearray
        else None
        for value in map(ctx.db.read, argv[1:])
    ]


_PAIRS = ArgumentGroup("data", Key("key", "OW update"), String("value"), multiple=True)


@command(
    "MSET",
    group="string",
    since="1.0.1",
    flags="write denyoom",
    complexity="O(N) for N keys.",
    summary="Stores strings at several keys at once.",
    arguments=[_PAIRS],
    tips=["request_policy:multi_shard", "response_policy:all_succeeded"],
)
def mset(ctx: Context, argv: list[bytes]) -> Reply:
    if not len(argv) & 1:
        raise wrong_arity("mset")
    store = ctx.db.store
    for at in range(1, len(argv), 2):
        store(argv[at], argv[at + 1], "set")
    return OK


@command(
    "MSETNX",
    group="string",
    since="1.0.1",
    flags="write denyoom",
    complexity="O(N) for N keys.",
    summary="Stores strings at several keys if none of the keys exists.",
    arguments=[ArgumentGroup("data", Key("key", "OW insert"), String("value"), multiple=True)],
)
def msetnx(ctx: Context, argv: list[bytes]) -> Reply:
    if not len(argv) & 1:
        raise wrong_arity("msetnx")
    if any(ctx.db.fetch(key) is not None for key in argv[1::2]):
        return 0
    mset(ctx, argv)
    return 1


@command(
    "MSETEX",
    group="string",
    since="9.1.0",
    flags="write denyoom",
    complexity="O(N) for N keys.",
    summary="Stores strings at several keys, with a shared expiry and condition.",
    arguments=[
        Integer("numkeys"),
        _PAIRS,
        OneOf("condition", *condition_tokens(None), optional=True),
        OneOf("expiration", *expiry_arguments(None, None), Token("KEEPTTL"), optional=True),
    ],
    keys=[KeySpec("OW update", index=1, numkeys=True, step=2)],
    tips=["request_policy:multi_shard", "response_policy:all_succeeded"],
)
def msetex(ctx: Context, argv: list[bytes]) -> Reply:
    count = read_integer(argv[1])
    if count is None or not 0 < count < 1 << 31:
        raise CommandError("ERR invalid numkeys value or out of range")
    end = 2 + 2 * count
    if end > len(argv):
        raise CommandError(SYNTAX)
    options = Options(argv, end, MSETEX_OPTIONS)
    deadline = options.deadline(ctx.now, "msetex")
    db = ctx.db
    keys, values = argv[2:end:2], argv[3:end:2]
    if options.condition is not None:
        wanted = options.condition == b"XX"
        if any((db.fetch(key) is not None) != wanted for key in keys):
            return 0
    keep_ttl = options.ttl == b"KEEPTTL" or deadline is not None
    for key, value in zip(keys, values, strict=True):
        db.store(key, value, "set", keep_ttl=keep_ttl)
        if deadline is not None:
            db.expire_at(key, deadline)
            db.notify(key, "expire")
    if deadline is not None:
        expiry = b"%d" % deadline
        ctx.log_as(*([b"SET", k, v, b"PXAT", expiry] for k, v in zip(keys, values, strict=True)))
    elif keep_ttl:
        ctx.log_as(*([b"SET", k, v, b"KEEPTTL"] for k, v in zip(keys, values, strict=True)))
    else:
        ctx.log_as([b"MSET", *argv[2:end]])
    return 1
