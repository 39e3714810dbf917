"""LMPOP, and the part of BLMPOP that does not block."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Reply
from commands.instance.context import Context
from commands.lists.ends import POP_COMMANDS, end_of_list, parse_end, pop_elements
from storage.values.lists import List

MULTI_POP_ARGUMENTS = [
    Integer("numkeys"),
    Key("key", "RW access delete", multiple=True),
    end_of_list("where"),
    Integer("count", "COUNT", optional=True),
]


@dataclass(frozen=True, slots=True)
class MultiPop:
    """The parsed request: which lists to try, and what to remove from the first non-empty one."""

    keys: list[bytes]
    end: bytes
    count: int


def parse_multi_pop(arguments: Arguments) -> MultiPop:
    """Parse `numkeys key [key ...] LEFT | RIGHT [COUNT count]`."""
    numkeys = _parse_positive(arguments.word(), "numkeys")
    keys = arguments.words(numkeys)
    end = parse_end(arguments.word())
    count = 1
    if arguments:
        if not arguments.flag(b"COUNT"):
            raise CommandError(SYNTAX)
        count = _parse_positive(arguments.word(), "count")
    arguments.finish()
    return MultiPop(keys, end, count)


def _parse_positive(word: bytes, name: str) -> int:
    return parse_in_range(word, 1, INT64_MAX, f"ERR {name} should be greater than 0")


@command(
    "LMPOP",
    group="list",
    since="7.0.0",
    flags="write",
    complexity="O(N+M) for N keys and M elements removed.",
    summary="Removes and returns elements from the first non-empty list of several.",
    arguments=MULTI_POP_ARGUMENTS,
)
def lmpop(ctx: Context, argv: list[bytes]) -> Reply:
    return multi_pop(ctx, parse_multi_pop(Arguments(argv)))


def multi_pop(ctx: Context, request: MultiPop) -> Reply:
    """Return the key and the elements removed, or a null array if all the lists are empty."""
    for key in request.keys:
        value = ctx.db.fetch_as(key, List)
        if value is not None:
            elements = pop_elements(ctx, key, value, request.end, request.count)
            ctx.log_as([POP_COMMANDS[request.end], key, b"%d" % len(elements)])
            return [key, elements]
    return NULL_ARRAY
