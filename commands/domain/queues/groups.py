"""The consumer groups of a queue's streams, through the stream commands.

A queue has a stream for each priority, and a group exists on all of them from the moment it
exists on any: otherwise a message could be deleted that a group has still to read. A stream that
a plain XADD creates has no groups at first, so who deletes messages asks all streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from commands.domain.calls import call_integer, call_text
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import MessageId
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX
from commands.engine.replies import Couples, Reply
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.streams import Row

_Entries = Sequence[tuple[bytes, Row]]


@dataclass(slots=True)
class Pending:
    """A message that a group has received and not confirmed."""

    consumer: bytes
    deliveries: int

    def used_up(self, ctx: Context) -> bool:
        """Whether it was delivered as often as `queue-max-deliveries` allows."""
        limit = ctx.instance.settings.queue_max_deliveries
        return 0 < limit <= self.deliveries


@dataclass(slots=True)
class GroupState:
    """A consumer group of one stream."""

    name: bytes
    last_delivered: bytes
    # How many entries it has still to read; None if deletions made that unknown.
    lag: int | None


def find_pending(ctx: Context, queue: Queue, group: bytes, message: MessageId) -> Pending | None:
    """A pending message of a group; None if the group does not have it, or does not exist."""
    entry_id = message.entry_id
    try:
        reply = ctx.call(b"XPENDING", queue.stream(message.level), group, entry_id, entry_id, b"1")
    except CommandError as error:
        if error.code != b"NOGROUP":
            raise
        return None
    found = cast(Sequence[tuple[bytes, bytes, int, int]], reply)
    if not found:
        return None
    _, consumer, _, deliveries = found[0]
    return Pending(consumer, min(deliveries, INT64_MAX))


def group_states(ctx: Context, stream: bytes) -> list[GroupState]:
    """The groups of a stream that exists."""
    reply = cast(Sequence[dict[bytes, Reply]], ctx.call(b"XINFO", b"GROUPS", stream))
    return [
        GroupState(
            cast(bytes, one[b"name"]),
            cast(bytes, one[b"last-delivered-id"]),
            cast("int | None", one[b"lag"]),
        )
        for one in reply
    ]


def count_unread(ctx: Context, stream: bytes, state: GroupState, length: int) -> int:
    """How many entries a group has still to read, of a stream with so many entries."""
    if state.lag is not None:
        return state.lag
    # The stream keeps no count because of its deleted entries. What the group has read and is
    # not deleted is little: messages that are leased or dead, or that other groups lack.
    kept = cast(_Entries, ctx.call(b"XRANGE", stream, b"-", state.last_delivered))
    return length - len(kept)


def group_names(ctx: Context, queue: Queue) -> set[bytes]:
    """The groups of a queue: those of all its streams. Keys of another type are passed over."""
    names: set[bytes] = set()
    for level in queue.levels(ctx):
        stream = queue.stream(level)
        try:
            if call_integer(ctx, b"EXISTS", stream):
                names.update(state.name for state in group_states(ctx, stream))
        except WrongType:
            count_poison(ctx)
    return names


def add_entry(ctx: Context, queue: Queue, level: int, payload: bytes) -> bytes:
    """Add a message to the stream of a priority, which is created if needed; return its id."""
    stream = queue.stream(level)
    # The first stream exists as soon as there is a group.
    if level and not call_integer(ctx, b"EXISTS", stream):
        for name in sorted(group_names(ctx, queue)):
            _create(ctx, stream, name)
    entry_id = call_text(ctx, b"XADD", stream, b"*", b"payload", payload)
    assert entry_id is not None
    return entry_id


def _create(ctx: Context, stream: bytes, group: bytes) -> None:
    """Create a group that is to read a stream from its beginning, if it does not exist."""
    try:
        ctx.call(b"XGROUP", b"CREATE", stream, group, b"0", b"MKSTREAM")
    except CommandError as error:
        if error.code != b"BUSYGROUP":
            raise


def find_entry(ctx: Context, queue: Queue, message: MessageId) -> Row | None:
    """The entry of a message; None if it was deleted."""
    stream, entry_id = queue.stream(message.level), message.entry_id
    found = cast(_Entries, ctx.call(b"XRANGE", stream, entry_id, entry_id))
    return found[0][1] if found else None


def read_entries(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, level: int, count: int
) -> _Entries:
    """Up to `count` entries that were never delivered to the group, which is created if needed."""
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
        for each in sorted({*queue.levels(ctx), level}):
            _create(ctx, queue.stream(each), group)
        reply = ctx.call(*request)
    if not isinstance(reply, Couples):
        return ()
    _, entries = reply.items[0]
    return cast(_Entries, entries)


def claim(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, message: MessageId
) -> Row | None:
    """Deliver a pending message to a consumer; None if its entry was deleted."""
    stream = queue.stream(message.level)
    reply = ctx.call(b"XCLAIM", stream, group, consumer, b"0", message.entry_id)
    claimed = cast(_Entries, reply)
    return claimed[0][1] if claimed else None


def check_streams(ctx: Context, queue: Queue, levels: Iterable[int]) -> None:
    """Raise WrongType unless the streams of these priorities can be read and written."""
    for level in levels:
        ctx.call(b"XLEN", queue.stream(level))


def reset_deliveries(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, message: MessageId
) -> bool:
    """Count the deliveries of a pending message from zero; False if its entry was deleted."""
    claimed = ctx.call(
        b"XCLAIM", queue.stream(message.level), group, consumer, b"0", message.entry_id,
        b"RETRYCOUNT", b"0", b"JUSTID",
    )  # fmt: skip
    return bool(claimed)
