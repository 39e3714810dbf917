"""PING, ECHO and the like: talking to the server itself."""

from __future__ import annotations

from commands.context import Context
from commands.errors import wrong_arity
from commands.registry import String, command
from commands.replies import Reply


@command(
    "PING",
    group="connection",
    since="1.0.0",
    flags="fast",
    complexity="O(1)",
    summary="Answers, to show that the server is there.",
    arguments=[String("message", optional=True)],
    tips=["request_policy:all_shards", "response_policy:all_succeeded"],
)
def ping(ctx: Context, argv: list[bytes]) -> Reply:
    if len(argv) > 2:
        raise wrong_arity("ping")
    message = argv[1] if len(argv) == 2 else None
    if ctx.client.resp == 2 and ctx.client.subscriptions:
        return [b"pong", message or b""]
    return "PONG" if message is None else message
