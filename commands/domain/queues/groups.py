"""The streams of a queue and their consumer groups, as a command reads them before it writes.

A queue has a stream for each priority, and a group exists on all of them from the moment it
exists on any: otherwise a message could be deleted that a group has still to read. A stream that
a plain XADD creates has no groups at first, so who deletes messages looks at all streams.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from commands.domain.calls import write
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import MessageId, place_of
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, UINT64_MAX
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.streams import Row

Entries = Sequence[tuple[bytes, Row]]


@dataclass(slots=True)
class Pending:
    """A message that a group has received and not confirmed."""

    consumer: bytes
    deliveries: int

    def used_up(self, limit: int) -> bool:
        """Whether it was delivered as often as this limit allows; 0 is no limit."""
        return 0 < limit <= self.deliveries


@dataclass(slots=True)
class GroupState:
    """A consumer group of one stream."""

    name: bytes
    last_delivered: bytes
    # How many entries it has still to read; None if deletions made that unknown.
    lag: int | None

    def has_read(self, message: MessageId) -> bool:
        return place_of(self.last_delivered) >= message.place


class Streams:
    """The streams of a queue with their groups."""

    def __init__(self, ctx: Context, queue: Queue, needed: Collection[int] | None = None) -> None:
        """`needed` are the priorities whose streams must be streams, if they exist: otherwise
        WrongType is raised. By default all are. Other keys of another type are passed over.
        """
        self._ctx = ctx
        self._queue = queue
        # By priority, the highest first, then by name.
        self.groups: dict[int, dict[bytes, GroupState]] = {}
        for level in queue.levels(ctx):
            try:
                states = group_states(ctx, queue.stream(level))
            except WrongType:
                if needed is None or level in needed:
                    raise
                count_poison(ctx)
                continue
            if states is not None:
                self.groups[level] = {state.name: state for state in states}
        # The groups of the queue: those of all its streams.
        self.names = {name for states in self.groups.values() for name in states}

    @property
    def levels(self) -> list[int]:
        return list(self.groups)

    def create(self, group: bytes, level: int) -> None:
        """Create a group that is to read a stream from its beginning."""
        stream = self._queue.stream(level)
        write(self._ctx, b"XGROUP", b"CREATE", stream, group, b"0", b"MKSTREAM")

    def confirmed_by_others(self, group: bytes, message: MessageId) -> bool:
        """Whether every group but this one has read and confirmed a message."""
        states = self.groups.get(message.level, {})
        return all(
            name in states
            and states[name].has_read(message)
            and find_pending(self._ctx, self._queue, name, message) is None
            for name in self.names - {group}
        )


def group_states(ctx: Context, stream: bytes) -> list[GroupState] | None:
    """The groups of a stream; None if there is no such key."""
    try:
        reply = cast(Sequence[dict[bytes, Reply]], ctx.call(b"XINFO", b"GROUPS", stream))
    except CommandError:
        return None
    return [
        GroupState(
            cast(bytes, one[b"name"]),
            cast(bytes, one[b"last-delivered-id"]),
            cast("int | None", one[b"lag"]),
        )
        for one in reply
    ]


def find_pending(ctx: Context, queue: Queue, group: bytes, message: MessageId) -> Pending | None:
    """A pending message of a group; None if the group does not have it, or does not exist."""
    found = pending_between(ctx, queue, group, message, message.entry_id, 1)
    return Pending(found[0][1], min(found[0][3], INT64_MAX)) if found else None


def pending_between(
    ctx: Context, queue: Queue, group: bytes, first: MessageId, last: bytes, count: int
) -> Sequence[tuple[bytes, bytes, int, int]]:
    """Pending messages of a group, from one up to an entry of the same stream."""
    try:
        reply = ctx.call(
            b"XPENDING", queue.stream(first.level), group, first.entry_id, last, b"%d" % count
        )
    except CommandError as error:
        if error.code != b"NOGROUP":
            raise
        return []
    return cast(Sequence[tuple[bytes, bytes, int, int]], reply)


def find_entry(ctx: Context, queue: Queue, message: MessageId) -> Row | None:
    """The entry of a message; None if it was deleted."""
    stream, entry_id = queue.stream(message.level), message.entry_id
    found = cast(Entries, ctx.call(b"XRANGE", stream, entry_id, entry_id))
    return found[0][1] if found else None


def entries_after(ctx: Context, stream: bytes, after: bytes, count: int) -> Entries:
    """Up to so many entries behind an id."""
    if min(place_of(after)) == UINT64_MAX:
        # There is none, and XRANGE refuses to start behind the last possible id.
        return ()
    return cast(Entries, ctx.call(b"XRANGE", stream, b"(" + after, b"+", b"COUNT", b"%d" % count))


def count_unread(ctx: Context, stream: bytes, state: GroupState, length: int) -> int:
    """How many entries a group has still to read, of a stream with so many entries."""
    if state.lag is not None:
        return state.lag
    # The stream keeps no count because of its deleted entries. What the group has read and is
    # not deleted is little: messages that are leased or dead, or that other groups lack.
    kept = cast(Entries, ctx.call(b"XRANGE", stream, b"-", state.last_delivered))
    return length - len(kept)
