"""What becomes due in queues: delayed messages, expired leases, consumers to be pruned."""

from __future__ import annotations

from commands.domain.calls import call_texts, call_values
from commands.domain.queues.delivery import bury, wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import find_pending
from commands.domain.queues.layout import (
    DUE_PREFIX,
    Queue,
    first_due,
    is_due,
    schedule,
    unschedule,
    with_scores,
)
from commands.domain.queues.messages import read_message_id
from commands.domain.queues.presence_rows import default_ttl, next_prune, prune
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, sweep
from storage.errors import WrongType

_BATCH = b"%d" % BATCH


def promote(ctx: Context, queue: Queue) -> bool:
    """Move a batch of delayed messages that are due into their streams; False if none is."""
    if not is_due(ctx, queue.delayed):
        return False
    due = call_texts(
        ctx, b"ZRANGE", queue.delayed, b"-inf", b"%d" % ctx.now, b"BYSCORE",
        b"LIMIT", b"0", _BATCH,
    )  # fmt: skip
    for value in call_values(ctx, b"HMGET", queue.late, *due):
        level, _, payload = (value or b"").partition(b" ")
        if len(level) == 1 and level.isdigit():
            ctx.call(b"XADD", queue.stream(int(level)), b"*", b"payload", payload)
        else:
            count_poison(ctx)
    ctx.call(b"ZREM", queue.delayed, *due)
    ctx.call(b"HDEL", queue.late, *due)
    wake_readers(ctx, queue)
    return True


def _end_leases(ctx: Context, queue: Queue, group: bytes) -> None:
    """End a batch of expired leases: their messages become readable, or dead letters."""
    leases = queue.leases(group)
    expired = call_texts(
        ctx, b"ZRANGE", leases, b"(0", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", _BATCH
    )
    for member in expired:
        message = read_message_id(member)
        if message is None:
            count_poison(ctx)
            ctx.call(b"ZREM", leases, member)
            continue
        pending = find_pending(ctx, queue, group, message)
        if pending is None:
            ctx.call(b"ZREM", leases, member)
        elif pending.used_up(ctx):
            bury(ctx, queue, group, message)
        else:
            ctx.call(b"ZADD", leases, b"0", member)
            announce(ctx, queue, "lease-ended", group=text(group), id=text(member))
    if expired:
        wake_readers(ctx, queue)


def _next_due(ctx: Context, queue: Queue) -> int | None:
    """When something in the queue is next due."""
    heads = [with_scores(ctx, queue.delayed, b"0", b"0")]
    heads += [
        with_scores(ctx, queue.leases(group), b"(0", b"+inf", b"BYSCORE", b"LIMIT", b"0", b"1")
        for group in queue.groups_with(ctx, b"leases")
    ]
    moments = [int(head[0][1]) for head in heads if head]
    pruned_at = next_prune(ctx, queue)
    # A row that should have been pruned by now cannot be: trying again would not help.
    if pruned_at is not None and pruned_at > ctx.now:
        moments.append(pruned_at)
    return min(moments, default=None)


@sweep(DUE_PREFIX)
def serve_due(ctx: Context) -> bool:
    """Handle what is due in one queue; False if no queue has anything due."""
    found = first_due(ctx)
    if found is None:
        return False
    key, queue = found
    unschedule(ctx, queue, key)
    try:
        promote(ctx, queue)
        for group in queue.groups_with(ctx, b"leases"):
            _end_leases(ctx, queue, group)
        prune_at = next_prune(ctx, queue)
        if prune_at is not None and prune_at <= ctx.now:
            prune(ctx, queue, default_ttl(ctx))
        moment = _next_due(ctx, queue)
    except (WrongType, CommandError, OverflowError):
        # Keys of this queue were overwritten with something else. Other queues must not wait
        # for it; it is scheduled again when it is next used.
        count_poison(ctx)
        return True
    if moment is not None:
        schedule(ctx, queue, moment)
    return True
