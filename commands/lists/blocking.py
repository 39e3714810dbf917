"""Lists, for who can wait: each command blocks until a list has something for it.

Once woken, a command is simply run again, so each of these first does what its sibling
that does not wait would do.
"""

from __future__ import annotations

from commands.engine.arguments import Arguments, parse_timeout
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import Double, Key
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY
from commands.instance.context import Context
from commands.lists.lists import (
    LEFT,
    MOVED,
    POP_COMMANDS,
    RIGHT,
    TAKEN,
    end_of_list,
    move,
    parse_end,
    parse_take,
    pop_elements,
    take,
)
from storage.values.lists import List

_POPPED = [Key("key", "RW access delete", multiple=True), Double("timeout")]
_BETWEEN = [KeySpec("RW access delete", index=1), KeySpec("RW insert", index=2)]
_TIMEOUT_AS_DOUBLE = [("6.0.0", "Takes fractions of a second.")]


@command(
    "BLPOP",
    group="list",
    since="2.0.0",
    flags="write blocking",
    complexity="O(N) where N is the number of keys.",
    summary="Takes the first element of the first list that has any, or waits for one.",
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
    complexity="O(N) where N is the number of keys.",
    summary="Takes the last element of the first list that has any, or waits for one.",
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
    complexity="O(N+M) where N is the number of keys and M the number of elements taken.",
    summary="Takes elements off the first of several lists that has any, or waits for them.",
    arguments=[Double("timeout"), *TAKEN],
)
def blmpop(ctx: Context, argv: list[bytes]) -> Outcome:
    asked = parse_take(Arguments(argv, 2))
    deadline = parse_timeout(argv[1], ctx.now)
    reply = take(ctx, asked)
    return BlockOn(asked.keys, deadline, List) if reply is NULL_ARRAY else reply


@command(
    "BLMOVE",
    group="list",
    since="6.2.0",
    flags="write denyoom blocking",
    summary="Moves an element from one list to another, or waits for one to move.",
    arguments=[*MOVED, end_of_list("wherefrom"), end_of_list("whereto"), Double("timeout")],
    keys=_BETWEEN,
)
def blmove(ctx: Context, argv: list[bytes]) -> Outcome:
    taken, put = parse_end(argv[3]), parse_end(argv[4])
    return _move(ctx, argv, taken, put, [b"LMOVE", argv[1], argv[2], taken, put])


@command(
    "BRPOPLPUSH",
    group="list",
    since="2.2.0",
    flags="write denyoom blocking",
    summary="Moves the last element of a list to the head of another, or waits for one.",
    arguments=[*MOVED, Double("timeout")],
    keys=_BETWEEN,
    history=_TIMEOUT_AS_DOUBLE,
    deprecated=("6.2.0", "BLMOVE from RIGHT to LEFT"),
)
def brpoplpush(ctx: Context, argv: list[bytes]) -> Outcome:
    return _move(ctx, argv, RIGHT, LEFT, [b"RPOPLPUSH", argv[1], argv[2]])


def _move(ctx: Context, argv: list[bytes], taken: bytes, put: bytes, plain: list[bytes]) -> Outcome:
    deadline = parse_timeout(argv[-1], ctx.now)
    element = move(ctx, argv[1], argv[2], taken, put)
    if element is None:
        return BlockOn([argv[1]], deadline, List, otherwise=None)
    ctx.log_as(plain)
    return element
