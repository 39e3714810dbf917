"""The list commands that block until a list has an element.

A command that is woken runs again from the start, so each of these first tries what its
non-blocking counterpart does.
"""

from __future__ import annotations

from commands.engine.arguments import Arguments, parse_timeout
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import Double, Key
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY
from commands.instance.context import Context
from commands.lists.ends import LEFT, POP_COMMANDS, RIGHT, end_of_list, parse_end, pop_elements
from commands.lists.moving import MOVE_KEYS, SOURCE_AND_DESTINATION, move_element
from commands.lists.multi_pop import MULTI_POP_ARGUMENTS, multi_pop, parse_multi_pop
from storage.values.lists import List

_POPPED = [Key("key", "RW access delete", multiple=True), Double("timeout")]
_TIMEOUT_AS_DOUBLE = [("6.0.0", "Accepts fractions of a second.")]


@command(
    "BLPOP",
    group="list",
    since="2.0.0",
    flags="write blocking",
    complexity="O(N) for N keys.",
    summary="Removes and returns a list's first element, waiting until there is one.",
    arguments=_POPPED,
    history=_TIMEOUT_AS_DOUBLE,
)
def blpop(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop(ctx, argv, LEFT)


@command(
    "BRPOP",
    group="list",
    since="2.0.0",
    flags="write blocking",
    complexity="O(N) for N keys.",
    summary="Removes and returns a list's last element, waiting until there is one.",
    arguments=_POPPED,
    history=_TIMEOUT_AS_DOUBLE,
)
def brpop(ctx: Context, argv: list[bytes]) -> Outcome:
    return _pop(ctx, argv, RIGHT)


def _pop(ctx: Context, argv: list[bytes], end: bytes) -> Outcome:
    deadline = parse_timeout(argv[-1], ctx.now)
    keys = argv[1:-1]
    for key in keys:
        value = ctx.db.fetch_as(key, List)
        if value is not None:
            (element,) = pop_elements(ctx, key, value, end, 1)
            ctx.log_as([POP_COMMANDS[end], key])
            return [key, element]
    return BlockOn(keys, deadline, List)


@command(
    "BLMPOP",
    group="list",
    since="7.0.0",
    flags="write blocking",
    complexity="O(N+M) for N keys and M elements removed.",
    summary="Removes and returns elements of a list, waiting until there are any.",
    arguments=[Double("timeout"), *MULTI_POP_ARGUMENTS],
)
def blmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    request = parse_multi_pop(Arguments(argv, 2))
    deadline = parse_timeout(argv[1], ctx.now)
    reply = multi_pop(ctx, request)
    return BlockOn(request.keys, deadline, List) if reply is NULL_ARRAY else reply


@command(
    "BLMOVE",
    group="list",
    since="6.2.0",
    flags="write denyoom blocking",
    summary="Moves an element from one list to another, waiting until there is one.",
    arguments=[
        *SOURCE_AND_DESTINATION,
        end_of_list("wherefrom"),
        end_of_list("whereto"),
        Double("timeout"),
    ],
    keys=MOVE_KEYS,
)
def blmove(ctx: Context, argv: list[bytes]) -> Outcome:
    wherefrom, whereto = parse_end(argv[3]), parse_end(argv[4])
    logged = [b"LMOVE", argv[1], argv[2], wherefrom, whereto]
    return _move(ctx, argv, wherefrom, whereto, logged)


@command(
    "BRPOPLPUSH",
    group="list",
    since="2.2.0",
    flags="write denyoom blocking",
    summary="Moves a list's last element to another list's head, waiting until there is one.",
    arguments=[*SOURCE_AND_DESTINATION, Double("timeout")],
    keys=MOVE_KEYS,
    history=_TIMEOUT_AS_DOUBLE,
    deprecated=("6.2.0", "`BLMOVE` from `RIGHT` to `LEFT`"),
)
def brpoplpush(ctx: Context, argv: list[bytes]) -> Outcome:
    return _move(ctx, argv, RIGHT, LEFT, [b"RPOPLPUSH", argv[1], argv[2]])


def _move(
    ctx: Context, argv: list[bytes], wherefrom: bytes, whereto: bytes, logged: list[bytes]
) -> Outcome:
    """Move an element or block; the log gets `logged`, which does not block."""
    deadline = parse_timeout(argv[-1], ctx.now)
    element = move_element(ctx, argv[1], argv[2], wherefrom, whereto)
    if element is None:
        return BlockOn([argv[1]], deadline, List, otherwise=None)
    ctx.log_as(logged)
    return element
