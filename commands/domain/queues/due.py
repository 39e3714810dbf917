"""What becomes due in queues: delayed messages, expired leases, consumers to be pruned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from commands.domain.calls import call_texts, call_values
from commands.domain.numbers import whole
from commands.domain.queues.delivery import bury, wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import add_entry, find_pending
from commands.domain.queues.layout import (
    AGENDA,
    Queue,
    is_due,
    queue_of_due,
    with_scores,
)
from commands.domain.queues.messages import read_message_id
from commands.domain.queues.presence_rows import default_ttl, next_prune, prune
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, RETRY_AFTER_MS, sweep
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
    done = []
    for message, value in zip(due, call_values(ctx, b"HMGET", queue.late, *due), strict=True):
        if _move(ctx, queue, value):
            done.append(message)
        else:
            ctx.call(b"ZADD", queue.delayed, b"%d" % (ctx.now + RETRY_AFTER_MS), message)
    if done:
        ctx.call(b"ZREM", queue.delayed, *done)
        ctx.call(b"HDEL", queue.late, *done)
    wake_readers(ctx, queue)
    return True


def _move(ctx: Context, queue: Queue, stored: bytes | None) -> bool:
    """Put a delayed message into its stream; False if the stream cannot take it.

    A message that cannot be read is dropped.
    """
    level, _, payload = (stored or b"").partition(b" ")
    if len(level) != 1 or not level.isdigit():
        count_poison(ctx)
        return True
    try:
        add_entry(ctx, queue, int(level), payload)
    except (WrongType, CommandError):
        count_poison(ctx)
        return False
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


def _first_after(ctx: Context, key: bytes, low: bytes) -> int | None:
    """The lowest score above a limit, a time; None if there is none."""
    head = with_scores(ctx, key, low, b"+inf", b"BYSCORE", b"LIMIT", b"0", b"1")
    return whole(head[0][1], 0) if head else None


# Does a batch of what is due in a part of a queue; returns when more of it will be.
_Work = Callable[[], "int | None"]


def _work(ctx: Context, queue: Queue) -> Iterator[_Work]:
    """The parts of a queue, which do not depend on each other."""

    def delayed() -> int | None:
        promote(ctx, queue)
        return _first_after(ctx, queue.delayed, b"-inf")

    def leases(group: bytes) -> int | None:
        _end_leases(ctx, queue, group)
        return _first_after(ctx, queue.leases(group), b"(0")

    def presence() -> int | None:
        prune_at = next_prune(ctx, queue)
        if prune_at is not None and prune_at <= ctx.now:
            prune(ctx, queue, default_ttl(ctx))
            prune_at = next_prune(ctx, queue)
        # A row that should have been pruned by now cannot be: trying again would not help.
        return prune_at if prune_at is not None and prune_at > ctx.now else None

    yield delayed
    for group in queue.groups_with(ctx, b"leases"):
        yield partial(leases, group)
    yield presence


@sweep(AGENDA.prefix, until=AGENDA.until)
def run_due_queue(ctx: Context, key: bytes) -> bool:
    """Do a batch of what is due in a queue; return whether there is more."""
    queue = queue_of_due(key)
    if queue is None:
        return False
    moments = []
    for work in _work(ctx, queue):
        try:
            moment = work()
        except (WrongType, CommandError):
            # Keys of this part were overwritten with something else.
            count_poison(ctx)
            moment = ctx.now + RETRY_AFTER_MS
        if moment is not None:
            moments.append(moment)
    following = min(moments, default=None)
    AGENDA.entry(ctx, queue.tag, queue.next).replan(ctx, key, following)
    return following is not None and following <= ctx.now
