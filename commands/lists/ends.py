"""The two ends of a list: how requests name them, and removing elements from one of them."""

from __future__ import annotations

from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Argument, OneOf, Token
from commands.instance.context import Context
from storage.values.lists import List

LEFT, RIGHT = b"LEFT", b"RIGHT"
POP_COMMANDS = {LEFT: b"LPOP", RIGHT: b"RPOP"}


def end_of_list(name: str) -> Argument:
    """The argument that names an end of a list."""
    return OneOf(name, Token("LEFT"), Token("RIGHT"))


def parse_end(word: bytes) -> bytes:
    end = word.upper()
    if end not in POP_COMMANDS:
        raise CommandError(SYNTAX)
    return end


def pop_elements(ctx: Context, key: bytes, value: List, end: bytes, count: int) -> list[bytes]:
    """Remove and return up to `count` elements from an end of the list stored at `key`."""
    count = min(count, len(value))
    pop = value.pop_left if end == LEFT else value.pop_right
    elements = [pop() for _ in range(count)]
    value.shrunk(ctx.limits)
    ctx.db.finish_change(key, value, "lpop" if end == LEFT else "rpop", count)
    return elements
