"""SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE: saving the data to disk.

The commands return effects, which the server carries out.
"""

from __future__ import annotations

from commands.engine.effects import CancelSave, Outcome, RewriteLog, Save
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import OneOf, Token
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_FLAGS = "admin noscript no_async_loading"


@command(
    "SAVE",
    group="server",
    since="1.0.0",
    flags=f"{_FLAGS} no_multi",
    complexity="O(N) where N is the number of keys.",
    summary="Saves a snapshot of all data, and blocks the server meanwhile.",
)
def save(ctx: Context, argv: list[bytes]) -> Outcome:
    return Save()


@command(
    "BGSAVE",
    group="server",
    since="1.0.0",
    flags=_FLAGS,
    complexity="O(1)",
    summary="Saves a snapshot of all data in the background.",
    arguments=[
        OneOf(
            "operation",
            Token("SCHEDULE", since="3.2.2"),
            Token("CANCEL", since="8.1.0"),
            optional=True,
        )
    ],
)
def bgsave(ctx: Context, argv: list[bytes]) -> Outcome:
    word = argv[1].upper() if len(argv) == 2 else b""
    if len(argv) > 2 or (len(argv) == 2 and word not in (b"SCHEDULE", b"CANCEL")):
        raise CommandError(SYNTAX)
    if word == b"CANCEL":
        return CancelSave()
    return Save(background=True, schedule=word == b"SCHEDULE")


@command(
    "BGREWRITEAOF",
    group="server",
    since="1.0.0",
    flags=_FLAGS,
    complexity="O(1)",
    summary="Rewrites the append-only log in the background, to make it as short as possible.",
)
def bgrewriteaof(ctx: Context, argv: list[bytes]) -> Outcome:
    return RewriteLog()


@command(
    "LASTSAVE",
    group="server",
    since="1.0.0",
    flags="loading stale fast",
    summary="Returns the Unix time in seconds at which the data was last saved.",
    categories="admin dangerous",
    tips=["nondeterministic_output"],
)
def lastsave(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.instance.persistence.last_save_ms // 1000
