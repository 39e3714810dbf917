"""DUMP and RESTORE: a value in a binary format that Redis and Valkey read too.

The options of RESTORE are not parsed from the declaration: Redis reads them, then checks
whether the key exists, and only then reads the TTL that precedes them.
"""

from __future__ import annotations

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String, Token
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.frequencies import Frequencies
from storage.rdb import PayloadMismatch, RdbError, dump_value, load_value
from storage.values.hashes import Hash

_BUSY = "BUSYKEY Target key name already exists."
_BAD_TTL = "ERR Invalid TTL value, must be >= 0"
_BAD_IDLE_TIME = "ERR Invalid IDLETIME value, must be >= 0"
_BAD_FREQUENCY = "ERR Invalid FREQ value, must be >= 0 and <= 255"
_BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong"
_BAD_DATA = "ERR Bad data format"

_MOST_FREQUENT = 255
# Redis stores the seconds since the last use in 24 bits.
_MOST_IDLE = 2**24 - 1
_RESTORE_ARGUMENTS = [
    Key("key", "OW update"),
    Integer("ttl"),
    String("serialized-value"),
    Token("REPLACE", optional=True, since="3.0.0"),
    Token("ABSTTL", optional=True, since="5.0.0"),
    Integer("seconds", "IDLETIME", optional=True, since="5.0.0"),
    Integer("frequency", "FREQ", optional=True, since="5.0.0"),
]
_RESTORE_HISTORY = [
    ("3.0.0", "Accepts `REPLACE`."),
    ("5.0.0", "Accepts `ABSTTL`."),
    ("5.0.0", "Accepts `IDLETIME` and `FREQ`."),
]
_RESTORE_COMPLEXITY = "O(N*M) for N elements of average size M."


@command(
    "DUMP",
    group="generic",
    since="2.6.0",
    flags="readonly",
    complexity="O(N*M) for N elements of average size M.",
    summary="Returns a value in the binary format that RESTORE reads.",
    arguments=[Key("key", "RO access")],
    tips=["nondeterministic_output"],
)
def dump(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read(argv[1])
    if value is None:
        return None
    return dump_value(value, compress=ctx.instance.settings.rdbcompression)


@command(
    "RESTORE",
    group="generic",
    since="2.6.0",
    flags="write denyoom",
    categories="dangerous",
    complexity=_RESTORE_COMPLEXITY,
    summary="Stores a value that DUMP returned.",
    arguments=_RESTORE_ARGUMENTS,
    history=_RESTORE_HISTORY,
)
def restore(ctx: Context, argv: list[bytes]) -> Reply:
    key, payload = argv[1], argv[3]
    replace = absolute = False
    idle: int | None = None
    frequency: int | None = None
    options = Arguments(argv, 4)
    while options:
        option = options.option()
        if option == b"REPLACE":
            replace = True
        elif option == b"ABSTTL":
            absolute = True
        elif option == b"IDLETIME" and options and frequency is None:
            idle = options.integer()
            if idle < 0:
                raise CommandError(_BAD_IDLE_TIME)
        elif option == b"FREQ" and options and idle is None:
            frequency = options.integer()
            if not 0 <= frequency <= _MOST_FREQUENT:
                raise CommandError(_BAD_FREQUENCY)
        else:
            raise CommandError(SYNTAX)
    db, keyspace = ctx.db, ctx.keyspace
    exists = db.fetch(key) is not None
    if exists and not replace:
        raise CommandError(_BUSY)
    deadline = Arguments(argv, 2).integer()
    if deadline < 0:
        raise CommandError(_BAD_TTL)
    try:
        value = load_value(payload, ctx.limits)
    except PayloadMismatch:
        raise CommandError(_BAD_PAYLOAD) from None
    except RdbError:
        raise CommandError(_BAD_DATA) from None

    if deadline and not absolute:
        deadline += ctx.now
    # While the log is loaded nothing expires: the log has a DEL for each expired key.
    if deadline and not keyspace.expiry_paused and not ctx.now < deadline <= INT64_MAX:
        if exists:
            db.delete(key)
            ctx.log_as([b"DEL", key])
        return OK
    if exists:
        keyspace.disposal.add(db.discard(key))
    db.store(key, value, "restore")
    if deadline:
        db.expire_at(key, deadline)
    if isinstance(db.accessed, Frequencies):
        if frequency is not None:
            db.accessed.set_counter(key, frequency, ctx.now)
    elif idle is not None:
        db.accessed[key] = ctx.now - min(idle, _MOST_IDLE) * 1000
    if value.__class__ is Hash and value.deadlines:
        db.note_field_deadlines(key, value)
    if deadline and not absolute:
        ctx.log_as([*argv[:2], b"%d" % deadline, *argv[3:], b"ABSTTL"])
    return OK


@command(
    "RESTORE-ASKING",
    group="server",
    since="3.0.0",
    flags="write denyoom asking",
    categories="keyspace dangerous",
    complexity=_RESTORE_COMPLEXITY,
    summary="Stores a value like RESTORE, for moving keys between cluster nodes.",
    arguments=_RESTORE_ARGUMENTS,
    history=_RESTORE_HISTORY,
)
def restore_asking(ctx: Context, argv: list[bytes]) -> Reply:
    return restore(ctx, argv)
