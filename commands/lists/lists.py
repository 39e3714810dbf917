"""Lists: pushing and popping at both ends, reading, changing and moving items."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import (
    INDEX_OUT_OF_RANGE,
    MUST_BE_POSITIVE,
    NO_SUCH_KEY,
    SYNTAX,
    CommandError,
    wrong_arity,
)
from commands.engine.grammar import Argument, Integer, Key, OneOf, String, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import INT64_MIN, parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from storage.database import Database
from storage.errors import WrongType
from storage.values.lists import List

LEFT, RIGHT = b"LEFT", b"RIGHT"
POP_COMMANDS = {LEFT: b"LPOP", RIGHT: b"RPOP"}

_PUSHED = [Key("key", "RW insert"), String("element", multiple=True)]
_POPPED = [
    Key("key", "RW access delete"),
    Integer("count", optional=True, since="6.2.0"),
]
_RANGE = [Integer("start"), Integer("stop")]


def end_of_list(name: str) -> Argument:
    """The argument that says at which end of a list."""
    return OneOf(name, Token("LEFT"), Token("RIGHT"))


# What moves from one list to another, and what takes from the first list that has any.
MOVED = [Key("source", "RW access delete"), Key("destination", "RW insert")]
TAKEN = [
    Integer("numkeys"),
    Key("key", "RW access delete", multiple=True),
    end_of_list("where"),
    Integer("count", "COUNT", optional=True),
]


# --- pushing -----------------------------------------------------------------------------


@command(
    "LPUSH",
    group="list",
    since="1.0.0",
    flags="write denyoom fast",
    complexity="O(N) where N is the number of elements.",
    summary="Puts elements at the head of a list, making the list if there is none.",
    arguments=_PUSHED,
    history=[("2.4.0", "Takes several elements.")],
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
    complexity="O(N) where N is the number of elements.",
    summary="Puts elements at the tail of a list, making the list if there is none.",
    arguments=_PUSHED,
    history=[("2.4.0", "Takes several elements.")],
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
    complexity="O(N) where N is the number of elements.",
    summary="Puts elements at the head of a list, if there is that list.",
    arguments=_PUSHED,
    history=[("4.0.0", "Takes several elements.")],
)
def lpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return lpush(ctx, argv) if ctx.db.fetch_as(argv[1], List) else 0


@command(
    "RPUSHX",
    group="list",
    since="2.2.0",
    flags="write denyoom fast",
    complexity="O(N) where N is the number of elements.",
    summary="Puts elements at the tail of a list, if there is that list.",
    arguments=_PUSHED,
    history=[("4.0.0", "Takes several elements.")],
)
def rpushx(ctx: Context, argv: list[bytes]) -> Reply:
    return rpush(ctx, argv) if ctx.db.fetch_as(argv[1], List) else 0


# --- popping -----------------------------------------------------------------------------


@command(
    "LPOP",
    group="list",
    since="1.0.0",
    flags="write fast",
    complexity="O(N) where N is the number of elements taken.",
    summary="Takes elements off the head of a list.",
    arguments=_POPPED,
    history=[("6.2.0", "Takes a count.")],
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
    complexity="O(N) where N is the number of elements taken.",
    summary="Takes elements off the tail of a list.",
    arguments=_POPPED,
    history=[("6.2.0", "Takes a count.")],
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


def pop_elements(ctx: Context, key: bytes, value: List, end: bytes, count: int) -> list[bytes]:
    """Take up to `count` elements off an end of the list under the key."""
    count = min(count, len(value))
    pop = value.pop_left if end == LEFT else value.pop_right
    elements = [pop() for _ in range(count)]
    value.shrunk(ctx.limits)
    ctx.db.finish_change(key, value, "lpop" if end == LEFT else "rpop", count)
    return elements


@dataclass(frozen=True, slots=True)
class Take:
    """What LMPOP and BLMPOP ask for: elements off one end of the first list with any."""

    keys: list[bytes]
    end: bytes
    count: int


def parse_take(arguments: Arguments) -> Take:
    """`numkeys key [key ...] LEFT | RIGHT [COUNT count]`"""
    numkeys = _at_least_one(arguments, "numkeys")
    keys = arguments.words(numkeys)
    end = parse_end(arguments.word())
    count = 1
    if arguments:
        if not arguments.flag(b"COUNT"):
            raise CommandError(SYNTAX)
        count = _at_least_one(arguments, "count")
    arguments.finish()
    return Take(keys, end, count)


def _at_least_one(arguments: Arguments, name: str) -> int:
    number = read_integer(arguments.word())
    if number is None or not 1 <= number <= 2**63 - 1:
        raise CommandError(f"ERR {name} should be greater than 0")
    return number


def parse_end(word: bytes) -> bytes:
    end = word.upper()
    if end not in POP_COMMANDS:
        raise CommandError(SYNTAX)
    return end


@command(
    "LMPOP",
    group="list",
    since="7.0.0",
    flags="write",
    complexity="O(N+M) where N is the number of keys and M the number of elements taken.",
    summary="Takes elements off the first of several lists that has any.",
    arguments=TAKEN,
)
def lmpop(ctx: Context, argv: list[bytes]) -> Reply:
    return take(ctx, parse_take(Arguments(argv)))


def take(ctx: Context, asked: Take) -> Reply:
    """The key and its elements, or a null array when all the lists are empty."""
    for key in asked.keys:
        value = ctx.db.fetch_as(key, List)
        if value is not None:
            elements = pop_elements(ctx, key, value, asked.end, asked.count)
            ctx.log_as([POP_COMMANDS[asked.end], key, b"%d" % len(elements)])
            return [key, elements]
    return NULL_ARRAY


# --- reading -----------------------------------------------------------------------------


@command(
    "LLEN",
    group="list",
    since="1.0.0",
    flags="readonly fast",
    summary="Answers the length of a list.",
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
    summary="Answers the element at an index of a list.",
    arguments=[Key("key", "RO access"), Integer("index")],
)
def lindex(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], List)
    if value is None:
        return None
    place = _place(parse_integer(argv[2]), value)
    return None if place is None else value[place]


def _place(index: int, value: List) -> int | None:
    """Where an index, which counts from the tail if negative, points to in the list."""
    if index < 0:
        index += len(value)
    return index if 0 <= index < len(value) else None


@command(
    "LRANGE",
    group="list",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) where N is the number of elements in the range.",
    summary="Answers the elements of a list from one index to another.",
    arguments=[Key("key", "RO access"), *_RANGE],
)
def lrange(ctx: Context, argv: list[bytes]) -> Reply:
    start, stop = parse_integer(argv[2]), parse_integer(argv[3])
    value = ctx.db.read_as(argv[1], List)
    return [] if value is None else value.window(*_bounds(start, stop, len(value)))


def _bounds(start: int, stop: int, length: int) -> tuple[int, int]:
    """An inclusive range of indexes as a slice; (0, 0) if nothing lies in it."""
    if start < 0:
        start = max(0, start + length)
    if stop < 0:
        stop += length
    stop = min(stop + 1, length)
    return (start, stop) if start < stop else (0, 0)


@command(
    "LPOS",
    group="list",
    since="6.0.6",
    flags="readonly",
    complexity="O(N) where N is the number of elements looked at.",
    summary="Answers at which indexes of a list an element stands.",
    arguments=[
        Key("key", "RO access"),
        String("element"),
        Integer("rank", "RANK", optional=True),
        Integer("num-matches", "COUNT", optional=True),
        Integer("len", "MAXLEN", optional=True),
    ],
)
def lpos(ctx: Context, argv: list[bytes]) -> Reply:
    rank, count, most = 1, None, 0
    arguments = Arguments(argv, 3)
    while arguments:
        option = arguments.option()
        if option == b"RANK":
            rank = _parse_rank(arguments.word())
        elif option == b"COUNT":
            count = _not_negative(arguments.word(), "COUNT")
        elif option == b"MAXLEN":
            most = _not_negative(arguments.word(), "MAXLEN")
        else:
            raise CommandError(SYNTAX)
    value = ctx.db.read_as(argv[1], List)
    if value is None:
        return None if count is None else []
    skip, wanted = abs(rank) - 1, 1 if count is None else count or len(value)
    places = _find(value, argv[2], skip, wanted, most or len(value), backwards=rank < 0)
    if count is not None:
        return places
    return places[0] if places else None


def _parse_two_ways(word: bytes) -> int:
    """A number that means the same backwards when it is negative."""
    number = parse_integer(word)
    if number == INT64_MIN:
        raise CommandError(
            "ERR value is out of range, value must between -9223372036854775807 "
            "and 9223372036854775807"
        )
    return number


def _parse_rank(word: bytes) -> int:
    rank = _parse_two_ways(word)
    if rank == 0:
        raise CommandError(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list"
        )
    return rank


def _not_negative(word: bytes, option: str) -> int:
    number = read_integer(word)
    if number is None or number < 0:
        raise CommandError(f"ERR {option} can't be negative")
    return number


def _find(
    value: List, element: bytes, skip: int, wanted: int, most: int, *, backwards: bool
) -> list[int]:
    """Indexes of the element: `wanted` ones after `skip`, among the first `most` items."""
    length = len(value)
    places: list[int] = []
    if backwards:
        for place in range(length - 1, max(-1, length - 1 - most), -1):
            if value[place] == element:
                if skip:
                    skip -= 1
                else:
                    places.append(place)
                    if len(places) == wanted:
                        break
        return places
    stop = min(most, length)
    place = value.find(element, 0, stop)
    while place >= 0:
        if skip:
            skip -= 1
        else:
            places.append(place)
            if len(places) == wanted:
                break
        place = value.find(element, place + 1, stop)
    return places


# --- changing ----------------------------------------------------------------------------


@command(
    "LSET",
    group="list",
    since="1.0.0",
    flags="write denyoom",
    complexity="O(1), and O(N) for the account of a long list of N nodes.",
    summary="Replaces the element at an index of a list.",
    arguments=[Key("key", "RW update"), Integer("index"), String("element")],
)
def lset(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    index = parse_integer(argv[2])
    value.expect(argv[3:], ctx.limits)
    place = _place(index, value)
    if place is None:
        raise CommandError(INDEX_OUT_OF_RANGE)
    value.replace(place, argv[3])
    value.shrunk(ctx.limits)
    ctx.db.changed(argv[1], "lset")
    return OK


@command(
    "LINSERT",
    group="list",
    since="2.2.0",
    flags="write denyoom",
    complexity="O(N) where N is the length of the list.",
    summary="Puts an element before or after another one in a list.",
    arguments=[
        Key("key", "RW insert"),
        OneOf("where", Token("BEFORE"), Token("AFTER")),
        String("pivot"),
        String("element"),
    ],
)
def linsert(ctx: Context, argv: list[bytes]) -> Reply:
    where = argv[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise CommandError(SYNTAX)
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        return 0
    value.expect(argv[4:], ctx.limits)
    place = value.find(argv[3], 0, len(value))
    if place < 0:
        return -1
    value.insert(place, argv[4], after=where == b"AFTER")
    ctx.db.changed(argv[1], "linsert")
    return len(value)


@command(
    "LREM",
    group="list",
    since="1.0.0",
    flags="write",
    complexity="O(N) where N is the length of the list.",
    summary="Removes elements that are equal to a given one from a list.",
    arguments=[Key("key", "RW delete"), Integer("count"), String("element")],
)
def lrem(ctx: Context, argv: list[bytes]) -> Reply:
    count = _parse_two_ways(argv[2])
    value = ctx.db.fetch_as(argv[1], List)
    if value is None:
        return 0
    removed = value.remove(argv[3], count)
    if removed:
        value.shrunk(ctx.limits)
        ctx.db.finish_change(argv[1], value, "lrem", removed)
    return removed


@command(
    "LTRIM",
    group="list",
    since="1.0.0",
    flags="write",
    complexity="O(N) where N is the number of elements removed.",
    summary="Keeps only the elements of a list from one index to another.",
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


# --- moving ------------------------------------------------------------------------------


@command(
    "LMOVE",
    group="list",
    since="6.2.0",
    flags="write denyoom",
    summary="Moves an element from an end of a list to an end of a list.",
    arguments=[*MOVED, end_of_list("wherefrom"), end_of_list("whereto")],
    keys=[KeySpec("RW access delete", index=1), KeySpec("RW insert", index=2)],
)
def lmove(ctx: Context, argv: list[bytes]) -> Reply:
    return move(ctx, argv[1], argv[2], parse_end(argv[3]), parse_end(argv[4]))


@command(
    "RPOPLPUSH",
    group="list",
    since="1.2.0",
    flags="write denyoom",
    summary="Moves the last element of a list to the head of a list.",
    arguments=MOVED,
    keys=[KeySpec("RW access delete", index=1), KeySpec("RW insert", index=2)],
    deprecated=("6.2.0", "LMOVE from RIGHT to LEFT"),
)
def rpoplpush(ctx: Context, argv: list[bytes]) -> Reply:
    return move(ctx, argv[1], argv[2], RIGHT, LEFT)


def move(ctx: Context, source: bytes, destination: bytes, taken: bytes, put: bytes) -> Reply:
    """Move one element between ends of lists; the element, or None if there is none."""
    db = ctx.db
    value = db.fetch_as(source, List)
    if value is None:
        return None
    target = db.fetch_as(destination, List)
    element = value.pop_left() if taken == LEFT else value.pop_right()
    made = target is None
    target = List() if target is None else target
    target.expect([element], ctx.limits)
    if put == LEFT:
        target.push_left(element)
    else:
        target.push_right(element)
    value.shrunk(ctx.limits)
    # Redis speaks of the push first, and counts both as one change.
    event = "lpush" if put == LEFT else "rpush"
    if made:
        db.store(destination, target, event)
    else:
        db.changed(destination, event)
    db.finish_change(source, value, "lpop" if taken == LEFT else "rpop", 0)
    return element
