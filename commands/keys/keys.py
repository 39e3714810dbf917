"""Keys of any type and whole databases: removing, finding, renaming, moving and copying."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import (
    DB_INDEX_OUT_OF_RANGE,
    NO_SUCH_KEY,
    SAME_OBJECT,
    SYNTAX,
    CommandError,
)
from commands.engine.grammar import Integer, Key, OneOf, Pattern, Token
from commands.engine.numbers import INT32_MAX, INT32_MIN, parse_int32
from commands.engine.patterns import glob_matcher
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.database import Database
from storage.values.hashes import Hash
from storage.values.types import Value, type_name

# How a cluster client combines the replies of the nodes.
_PER_SHARD_SUM = ("request_policy:multi_shard", "response_policy:agg_sum")
_ON_ALL_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")


# --- removing and finding -----------------------------------------------------------------


@command(
    "DEL",
    group="generic",
    since="1.0.0",
    flags="write",
    complexity="O(N) for N keys and elements stored there.",
    summary="Removes keys and their values.",
    arguments=[Key("key", "RM delete", multiple=True)],
    tips=_PER_SHARD_SUM,
)
def delete(ctx: Context, argv: list[bytes]) -> Reply:
    remove = ctx.db.delete
    if len(argv) == 2:
        return 1 if remove(argv[1]) else 0
    return sum(map(remove, argv[1:]))


command(
    "UNLINK",
    group="generic",
    since="4.0.0",
    flags="write fast",
    complexity="O(N) for N keys.",
    summary="Removes keys; their memory may be released later.",
    arguments=[Key("key", "RM delete", multiple=True)],
    tips=_PER_SHARD_SUM,
)(delete)


@command(
    "EXISTS",
    group="generic",
    since="1.0.0",
    flags="readonly fast",
    complexity="O(N) for N keys.",
    summary="Counts how many of the given keys exist.",
    arguments=[Key("key", "RO", multiple=True)],
    tips=_PER_SHARD_SUM,
    history=[("3.0.3", "Accepts several keys.")],
)
def exists(ctx: Context, argv: list[bytes]) -> Reply:
    inspect = ctx.db.inspect
    return sum(inspect(key) is not None for key in argv[1:])


@command(
    "TOUCH",
    group="generic",
    since="3.2.1",
    flags="readonly fast",
    complexity="O(N) for N keys.",
    summary="Marks keys as just used and counts those that exist.",
    arguments=[Key("key", "RO", multiple=True)],
    tips=_PER_SHARD_SUM,
)
def touch(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace, read = ctx.keyspace, ctx.db.read
    # TOUCH marks keys as used even for clients that set CLIENT NO-TOUCH.
    no_touch, keyspace.no_touch = keyspace.no_touch, False
    found = sum(read(key) is not None for key in argv[1:])
    keyspace.no_touch = no_touch
    return found


@command(
    "TYPE",
    group="generic",
    since="1.0.0",
    flags="readonly fast",
    summary="Returns the type of the value stored at a key.",
    arguments=[Key("key", "RO")],
)
def type_(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.inspect(argv[1])
    return "none" if value is None else type_name(value)


@command(
    "RANDOMKEY",
    group="generic",
    since="1.0.0",
    flags="readonly",
    summary="Returns the name of a randomly chosen key.",
    tips=["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
)
def randomkey(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.db.random_key(ctx.rng)


@command(
    "KEYS",
    group="generic",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) for N keys in the database.",
    categories="dangerous",
    summary="Returns every key whose name matches a pattern.",
    arguments=[Pattern("pattern")],
    tips=["request_policy:all_shards", "nondeterministic_output_order"],
)
def keys(ctx: Context, argv: list[bytes]) -> Reply:
    pattern = argv[1]
    if pattern == b"*":
        return list(ctx.db.live_keys())
    return list(filter(glob_matcher(pattern), ctx.db.live_keys()))


@command(
    "DBSIZE",
    group="server",
    since="1.0.0",
    flags="readonly fast",
    categories="keyspace",
    summary="Counts the keys of the database.",
    tips=["request_policy:all_shards", "response_policy:agg_sum"],
)
def dbsize(ctx: Context, argv: list[bytes]) -> Reply:
    return len(ctx.db)


# --- whole databases ------------------------------------------------------------------------

_FLUSH_TYPE = OneOf(
    "flush-type", Token("ASYNC", since="4.0.0"), Token("SYNC", since="6.2.0"), optional=True
)
_FLUSH_HISTORY = (("4.0.0", "Accepts `ASYNC`."), ("6.2.0", "Accepts `SYNC`."))


@command(
    "FLUSHDB",
    group="server",
    since="1.0.0",
    flags="write",
    complexity="O(N) for N keys in the database.",
    categories="keyspace dangerous",
    summary="Removes every key of the selected database.",
    arguments=[_FLUSH_TYPE],
    tips=_ON_ALL_SHARDS,
    history=_FLUSH_HISTORY,
)
def flushdb(ctx: Context, argv: list[bytes]) -> Reply:
    _check_flush_type(argv)
    ctx.keyspace.dirty += ctx.db.flush()
    ctx.instance.tracking.flushed()
    return OK


@command(
    "FLUSHALL",
    group="server",
    since="1.0.0",
    flags="write",
    complexity="O(N) for N keys in all databases.",
    categories="keyspace dangerous",
    summary="Removes every key of every database.",
    arguments=[_FLUSH_TYPE],
    tips=_ON_ALL_SHARDS,
    history=_FLUSH_HISTORY,
)
def flushall(ctx: Context, argv: list[bytes]) -> Reply:
    _check_flush_type(argv)
    ctx.keyspace.dirty += sum(len(database) for database in ctx.keyspace.databases)
    ctx.keyspace.flush_all()
    ctx.instance.tracking.flushed()
    return OK


def _check_flush_type(argv: list[bytes]) -> None:
    """Check the word; it has no effect, as memory is always released in the same way."""
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(SYNTAX)


@dataclass(slots=True)
class Swap:
    index1: int
    index2: int


@command(
    "SWAPDB",
    group="server",
    since="4.0.0",
    flags="write fast",
    complexity="O(N) for N clients that watch or are blocked on keys of either database.",
    categories="keyspace dangerous",
    summary="Exchanges the contents of two databases.",
    arguments=[
        Integer("index1", low=INT32_MIN, high=INT32_MAX, message="ERR invalid first DB index"),
        Integer("index2", low=INT32_MIN, high=INT32_MAX, message="ERR invalid second DB index"),
    ],
    request=Swap,
)
def swapdb(ctx: Context, request: Swap) -> Reply:
    ctx.refuse_in_cluster("SWAPDB is not allowed in cluster mode")
    for index in (request.index1, request.index2):
        database_at(ctx, index)
    ctx.keyspace.swap(request.index1, request.index2)
    return OK


def database_at(ctx: Context, index: int) -> Database:
    """Return the database with this index."""
    databases = ctx.keyspace.databases
    if not 0 <= index < len(databases):
        raise CommandError(DB_INDEX_OUT_OF_RANGE)
    return databases[index]


# --- moving and copying -----------------------------------------------------------------------


@command(
    "RENAME",
    group="generic",
    since="1.0.0",
    flags="write",
    summary="Renames a key, replacing any value at the new name.",
    arguments=[Key("key", "RW access delete"), Key("newkey", "OW update")],
)
def rename(ctx: Context, argv: list[bytes]) -> Reply:
    _rename(ctx.db, argv[1], argv[2], replace=True)
    return OK


@command(
    "RENAMENX",
    group="generic",
    since="1.0.0",
    flags="write fast",
    summary="Renames a key unless the new name already exists.",
    arguments=[Key("key", "RW access delete"), Key("newkey", "OW insert")],
    history=[("3.2.0", "No longer fails if both names are the same.")],
)
def renamenx(ctx: Context, argv: list[bytes]) -> Reply:
    return 1 if _rename(ctx.db, argv[1], argv[2], replace=False) else 0


def _rename(db: Database, key: bytes, new_key: bytes, *, replace: bool) -> bool:
    value = db.fetch(key)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if key == new_key:
        return False
    if db.fetch(new_key) is not None:
        if not replace:
            return False
        db.keyspace.disposal.add(db.discard(new_key))
    deadline = db.deadline(key)
    db.discard(key)
    # Both are modified before their events are reported, which "new" precedes.
    db.changed(key, None, 0)
    _put(db, new_key, value, deadline)
    db.notify(key, "rename_from")
    db.notify(new_key, "rename_to")
    return True


def _put(db: Database, key: bytes, value: Value, deadline: int | None) -> None:
    """Store a value and its deadlines at a key that does not exist; the caller reports events."""
    db.store(key, value, None)
    if deadline is not None:
        db.expire_at(key, deadline)
    if value.__class__ is Hash:
        db.note_field_deadlines(key, value)


@dataclass(slots=True)
class Move:
    key: bytes
    db: int


@command(
    "MOVE",
    group="generic",
    since="1.0.0",
    flags="write fast",
    summary="Moves a key to another database unless it already exists there.",
    arguments=[Key("key", "RW access update"), Integer("db", low=INT32_MIN, high=INT32_MAX)],
    request=Move,
)
def move(ctx: Context, request: Move) -> Reply:
    ctx.refuse_in_cluster("MOVE is not allowed in cluster mode")
    source, key = ctx.db, request.key
    target = database_at(ctx, request.db)
    if target is source:
        raise CommandError(SAME_OBJECT)
    value = source.fetch(key)
    if value is None or target.fetch(key) is not None:
        return 0
    deadline = source.deadline(key)
    source.discard(key)
    source.changed(key, None, 0)
    _put(target, key, value, deadline)
    source.notify(key, "move_from")
    target.notify(key, "move_to")
    return 1


@command(
    "COPY",
    group="generic",
    since="6.2.0",
    flags="write denyoom",
    complexity="O(N) for N elements, O(1) for a string.",
    summary="Copies a value and its expiry to another key.",
    arguments=[
        Key("source", "RO access"),
        Key("destination", "OW update"),
        Integer("destination-db", "DB", optional=True),
        Token("REPLACE", optional=True),
    ],
)
def copy(ctx: Context, argv: list[bytes]) -> Reply:
    source, target, replace = ctx.db, ctx.db, False
    arguments = Arguments(argv, 3)
    while arguments:
        option = arguments.option()
        if option == b"REPLACE":
            replace = True
        elif option == b"DB":
            target = database_at(ctx, parse_int32(arguments.word()))
            if target is not source:
                ctx.refuse_in_cluster("Copying to another database is not allowed in cluster mode")
        else:
            raise CommandError(SYNTAX)
    key, new_key = argv[1], argv[2]
    if target is source and key == new_key:
        raise CommandError(SAME_OBJECT)
    value = source.read(key)
    if value is None:
        return 0
    if target.fetch(new_key) is not None:
        if not replace:
            return 0
        target.discard(new_key)
    # A bytes object is immutable, so both keys can share it.
    duplicate = value if isinstance(value, bytes) else value.copy()
    _put(target, new_key, duplicate, source.deadline(key))
    target.notify(new_key, "copy_to")
    return 1
