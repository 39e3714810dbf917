"""Delivering messages to a group, confirming them, and giving up on them."""

from __future__ import annotations

from commands.domain.calls import call_integer, call_texts
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import (
    claim,
    find_entry,
    find_pending,
    group_names,
    group_states,
    read_entries,
)
from commands.domain.queues.layout import Queue, is_due
from commands.domain.queues.messages import (
    Delivery,
    MessageId,
    payload_of,
    place_of,
    read_message_id,
)
from commands.domain.records import count_poison
from commands.engine.numbers import INT64_MAX
from commands.instance.context import Context
from commands.instance.sweeps import BATCH


def wake_readers(ctx: Context, queue: Queue) -> None:
    """Wake the blocked readers of a queue.

    They wait for its first stream. New entries there wake them by themselves; anything else
    that can be read needs this.
    """
    ctx.db.wake(queue.stream(0))


def bury(ctx: Context, queue: Queue, group: bytes, message: MessageId) -> None:
    """Make a message a dead letter of a group."""
    ctx.call(b"ZADD", queue.dead(group), b"%d" % ctx.now, message.text)
    ctx.call(b"ZREM", queue.leases(group), message.text)
    announce(ctx, queue, "died", group=text(group), id=text(message.text))


def read_new(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, level: int, count: int
) -> list[Delivery]:
    """Deliver up to `count` messages of one priority that the group never received."""
    delivered = []
    for entry_id, row in read_entries(ctx, queue, group, consumer, level, count):
        message, payload = MessageId(level, entry_id), payload_of(row)
        if payload is None:
            count_poison(ctx)
            bury(ctx, queue, group, message)
        else:
            delivered.append(Delivery(message, payload, 1))
    return delivered


def read_due(ctx: Context, queue: Queue, group: bytes, count: int) -> dict[int, list[MessageId]]:
    """Messages whose lease expired or that were returned, by priority, oldest first."""
    due: dict[int, list[MessageId]] = {}
    leases = queue.leases(group)
    if not is_due(ctx, leases):
        return due
    limit = b"%d" % max(count, BATCH)
    for member in call_texts(
        ctx, b"ZRANGE", leases, b"-inf", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", limit
    ):
        message = read_message_id(member)
        if message is None:
            # Left where it is, it would take the place of a message in every read.
            count_poison(ctx)
            ctx.call(b"ZREM", leases, member)
        else:
            due.setdefault(message.level, []).append(message)
    for messages in due.values():
        messages.sort(key=lambda message: message.place)
    return due


def read_again(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, message: MessageId
) -> list[Delivery]:
    """Deliver a due message again; empty if it is used up, or confirmed or deleted by now."""
    pending = find_pending(ctx, queue, group, message)
    if pending is not None and pending.used_up(ctx):
        bury(ctx, queue, group, message)
        return []
    if pending is not None:
        row = claim(ctx, queue, group, consumer, message)
        if row is not None:
            return [Delivery(message, payload_of(row), min(pending.deliveries + 1, INT64_MAX))]
    ctx.call(b"ZREM", queue.leases(group), message.text)
    return []


def look_up(ctx: Context, queue: Queue, group: bytes, member: bytes) -> Delivery | None:
    """A pending message as it was last delivered; None if it is no longer there."""
    message = read_message_id(member)
    if message is None:
        count_poison(ctx)
        return None
    pending = find_pending(ctx, queue, group, message)
    row = find_entry(ctx, queue, message)
    if pending is None or row is None:
        return None
    return Delivery(message, payload_of(row), pending.deliveries)


def confirm(ctx: Context, queue: Queue, group: bytes, message: MessageId) -> bool:
    """Confirm a message, and delete it after its last group; False if it was not pending."""
    stream = queue.stream(message.level)
    if not call_integer(ctx, b"XACK", stream, group, message.entry_id):
        return False
    if not call_integer(ctx, b"ZREM", queue.leases(group), message.text):
        ctx.call(b"ZREM", queue.dead(group), message.text)
    if _all_have_confirmed(ctx, queue, group, message):
        ctx.call(b"XDEL", stream, message.entry_id)
    return True


def _all_have_confirmed(ctx: Context, queue: Queue, group: bytes, message: MessageId) -> bool:
    """Whether every group of the queue but this one has read and confirmed a message."""
    states = group_states(ctx, queue.stream(message.level))
    read_up_to = {state.name: state.last_delivered for state in states}
    names = group_names(ctx, queue)
    return all(
        name in read_up_to
        and place_of(read_up_to[name]) >= message.place
        and find_pending(ctx, queue, name, message) is None
        for name in names - {group}
    )
