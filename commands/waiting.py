"""WAIT and WAITAOF: until writes are somewhere else too, or on disk."""

from __future__ import annotations

from commands.arguments import parse_duration
from commands.context import Context
from commands.effects import Wait
from commands.errors import MUST_BE_POSITIVE, CommandError
from commands.numbers import INT64_MAX, parse_in_range, parse_integer
from commands.registry import Integer, command
from commands.replies import Reply

_PER_SHARD_LEAST = ("request_policy:all_shards", "response_policy:agg_min")


@command(
    "WAIT",
    group="generic",
    since="3.0.0",
    flags="blocking",
    categories="connection",
    without="keyspace",
    summary="Waits until replicas have the connection's writes; answers how many do.",
    arguments=[Integer("numreplicas"), Integer("timeout")],
    tips=_PER_SHARD_LEAST,
)
def wait(ctx: Context, argv: list[bytes]) -> Reply:
    replicas = parse_integer(argv[1])
    duration = parse_duration(argv[2], ctx.now)
    return _after(ctx, duration, 0, satisfied=replicas <= 0)


@command(
    "WAITAOF",
    group="generic",
    since="7.2.0",
    flags="blocking",
    categories="connection",
    without="keyspace",
    summary="Waits until the connection's writes are on disk, here and on replicas.",
    arguments=[Integer("numlocal"), Integer("numreplicas"), Integer("timeout")],
    tips=_PER_SHARD_LEAST,
)
def waitaof(ctx: Context, argv: list[bytes]) -> Reply:
    local = parse_in_range(argv[1], 0, 1)
    replicas = parse_in_range(argv[2], 0, INT64_MAX, MUST_BE_POSITIVE)
    duration = parse_duration(argv[3], ctx.now)
    settings = ctx.instance.settings
    if local and not settings["appendonly"]:
        raise CommandError(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
        )
    # Only this policy has what a turn wrote on disk before its replies leave.
    synced = 1 if settings["appendonly"] and settings["appendfsync"] == "always" else 0
    return _after(ctx, duration, [synced, 0], satisfied=local <= synced and replicas == 0)


def _after(ctx: Context, duration: int, reply: Reply, *, satisfied: bool) -> Reply:
    """The reply, once it is what was asked for or there is no more time; 0 is no limit."""
    if satisfied or ctx.atomic:
        return reply
    return Wait(ctx.now + duration if duration else None, reply)
