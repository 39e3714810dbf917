"""What several sets have in common, together, or only the first of them.

The encoding of a stored result depends on the order in which Redis builds it up, so the
results that are stored are built in that order too.
"""

from __future__ import annotations

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.registry import command
from commands.engine.replies import Reply, SetReply
from commands.instance.context import Context
from storage.values.limits import Limits
from storage.values.sets import Set


@command(
    "SINTER",
    group="set",
    since="1.0.0",
    flags="readonly",
    complexity="O(N*M) with N the size of the smallest set and M the number of sets",
    summary="Answers what is a member of every one of several sets.",
    arguments=[Key("key", "RO access", multiple=True)],
    tips=["nondeterministic_output_order"],
)
def sinter(ctx: Context, argv: list[bytes]) -> Reply:
    return SetReply(_common(_read(ctx, argv[1:])))


@command(
    "SINTERSTORE",
    group="set",
    since="1.0.0",
    flags="write denyoom",
    complexity="O(N*M) with N the size of the smallest set and M the number of sets",
    summary="Stores what is a member of every one of several sets.",
    arguments=[Key("destination", "OW update"), Key("key", "RO access", multiple=True)],
)
def sinterstore(ctx: Context, argv: list[bytes]) -> Reply:
    sets = _read(ctx, argv[2:])
    members = _common(sets)
    if not members:
        return _store(ctx, argv[1], Set(), "sinterstore")
    smallest = min((one for one in sets if one is not None), key=len)
    result = Set() if smallest.encoding == b"intset" else Set.unsorted()
    for member in members:
        result.add(member, ctx.limits)
    result.compact(ctx.limits)
    return _store(ctx, argv[1], result, "sinterstore")


@command(
    "SINTERCARD",
    group="set",
    since="7.0.0",
    flags="readonly",
    complexity="O(N*M) with N the size of the smallest set and M the number of sets",
    summary="Answers how many members several sets have in common.",
    arguments=[
        Integer("numkeys"),
        Key("key", "RO access", multiple=True),
        Integer("limit", "LIMIT", optional=True),
    ],
)
def sintercard(ctx: Context, argv: list[bytes]) -> Reply:
    count = parse_in_range(argv[1], 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if count > len(argv) - 2:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    limit = 0
    arguments = Arguments(argv, 2 + count)
    while arguments:
        if not arguments.flag(b"LIMIT") or not arguments:
            raise CommandError(SYNTAX)
        limit = parse_in_range(arguments.word(), 0, INT64_MAX, "ERR LIMIT can't be negative")
    return len(_common(_read(ctx, argv[2 : 2 + count]), limit))


@command(
    "SUNION",
    group="set",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) with N the number of members of all sets together",
    summary="Answers what is a member of any of several sets.",
    arguments=[Key("key", "RO access", multiple=True)],
    tips=["nondeterministic_output_order"],
)
def sunion(ctx: Context, argv: list[bytes]) -> Reply:
    sets = [one for one in _read(ctx, argv[1:]) if one is not None]
    if all(one.encoding == b"intset" for one in sets):
        return SetReply(_union(sets, ctx.limits))
    members: dict[bytes, None] = {}
    for one in sets:
        members.update(dict.fromkeys(one))
    return SetReply(members)


@command(
    "SUNIONSTORE",
    group="set",
    since="1.0.0",
    flags="write denyoom",
    complexity="O(N) with N the number of members of all sets together",
    summary="Stores what is a member of any of several sets.",
    arguments=[Key("destination", "OW update"), Key("key", "RO access", multiple=True)],
)
def sunionstore(ctx: Context, argv: list[bytes]) -> Reply:
    sets = [one for one in _read(ctx, argv[2:]) if one is not None]
    return _store(ctx, argv[1], _union(sets, ctx.limits), "sunionstore")


@command(
    "SDIFF",
    group="set",
    since="1.0.0",
    flags="readonly",
    complexity="O(N) with N the number of members of all sets together",
    summary="Answers what is a member of the first of several sets, and of no other.",
    arguments=[Key("key", "RO access", multiple=True)],
    tips=["nondeterministic_output_order"],
)
def sdiff(ctx: Context, argv: list[bytes]) -> Reply:
    return SetReply(_difference(_read(ctx, argv[1:]), ctx.limits))


@command(
    "SDIFFSTORE",
    group="set",
    since="1.0.0",
    flags="write denyoom",
    complexity="O(N) with N the number of members of all sets together",
    summary="Stores what is a member of the first of several sets, and of no other.",
    arguments=[Key("destination", "OW update"), Key("key", "RO access", multiple=True)],
)
def sdiffstore(ctx: Context, argv: list[bytes]) -> Reply:
    result = _difference(_read(ctx, argv[2:]), ctx.limits)
    return _store(ctx, argv[1], result, "sdiffstore")


def _read(ctx: Context, keys: list[bytes]) -> list[Set | None]:
    """All of them are looked at, even where the first ones tell the result: for their type."""
    return [ctx.db.read_as(key, Set) for key in keys]


def _store(ctx: Context, key: bytes, result: Set, event: str) -> int:
    if result:
        ctx.db.store(key, result, event)
    else:
        ctx.db.delete(key)
    return len(result)


def _common(sets: list[Set | None], limit: int = 0) -> list[bytes]:
    """Members of all sets, up to `limit` of them; a missing set has none."""
    present = sorted([one for one in sets if one is not None], key=len)
    if len(present) < len(sets):
        return []
    smallest, others = present[0], present[1:]
    found = []
    for member in smallest:
        for other in others:
            if member not in other:
                break
        else:
            found.append(member)
            if len(found) == limit:
                break
    return found


def _union(sets: list[Set], limits: Limits) -> Set:
    union = Set()
    for one in sets:
        for member in one:
            union.add(member, limits)
    return union


def _difference(sets: list[Set | None], limits: Limits) -> Set:
    result = Set()
    first = sets[0]
    others = [one for one in sets[1:] if one is not None]
    if first is None or any(one is first for one in others):
        return result
    # Either look every member of the first set up in all others, most likely to be stopped
    # early by a large one, or take everything that the others have out of a copy.
    lookups = len(first) * (len(others) + 1) // 2
    if lookups <= len(first) + sum(map(len, others)):
        others.sort(key=len, reverse=True)
        for member in first:
            if not any(member in other for other in others):
                result.add(member, limits)
        return result
    for member in first:
        result.add(member, limits)
    for other in others:
        if not result:
            break
        for member in other:
            result.remove(member)
    return result
