"""WAIT and WAITAOF: until writes are somewhere else too, or on disk."""

from __future__ import annotations

from commands.engine.arguments import parse_duration
from commands.engine.effects import Outcome, WaitUntil
from commands.engine.errors import MUST_BE_POSITIVE, CommandError
from commands.engine.grammar import Integer
from commands.engine.numbers import INT64_MAX, parse_in_range, parse_integer
from commands.engine.registry import command
from commands.engine.replies import ErrorReply, Reply
from commands.instance.context import Context

_NO_LOG = b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
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
def wait(ctx: Context, argv: list[bytes]) -> Outcome:
    replicas = parse_integer(argv[1])
    duration = parse_duration(argv[2], ctx.now)
    if replicas <= 0 or ctx.atomic:
        return 0
    return WaitUntil(_deadline(ctx, duration), lambda: 0)


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
def waitaof(ctx: Context, argv: list[bytes]) -> Outcome:
    local = parse_in_range(argv[1], 0, 1)
    replicas = parse_in_range(argv[2], 0, INT64_MAX, MUST_BE_POSITIVE)
    duration = parse_duration(argv[3], ctx.now)
    instance = ctx.instance
    settings, state = instance.settings, instance.persistence
    if local and not settings.appendonly:
        raise CommandError(_NO_LOG)
    # What the commands before this one wrote is on disk when the log is that far.
    mark = state.log_gathered + bool(instance.keyspace.journal)

    def synced() -> bool:
        # With "always" a turn is on disk before its replies leave, this one among them.
        return state.log_whole and (settings.appendfsync == "always" or mark <= state.log_synced)

    def reply() -> Reply:
        if local and not settings.appendonly:
            return ErrorReply(_NO_LOG)
        return [int(synced()), 0]

    def satisfied() -> bool:
        return replicas == 0 and (local <= synced() or not settings.appendonly)

    if satisfied() or ctx.atomic:
        return reply()
    return WaitUntil(_deadline(ctx, duration), reply, satisfied)


def _deadline(ctx: Context, duration: int) -> int | None:
    """When the waiting is over; a duration of 0 is no limit."""
    return ctx.now + duration if duration else None
