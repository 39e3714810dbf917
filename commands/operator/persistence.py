"""SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE: having the data put on disk.

The server does it; what is here tells it what is wanted.
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
    summary="Writes a snapshot of all data while everybody waits.",
)
def save(ctx: Context, argv: list[bytes]) -> Outcome:
    return Save()


@command(
    "BGSAVE",
    group="server",
    since="1.0.0",
    flags=_FLAGS,
    complexity="O(1)",
    summary="Writes a snapshot of all data in the background.",
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
    summary="Writes the log anew in the background, as short as the data allows.",
)
def bgrewriteaof(ctx: Context, argv: list[bytes]) -> Outcome:
    return RewriteLog()


@command(
    "LASTSAVE",
    group="server",
    since="1.0.0",
    flags="loading stale fast",
    summary="Tells when the data was last saved, in seconds since the epoch.",
    categories="admin dangerous",
    tips=["nondeterministic_output"],
)
def lastsave(ctx: Context, argv: list[bytes]) -> Reply:
    return ctx.instance.persistence.saved_ms // 1000
