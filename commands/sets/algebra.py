"""Intersection, union and difference of sets.

The encoding of a stored set depends on the order in which its members were added, so stored
results are built in the same order as in Redis.
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
    complexity="O(N*M) for M sets, the smallest of N members.",
    summary="Returns the members common to several sets.",
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
    complexity="O(N*M) for M sets, the smallest of N members.",
    summary="Stores the members common to several sets.",
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
    complexity="O(N*M) for M sets, the smallest of N members.",
    summary="Counts the members common to several sets.",
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
    complexity="O(N) for N members in all sets together.",
    summary="Returns the members of any of several sets.",
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
    complexity="O(N) for N members in all sets together.",
    summary="Stores the members of any of several sets.",
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
    complexity="O(N) for N members in all sets together.",
    summary="Returns the members of the first set that are in none of the others.",
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
    complexity="O(N) for N members in all sets together.",
    summary="Stores the members of the first set that are in none of the others.",
    arguments=[Key("destination", "OW update"), Key("key", "RO access", multiple=True)],
)
def sdiffstore(ctx: Context, argv: list[bytes]) -> Reply:
    result = _difference(_read(ctx, argv[2:]), ctx.limits)
    return _store(ctx, argv[1], result, "sdiffstore")


def _read(ctx: Context, keys: list[bytes]) -> list[Set | None]:
    """Look up every key, even if the first ones decide the result, to check its type."""
    return [ctx.db.read_as(key, Set) for key in keys]


def _store(ctx: Context, key: bytes, result: Set, event: str) -> int:
    if result:
        ctx.db.store(key, result, event)
    else:
        ctx.db.delete(key, even_expired=True)
    return len(result)


def _common(sets: list[Set | None], limit: int = 0) -> list[bytes]:
    """Return the members common to all sets, up to `limit` (0: all); a missing set is empty."""
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
    # Either look up every member of the first set in all others, the largest first because
    # it is the likeliest to contain it, or remove the members of the others from a copy.
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
