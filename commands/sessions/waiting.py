"""WAIT and WAITAOF: blocking until writes are replicated or on disk."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.effects import Outcome, WaitUntil
from commands.engine.errors import (
    MUST_BE_POSITIVE,
    TIMEOUT_NEGATIVE,
    TIMEOUT_NOT_AN_INTEGER,
    CommandError,
)
from commands.engine.grammar import Integer
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import ErrorReply, Reply
from commands.instance.context import Context

_NO_LOG = b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
_PER_SHARD_LEAST = ("request_policy:all_shards", "response_policy:agg_min")
_TIMEOUT = Integer("timeout", low=0, message=TIMEOUT_NOT_AN_INTEGER, range_message=TIMEOUT_NEGATIVE)


@dataclass(slots=True)
class Wait:
    numreplicas: int
    timeout: int


@command(
    "WAIT",
    group="generic",
    since="3.0.0",
    flags="blocking",
    categories="connection",
    without="keyspace",
    summary="Blocks until the writes of the connection are replicated, or a timeout.",
    arguments=[Integer("numreplicas"), _TIMEOUT],
    request=Wait,
    tips=_PER_SHARD_LEAST,
)
def wait(ctx: Context, request: Wait) -> Outcome:
    deadline = _deadline(ctx, request.timeout)
    if request.numreplicas <= 0 or ctx.atomic:
        return 0
    return WaitUntil(deadline, lambda: 0)


@dataclass(slots=True)
class WaitForLog:
    numlocal: int
    numreplicas: int
    timeout: int


@command(
    "WAITAOF",
    group="generic",
    since="7.2.0",
    flags="blocking",
    categories="connection",
    without="keyspace",
    summary="Blocks until the writes of the connection are on disk, or a timeout.",
    arguments=[
        Integer(
            "numlocal",
            low=0,
            high=1,
            range_message="ERR value is out of range, value must between 0 and 1",
        ),
        Integer("numreplicas", low=0, message=MUST_BE_POSITIVE),
        _TIMEOUT,
    ],
    request=WaitForLog,
    tips=_PER_SHARD_LEAST,
)
def waitaof(ctx: Context, request: WaitForLog) -> Outcome:
    local, replicas = request.numlocal, request.numreplicas
    deadline = _deadline(ctx, request.timeout)
    instance = ctx.instance
    settings, log = instance.settings, instance.persistence.log
    if local and not settings.appendonly:
        raise CommandError(_NO_LOG)
    # The writes of earlier commands are on disk once the log is synced up to this position.
    mark = log.position + bool(instance.keyspace.journal)

    def synced() -> bool:
        return log.complete and (mark <= log.synced_position or synced_with_this_turn())

    def synced_with_this_turn() -> bool:
        # With "always" the turn is synced, with all that was written before it, before its
        # replies are sent; this reply is one of them.
        return (
            settings.appendfsync == "always"
            and mark > log.position
            and instance.persistence.fsync_allowed
        )

    def reply() -> Reply:
        if local and not settings.appendonly:
            return ErrorReply(_NO_LOG)
        return [int(synced()), 0]

    def satisfied() -> bool:
        return replicas == 0 and (local <= synced() or not settings.appendonly)

    if satisfied() or ctx.atomic:
        return reply()
    return WaitUntil(deadline, reply, satisfied)


def _deadline(ctx: Context, timeout: int) -> int | None:
    """Return the end of a timeout in milliseconds; None for 0, which blocks for ever."""
    if timeout > INT64_MAX - ctx.now:
        raise CommandError("ERR timeout is out of range")
    return ctx.now + timeout if timeout else None
