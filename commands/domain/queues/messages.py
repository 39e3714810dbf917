"""What one message of a queue goes through, and the regular work on all of them.

A message is named by the id of its entry and, where its priority is not 0, the stream it is
in: `1700000000000-0@5`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.events import publish
from commands.domain.queues.layout import (
    DUE_PREFIX,
    Queue,
    first_due,
    is_due,
    schedule,
    unschedule,
    with_scores,
)
from commands.domain.queues.presence_rows import default_ttl, next_prune, prune
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.replies import NULL_ARRAY
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, sweep
from storage.errors import WrongType
from storage.values.streams import Row

_MESSAGE = re.compile(rb"([0-9]{1,20}-[0-9]{1,20})(?:@([1-9]))?").fullmatch
_BATCH = b"%d" % BATCH


# --- names -------------------------------------------------------------------------------------


def write_message(level: int, entry_id: bytes) -> bytes:
    return b"%b@%d" % (entry_id, level) if level else entry_id


def _read_message(text: bytes) -> tuple[int, bytes] | None:
    found = _MESSAGE(text)
    return None if found is None else (int(found[2] or 0), found[1])


def parse_message(text: bytes) -> tuple[int, bytes]:
    """Priority and entry of the message a client named."""
    found = _read_message(text)
    if found is None:
        raise CommandError(b"ERR '%b' is not the id of a message" % text[:128])
    return found


# --- states ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Delivery:
    """A message as it goes out. Without a payload it is somebody else's entry."""

    message: bytes
    payload: bytes | None
    level: int
    deliveries: int


@dataclass(slots=True)
class Pending:
    """What a group knows of a message it was given and has not confirmed."""

    consumer: bytes
    deliveries: int

    def used_up(self, ctx: Context) -> bool:
        """Whether it was delivered as often as it may be."""
        most = ctx.instance.settings.queue_max_deliveries
        return 0 < most <= self.deliveries


def pending(
    ctx: Context, queue: Queue, group: bytes, level: int, entry_id: bytes
) -> Pending | None:
    try:
        found = ctx.call(b"XPENDING", queue.stream(level), group, entry_id, entry_id, b"1")
    except CommandError as error:
        if error.code != b"NOGROUP":
            raise
        return None
    return Pending(found[0][1], found[0][3]) if found else None


def _payload(row: Row) -> bytes | None:
    for place in range(0, len(row), 2):
        if row[place] == b"payload":
            return row[place + 1]
    return None


def look_up(ctx: Context, queue: Queue, group: bytes, message: bytes) -> Delivery | None:
    """A message that is pending, as it was last delivered; None if it is no longer there."""
    named = _read_message(message)
    if named is None:
        count_poison(ctx)
        return None
    level, entry_id = named
    out = pending(ctx, queue, group, level, entry_id)
    entries = ctx.call(b"XRANGE", queue.stream(level), entry_id, entry_id)
    if out is None or not entries:
        return None
    return Delivery(message, _payload(entries[0][1]), level, out.deliveries)


def wake_readers(ctx: Context, queue: Queue) -> None:
    """Something can be read that is not new in the stream that readers wait for."""
    ctx.db.wake(queue.stream(0))


def bury(ctx: Context, queue: Queue, group: bytes, message: bytes) -> None:
    """Make a message a dead letter."""
    ctx.call(b"ZADD", queue.dead(group), b"%d" % ctx.now, message)
    ctx.call(b"ZREM", queue.leases(group), message)
    _tell(ctx, queue, "died", group, message)


def _tell(ctx: Context, queue: Queue, event: str, group: bytes, message: bytes) -> None:
    name = group.decode("utf-8", "backslashreplace")
    publish(ctx, "queue", queue.name, {"event": event, "group": name, "id": message.decode()})


# --- reading -----------------------------------------------------------------------------------


def read_new(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, level: int, count: int
) -> list[Delivery]:
    """Up to `count` messages of one priority that the group was never given."""
    stream = queue.stream(level)
    request = (
        b"XREADGROUP", b"GROUP", group, consumer, b"COUNT", b"%d" % count,
        b"STREAMS", stream, b">",
    )  # fmt: skip
    try:
        reply = ctx.call(*request)
    except CommandError as error:
        if error.code != b"NOGROUP":
            raise
        ctx.call(b"XGROUP", b"CREATE", stream, group, b"0", b"MKSTREAM")
        reply = ctx.call(*request)
    if reply is NULL_ARRAY:
        return []
    found = []
    for entry_id, row in reply.items[0][1]:
        message, payload = write_message(level, entry_id), _payload(row)
        if payload is None:
            count_poison(ctx)
            bury(ctx, queue, group, message)
        else:
            found.append(Delivery(message, payload, level, 1))
    return found


def read_due(ctx: Context, queue: Queue, group: bytes, count: int) -> dict[int, list[bytes]]:
    """Messages whose lease ran out or that were given back, by priority, oldest first."""
    due: dict[int, list[bytes]] = {}
    leases = queue.leases(group)
    if not is_due(ctx, leases):
        return due
    most = b"%d" % max(count, BATCH)
    for message in ctx.call(
        b"ZRANGE", leases, b"-inf", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", most
    ):
        named = _read_message(message)
        if named is None:
            count_poison(ctx)
        else:
            due.setdefault(named[0], []).append(message)
    for messages in due.values():
        messages.sort(key=lambda message: _number(parse_message(message)[1]))
    return due


def read_again(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, message: bytes
) -> list[Delivery]:
    """A message that is due once more, or nothing: it may be used up or confirmed by now."""
    level, entry_id = parse_message(message)
    out = pending(ctx, queue, group, level, entry_id)
    if out is not None and out.used_up(ctx):
        bury(ctx, queue, group, message)
        return []
    if out is not None:
        claimed = ctx.call(b"XCLAIM", queue.stream(level), group, consumer, b"0", entry_id)
        if claimed:
            return [Delivery(message, _payload(claimed[0][1]), level, out.deliveries + 1)]
    ctx.call(b"ZREM", queue.leases(group), message)
    return []


# --- confirming --------------------------------------------------------------------------------


def confirm(ctx: Context, queue: Queue, group: bytes, level: int, entry_id: bytes) -> bool:
    """A group is done with a message; False if it did not have it."""
    stream = queue.stream(level)
    if not ctx.call(b"XACK", stream, group, entry_id):
        return False
    message = write_message(level, entry_id)
    if not ctx.call(b"ZREM", queue.leases(group), message):
        ctx.call(b"ZREM", queue.dead(group), message)
    if _all_are_done(ctx, queue, group, level, entry_id):
        ctx.call(b"XDEL", stream, entry_id)
    return True


def _all_are_done(ctx: Context, queue: Queue, group: bytes, level: int, entry_id: bytes) -> bool:
    """Whether no group of the queue has yet to read or confirm a message."""
    groups = ctx.call(b"XINFO", b"GROUPS", queue.stream(level))
    read_up_to = {one[b"name"]: one[b"last-delivered-id"] for one in groups}
    names = set(read_up_to)
    if level:
        # A group that has not come to this priority yet is known by its place in the first.
        first = queue.stream(0)
        if ctx.call(b"EXISTS", first):
            names.update(one[b"name"] for one in ctx.call(b"XINFO", b"GROUPS", first))
    place = _number(entry_id)
    return all(
        name in read_up_to
        and _number(read_up_to[name]) >= place
        and pending(ctx, queue, name, level, entry_id) is None
        for name in names - {group}
    )


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


# --- what becomes due --------------------------------------------------------------------------


def promote(ctx: Context, queue: Queue) -> bool:
    """Move delayed messages whose time has come into their streams, a batch of them."""
    if not is_due(ctx, queue.delayed):
        return False
    due = ctx.call(
        b"ZRANGE", queue.delayed, b"-inf", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", _BATCH
    )
    for text in ctx.call(b"HMGET", queue.late, *due):
        level, _, payload = (text or b"").partition(b" ")
        if len(level) == 1 and level.isdigit():
            ctx.call(b"XADD", queue.stream(int(level)), b"*", b"payload", payload)
        else:
            count_poison(ctx)
    ctx.call(b"ZREM", queue.delayed, *due)
    ctx.call(b"HDEL", queue.late, *due)
    wake_readers(ctx, queue)
    return True


def _end_leases(ctx: Context, queue: Queue, group: bytes) -> None:
    """Let messages whose lease ran out go out again, or be dead letters; a batch of them."""
    leases = queue.leases(group)
    ran_out = ctx.call(
        b"ZRANGE", leases, b"(0", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", _BATCH
    )
    for message in ran_out:
        named = _read_message(message)
        out = None if named is None else pending(ctx, queue, group, *named)
        if named is None:
            count_poison(ctx)
        if out is None:
            ctx.call(b"ZREM", leases, message)
        elif out.used_up(ctx):
            bury(ctx, queue, group, message)
        else:
            ctx.call(b"ZADD", leases, b"0", message)
            _tell(ctx, queue, "lease-ended", group, message)
    if ran_out:
        wake_readers(ctx, queue)


def _next_due(ctx: Context, queue: Queue) -> int | None:
    heads = [with_scores(ctx, queue.delayed, b"0", b"0")]
    heads += [
        with_scores(ctx, queue.leases(group), b"(0", b"+inf", b"BYSCORE", b"LIMIT", b"0", b"1")
        for group in queue.groups_with(ctx, b"leases")
    ]
    moments = [int(head[0][1]) for head in heads if head]
    pruned_at = next_prune(ctx, queue)
    # What should be gone by now and is not cannot be pruned: it is no reason to come again.
    if pruned_at is not None and pruned_at > ctx.now:
        moments.append(pruned_at)
    return min(moments, default=None)


@sweep(DUE_PREFIX)
def serve_due(ctx: Context) -> bool:
    """One queue that has something due: messages to come, leases that end, the silent ones."""
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
        # Somebody put something else where this queue's facts are. Others must not wait
        # for that; it is looked at again when it is next used.
        count_poison(ctx)
        return True
    if moment is not None:
        schedule(ctx, queue, moment)
    return True
