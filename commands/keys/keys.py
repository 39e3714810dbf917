"""Whole keys, whatever they hold: removing, moving, copying, describing them."""

from __future__ import annotations

from commands.engine.arguments import Arguments
from commands.engine.errors import (
    DB_INDEX_OUT_OF_RANGE,
    NO_SUCH_KEY,
    SAME_OBJECT,
    SYNTAX,
    CommandError,
)
from commands.engine.grammar import Integer, Key, OneOf, Pattern, Token
from commands.engine.numbers import parse_int32
from commands.engine.patterns import glob_matcher
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.database import Database
from storage.values.hashes import Hash
from storage.values.types import Value, type_name

# How the answers of the nodes of a cluster are put together.
_PER_SHARD_SUM = ("request_policy:multi_shard", "response_policy:agg_sum")
_ON_ALL_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")


# --- removing and finding -----------------------------------------------------------------


@command(
    "DEL",
    group="generic",
    since="1.0.0",
    flags="write",
    complexity="O(N), N being the number of keys and of the elements they hold.",
    summary="Removes keys and what they hold.",
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
    complexity="O(N), N being the number of keys.",
    summary="Removes keys, leaving the release of their memory for later.",
    arguments=[Key("key", "RM delete", multiple=True)],
    tips=_PER_SHARD_SUM,
)(delete)


@command(
    "EXISTS",
    group="generic",
    since="1.0.0",
    flags="readonly fast",
    complexity="O(N), N being the number of keys.",
    summary="Counts how many of the keys are there.",
    arguments=[Key("key", "RO", multiple=True)],
    tips=_PER_SHARD_SUM,
    history=[("3.0.3", "Takes several keys.")],
)
def exists(ctx: Context, argv: list[bytes]) -> Reply:
    inspect = ctx.db.inspect
    return sum(inspect(key) is not None for key in argv[1:])


@command(
    "TOUCH",
    group="generic",
    since="3.2.1",
    flags="readonly fast",
    complexity="O(N), N being the number of keys.",
    summary="Marks keys as just used and counts those that are there.",
    arguments=[Key("key", "RO", multiple=True)],
    tips=_PER_SHARD_SUM,
)
def touch(ctx: Context, argv: list[bytes]) -> Reply:
    keyspace, read = ctx.keyspace, ctx.db.read
    # A client that asked to leave no trace leaves one by this command alone.
    no_touch, keyspace.no_touch = keyspace.no_touch, False
    found = sum(read(key) is not None for key in argv[1:])
    keyspace.no_touch = no_touch
    return found


@command(
    "TYPE",
    group="generic",
    since="1.0.0",
    flags="readonly fast",
    summary="Names the type of the value under a key.",
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
    summary="Picks one of the keys at random.",
    tips=["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
)
def randomkey(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.db.random_key(ctx.rng)


@command(
    "KEYS",
    group="generic",
    since="1.0.0",
    flags="readonly",
    complexity="O(N), N being the number of keys in the database.",
    categories="dangerous",
    summary="Lists every key whose name matches a pattern.",
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
_FLUSH_HISTORY = (("4.0.0", "Takes `ASYNC`."), ("6.2.0", "Takes `SYNC`."))


@command(
    "FLUSHDB",
    group="server",
    since="1.0.0",
    flags="write",
    complexity="O(N), N being the number of keys in the database.",
    categories="keyspace dangerous",
    summary="Removes every key of the database.",
    arguments=[_FLUSH_TYPE],
    tips=_ON_ALL_SHARDS,
    history=_FLUSH_HISTORY,
)
def flushdb(ctx: Context, argv: list[bytes]) -> Reply:
    _check_flush_type(argv)
    ctx.keyspace.dirty += ctx.db.flush()
    return OK


@command(
    "FLUSHALL",
    group="server",
    since="1.0.0",
    flags="write",
    complexity="O(N), N being the number of keys in all databases.",
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
    return OK


def _check_flush_type(argv: list[bytes]) -> None:
    """How the memory is released is all that the word decides, so it is only checked."""
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(SYNTAX)


@command(
    "SWAPDB",
    group="server",
    since="4.0.0",
    flags="write fast",
    complexity="O(N), N being the number of clients that watch or wait for keys of either.",
    categories="keyspace dangerous",
    summary="Exchanges the contents of two databases.",
    arguments=[Integer("index1"), Integer("index2")],
)
def swapdb(ctx: Context, argv: list[bytes]) -> Reply:
    first = parse_int32(argv[1], "ERR invalid first DB index")
    second = parse_int32(argv[2], "ERR invalid second DB index")
    for index in (first, second):
        database_at(ctx, index)
    ctx.keyspace.swap(first, second)
    return OK


def database_at(ctx: Context, index: int) -> Database:
    """The database of that number."""
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
    summary="Gives a key another name, replacing what was there.",
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
    summary="Gives a key another name unless that is taken.",
    arguments=[Key("key", "RW access delete"), Key("newkey", "OW insert")],
    history=[("3.2.0", "Two equal names are no error.")],
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
        db.discard(new_key)
    deadline = db.deadline(key)
    db.discard(key)
    db.changed(key, "rename_from", 0)
    _put(db, new_key, value, deadline, "rename_to")
    return True


def _put(db: Database, key: bytes, value: Value, deadline: int | None, event: str) -> None:
    """Store a value that comes from elsewhere, with its deadlines, where nothing is."""
    db.store(key, value, event)
    if deadline is not None:
        db.expire_at(key, deadline)
    if value.__class__ is Hash:
        db.note_field_deadlines(key, value)


@command(
    "MOVE",
    group="generic",
    since="1.0.0",
    flags="write fast",
    summary="Moves a key to another database unless its name is taken there.",
    arguments=[Key("key", "RW access update"), Integer("db")],
)
def move(ctx: Context, argv: list[bytes]) -> Reply:
    source, key = ctx.db, argv[1]
    target = database_at(ctx, parse_int32(argv[2]))
    if target is source:
        raise CommandError(SAME_OBJECT)
    value = source.fetch(key)
    if value is None or target.fetch(key) is not None:
        return 0
    deadline = source.deadline(key)
    source.discard(key)
    source.changed(key, "move_from", 0)
    _put(target, key, value, deadline, "move_to")
    return 1


@command(
    "COPY",
    group="generic",
    since="6.2.0",
    flags="write denyoom",
    complexity="O(N), N being the number of elements; O(1) for a string.",
    summary="Copies a value with its deadline to another key.",
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
    # A bytes object never changes, so its copy is itself.
    duplicate = value if isinstance(value, bytes) else value.copy()
    _put(target, new_key, duplicate, source.deadline(key), "copy_to")
    return 1
