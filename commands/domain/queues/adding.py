"""Adding messages to the streams of a queue: planned first, then written."""

from __future__ import annotations

from typing import cast

from commands.domain.calls import write
from commands.domain.queues.groups import Entries, Streams, group_states
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import MessageId, place_of
from commands.engine.errors import CommandError
from commands.engine.numbers import UINT64_MAX
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.values.streams import Row

_Place = tuple[int, int]


def next_entry_id(last: _Place, now: int) -> _Place:
    """The id that XADD would choose behind the last one of a stream."""
    milliseconds, sequence = last
    if now > milliseconds:
        return now, 0
    if sequence < UINT64_MAX:
        return milliseconds, sequence + 1
    if milliseconds < UINT64_MAX:
        return milliseconds + 1, 0
    raise CommandError(
        "ERR The stream has exhausted the last possible ID, unable to add more items"
    )


class Additions:
    """Messages that a command adds, with ids that are chosen before the first write."""

    def __init__(self, ctx: Context, queue: Queue) -> None:
        self._ctx = ctx
        self._queue = queue
        self._last: dict[int, _Place] = {}
        # Streams that do not exist yet are created with all groups of the queue.
        self._created: set[int] = set()
        self.names: set[bytes] = set()
        self.entries: list[tuple[MessageId, Row]] = []
        # The delayed messages that become those of a priority.
        self._delayed: dict[int, list[bytes]] = {}

    def add(
        self, level: int, payload: bytes, order: bytes | None, delayed: bytes | None = None
    ) -> MessageId:
        """Plan a message; WrongType or an error if the stream cannot take it.

        `delayed` is the id that it had before it was due.
        """
        if level not in self._last:
            self._last[level] = self._read_last(level)
        place = next_entry_id(self._last[level], self._ctx.now)
        self._last[level] = place
        message = MessageId(level, b"%d-%d" % place)
        row = (b"payload", payload)
        self.entries.append((message, row if order is None else (*row, b"order", order)))
        if delayed is not None:
            self._delayed.setdefault(level, []).append(delayed)
        return message

    def write(self) -> None:
        for level in self._last:
            self._write_level(level)

    def _write_level(self, level: int) -> None:
        ctx, stream = self._ctx, self._queue.stream(level)
        for message, row in self.entries:
            if message.level == level:
                write(ctx, b"XADD", stream, message.entry_id, *row)
        if level in self._created:
            for name in sorted(self.names):
                write(ctx, b"XGROUP", b"CREATE", stream, name, b"0")
        # Together with the entries: should the stream of another priority refuse one, these
        # are not added again.
        delayed = self._delayed.get(level)
        if delayed:
            write(ctx, b"ZREM", self._queue.delayed, *delayed)
            write(ctx, b"HDEL", self._queue.late, *delayed)

    @property
    def levels(self) -> set[int]:
        return set(self._last)

    def has_group(self, level: int, group: bytes) -> bool:
        """Whether this creates a group together with the stream of a priority."""
        return level in self._created and group in self.names

    def _read_last(self, level: int) -> _Place:
        """The last id of a stream. XINFO STREAM knows it, but is slow for a large stream."""
        ctx, stream = self._ctx, self._queue.stream(level)
        states = group_states(ctx, stream)
        if states is None:
            self.names = Streams(ctx, self._queue, ()).names
            self._created.add(level)
            return 0, 0
        newest = cast(Entries, ctx.call(b"XREVRANGE", stream, b"+", b"-", b"COUNT", b"1"))
        if not newest:
            facts = cast(dict[bytes, Reply], ctx.call(b"XINFO", b"STREAM", stream))
            return place_of(cast(bytes, facts[b"last-generated-id"]))
        # The newest entries may have been deleted, but not without being delivered, except by
        # other commands than these.
        known = [place_of(newest[0][0]), *(place_of(state.last_delivered) for state in states)]
        return max(known)
