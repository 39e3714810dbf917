"""Lists: pushing, popping, reading and changing elements.

`moving`, `multi_pop`, `positions` and `blocking` hold the remaining list commands.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.errors import (
    INDEX_OUT_OF_RANGE,
    MUST_BE_POSITIVE,
    NO_SUCH_KEY,
    CommandError,
    wrong_arity,
)
from commands.engine.grammar import Integer, Key, OneOf, String, Token
from commands.engine.numbers import INT64_MAX, parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from commands.lists.ends import LEFT, RIGHT, pop_elements
from storage.database import Database
from storage.errors import WrongType
from storage.values.lists import List

_PUSHED = [Key("key", "RW insert"), String("element", multiple=True)]
_POPPED = [
    Key("key", "RW access delete"),
    Integer("count", optional=True, since="6.2.0"),
]
_RANGE = [Integer("start"), Integer("stop")]

# --- pushing -----------------------------------------------------------------------------


@command(
    "LPUSH",
    group="list",
    since="1.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N elements.",
    summary="Adds elements to the head of a list and creates the list if needed.",
    arguments=_PUSHED,
    history=[("2.4.0", "Accepts several elements.")],
)
def lpush(ctx: Context, argv: list[bytes]) -> Reply:
    db = ctx.db
    key = argv[1]
    value = db.fetch(key)
    if value.__class__ is not List:
        return _push_new(db, key, value, argv, left=True)
    elements = argv[2:]
    if value.nodes is None:
        value.expect(elements, db.keyspace.limits)
    for element in elements:
        value.push_left(element)
    db.changed(key, "lpush", len(elements))
    return len(value)


@command(
    "RPUSH",
    group="list",
    since="1.0.0",
    flags="write denyoom fast",
    complexity="O(N) for N elements.",
    summary="Adds elements to the tail of a list and creates the list if needed.",
    arguments=_PUSHED,
    history=[("2.4.0", "Accepts several elements.")],
)
def rpush(ctx: Context, argv: list[bytes]) -> Reply:
    db = ctx.db
    key = argv[1]
    value = db.fetch(key)
    if value.__class__ is not List:
        return _push_new(db, key, value, argv, left=False)
    elements = argv[2:]
    if value.nodes is None:
        value.expect(elements, db.keyspace.limits)
    for element in elements:
        value.push_right(element)
    db.changed(key, "rpush", len(elements))
    return len(value)


def _push_new(db: Database, key: bytes, found: object, argv: list[bytes], *, left: bool) -> int:
    if found is not None:
        raise WrongType
    value = List()
    elements = argv[2:]
    value.expect(elements, db.keyspace.limits)
    push = value.push_left if left else value.push_right
    for element in elements:
        push(element)
    db.store(key, value, "lpush" if left else "rpush", count=len(elements))
    return len(value)


@command(
    "LPUSHX",
    group="list",
    since="2.2.0",
    flags="write denyoom fast",
    complexity="O(N) for N elements.",
    summary="Adds elements to the head of a list if the list exists.",
    arguments=_PUSHED,
    history=[("4.0.0", "Accepts several elements.")],
)
def lpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return lpush(ctx, argv) if ctx.db.fetch_as(argv[1], List) else 0


@command(
    "RPUSHX",
    group="list",
    since="2.2.0",
    flags="write denyoom fast",
    complexity="O(N) for N elements.",
    summary="Adds elements to the tail of a list if the list exists.",
    arguments=_PUSHED,
    history=[("4.0.0", "Accepts several elements.")],
)
def rpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return rpush(ctx, argv) if ctx.db.fetch_as(argv[1], List) else 0


# --- popping -----------------------------------------------------------------------------


@command(
    "LPOP",
    group="list",
    since="1.0.0",
    flags="write fast",
    complexity="O(N) for N elements removed.",
    summary="Removes and returns elements from the head of a list.",
    arguments=_POPPED,
    history=[("6.2.0", "Accepts a count.")],
)
def lpop(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        return _pop_several(ctx, argv, LEFT)
    db = ctx.db
    key = argv[1]
    value = db.fetch(key)
    if value.__class__ is not List:
        if value is None:
            return None
        raise WrongType
    element = value.pop_left()
    if value.nodes:
        value.shrunk(db.keyspace.limits)
    db.finish_change(key, value, "lpop")
    return element


@command(
    "RPOP",
    group="list",
    since="1.0.0",
    flags="write fast",
    complexity="O(N) for N elements removed.",
    summary="Removes and returns elements from the tail of a list.",
    arguments=_POPPED,
    history=[("6.2.0", "Accepts a count.")],
)
def rpop(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        return _pop_several(ctx, argv, RIGHT)
    db = ctx.db
    key = argv[1]
    value = db.fetch(key)
    if value.__class__ is not List:
        if value is None:
            return None
        raise WrongType
    element = value.pop_right()
    if value.nodes:
        value.shrunk(db.keyspace.limits)
    db.finish_change(key, value, "rpop")
    return element


def _pop_several(ctx: Context, argv: list[bytes], end: bytes) -> Reply:
    if len(argv) > 3:
        raise wrong_arity(argv[0].decode("latin-1"))
    count = read_integer(argv[2])
    if count is None or count < 0:
        raise CommandError(MUST_BE_POSITIVE)
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        return NULL_ARRAY
    return pop_elements(ctx, argv[1], value, end, count) if count else []


# --- reading -----------------------------------------------------------------------------


@command(
    "LLEN",
    group="list",
    since="1.0.0",
    flags="readonly fast",
    summary="Returns how many elements a list has.",
    arguments=[Key("key", "RO")],
)
def llen(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], List)
    return 0 if value is None else len(value)


@command(
    "LINDEX",
    group="list",
    since="1.0.0",
    flags="readonly",
    summary="Returns the element at an index of a list.",
    arguments=[Key("key", "RO access"), Integer("index")],
)
def lindex(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], List)
    if value is None:
        return None
    position = _position(parse_integer(argv[2]), value)
    return None if position is None else value[position]


def _position(index: int, value: List) -> int | None:
    """Resolve an index, negative from the tail; None if it is outside the list."""
    if index < 0:
        index += len(value)
    return index if 0 <= index < len(value) else None


@command(
    "LRANGE",
    group="list",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) for N elements in the range.",
    summary="Returns the elements of a list between two indexes.",
    arguments=[Key("key", "RO access"), *_RANGE],
)
def lrange(ctx: Context, argv: list[bytes]) -> Reply:
    start, stop = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.read_as(argv[1], List)
    return [] if value is None else value.window(*_bounds(start, stop, len(value)))


def _bounds(start: int, stop: int, length: int) -> tuple[int, int]:
    """Convert an inclusive range of indexes into a slice; (0, 0) if the range is empty."""
    if start < 0:
        start = max(0, start + length)
    if stop < 0:
        stop += length
    stop = min(stop + 1, length)
    return (start, stop) if start < stop else (0, 0)


# --- changing ----------------------------------------------------------------------------


@command(
    "LSET",
    group="list",
    since="1.0.0",
    flags="write denyoom",
    complexity="O(1), or O(N) for a list of N nodes.",
    summary="Replaces the element at an index of a list.",
    arguments=[Key("key", "RW update"), Integer("index"), String("element")],
)
def lset(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    index = parse_integer(argv[2])
    value.expect(argv[3:], ctx.limits)
    position = _position(index, value)
    if position is None:
        raise CommandError(INDEX_OUT_OF_RANGE)
    value.replace(position, argv[3])
    value.shrunk(ctx.limits)
    ctx.db.changed(argv[1], "lset")
    return OK


@dataclass(slots=True)
class Insert:
    key: bytes
    where: bytes
    pivot: bytes
    element: bytes


@command(
    "LINSERT",
    group="list",
    since="2.2.0",
    flags="write denyoom",
    complexity="O(N) for a list of N elements.",
    summary="Inserts an element next to the first occurrence of another element.",
    arguments=[
        Key("key", "RW insert"),
        OneOf("where", Token("BEFORE"), Token("AFTER")),
        String("pivot"),
        String("element"),
    ],
    request=Insert,
)
def linsert(ctx: Context, request: Insert) -> Reply:
    value = ctx.db.fetch_as(request.key, List)
    if value is None:
        return 0
    value.expect([request.element], ctx.limits)
    position = value.find(request.pivot, 0, len(value))
    if position < 0:
        return -1
    value.insert(position, request.element, after=request.where == b"AFTER")
    ctx.db.changed(request.key, "linsert")
    return len(value)


@dataclass(slots=True)
class Remove:
    key: bytes
    count: int
    element: bytes


@command(
    "LREM",
    group="list",
    since="1.0.0",
    flags="write",
    complexity="O(N) for a list of N elements.",
    summary="Removes elements that equal a given value from a list.",
    arguments=[
        Key("key", "RW delete"),
        # The range is symmetric because a negative count is negated.
        Integer("count", low=-INT64_MAX),
        String("element"),
    ],
    request=Remove,
)
def lrem(ctx: Context, request: Remove) -> Reply:
    value = ctx.db.fetch_as(request.key, List)
    if value is None:
        return 0
    removed = value.remove(request.element, request.count)
    if removed:
        value.shrunk(ctx.limits)
        ctx.db.finish_change(request.key, value, "lrem", removed)
    return removed


@command(
    "LTRIM",
    group="list",
    since="1.0.0",
    flags="write",
    complexity="O(N) for N elements removed.",
    summary="Removes the elements of a list outside a range of indexes.",
    arguments=[Key("key", "RW delete"), *_RANGE],
)
def ltrim(ctx: Context, argv: list[bytes]) -> Reply:
    start, stop = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        return OK
    length = len(value)
    value.trim(*_bounds(start, stop, length))
    value.shrunk(ctx.limits)
    ctx.db.finish_change(argv[1], value, "ltrim", length - len(value))
    return OK
