"""LMOVE and RPOPLPUSH: moving an element from one list to another."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.grammar import Key
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.lists.ends import LEFT, RIGHT, end_of_list
from storage.values.lists import List

SOURCE_AND_DESTINATION = [Key("source", "RW access delete"), Key("destination", "RW insert")]
MOVE_KEYS = [KeySpec("RW access delete", index=1), KeySpec("RW insert", index=2)]


@dataclass(slots=True)
class Move:
    source: bytes
    destination: bytes
    wherefrom: bytes
    whereto: bytes


@command(
    "LMOVE",
    group="list",
    since="6.2.0",
    flags="write denyoom",
    summary="Moves an element from one end of a list to an end of another list.",
    arguments=[*SOURCE_AND_DESTINATION, end_of_list("wherefrom"), end_of_list("whereto")],
    keys=MOVE_KEYS,
    request=Move,
)
def lmove(ctx: Context, request: Move) -> Reply:
    return move_element(
        ctx, request.source, request.destination, request.wherefrom, request.whereto
    )


@command(
    "RPOPLPUSH",
    group="list",
    since="1.2.0",
    flags="write denyoom",
    summary="Moves the last element of a list to the head of another list.",
    arguments=SOURCE_AND_DESTINATION,
    keys=MOVE_KEYS,
    deprecated=("6.2.0", "`LMOVE` from `RIGHT` to `LEFT`"),
)
def rpoplpush(ctx: Context, argv: list[bytes]) -> Reply:
    return move_element(ctx, argv[1], argv[2], RIGHT, LEFT)


def move_element(
    ctx: Context, source: bytes, destination: bytes, wherefrom: bytes, whereto: bytes
) -> bytes | None:
    """Move one element between ends of lists; return it, or None if the source is empty."""
    db = ctx.db
    value = db.fetch_as(source, List)
    if value is None:
        return None
    target = db.fetch_as(destination, List)
    element = value.pop_left() if wherefrom == LEFT else value.pop_right()
    is_new = target is None
    target = List() if target is None else target
    target.expect([element], ctx.limits)
    if whereto == LEFT:
        target.push_left(element)
    else:
        target.push_right(element)
    value.shrunk(ctx.limits)
    # As in Redis, the push is announced before the pop, and both count as one change.
    event = "lpush" if whereto == LEFT else "rpush"
    if is_new:
        db.store(destination, target, event)
    else:
        db.changed(destination, event)
    db.finish_change(source, value, "lpop" if wherefrom == LEFT else "rpop", 0)
    return element
