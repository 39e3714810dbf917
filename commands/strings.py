"""Strings: GET, SET and what counts, appends to and cuts them."""

from __future__ import annotations

from commands.context import Context
from commands.registry import Key, command
from commands.replies import Reply


@command(
    "GET",
    group="string",
    since="1.0.0",
    flags="readonly fast",
    summary="Answers the string under a key.",
    arguments=[Key("key", "RO access")],
)
def get(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.db.read_string(argv[1])
