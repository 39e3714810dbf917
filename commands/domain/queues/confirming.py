"""Confirming messages, making them dead letters, and removing those that all have confirmed."""

from __future__ import annotations

from commands.domain.agenda import Entry
from commands.domain.calls import call_integer, call_text, write
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import (
    Pending,
    Streams,
    entries_after,
    find_pending,
    pending_between,
)
from commands.domain.queues.layout import AT_ONCE, LEVELS, Queue
from commands.domain.queues.messages import MessageId, place_of
from commands.domain.queues.turns import Turns
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.streams import Row


def wake_readers(ctx: Context, queue: Queue) -> None:
    """Wake the blocked readers of a queue.

    They wait for its first stream. New entries there wake them by themselves; anything else
    that can be read needs this.
    """
    ctx.db.wake(queue.stream(0))


def by_level(messages: list[MessageId]) -> dict[int, list[bytes]]:
    """The ids of entries, by priority."""
    found: dict[int, list[bytes]] = {}
    for message in messages:
        found.setdefault(message.level, []).append(message.entry_id)
    return found


class Settling:
    """Messages of a group that a command confirms, buries or forgets: read, then written."""

    def __init__(self, ctx: Context, queue: Queue, group: bytes) -> None:
        self._ctx = ctx
        self._queue = queue
        self._group = group
        self.turns = Turns(ctx, queue, group)
        # Each raises WrongType before anything is written.
        self.leased = call_integer(ctx, b"ZCARD", queue.leases(group))
        self.returned = call_integer(ctx, b"ZCARD", queue.returned(group))
        call_integer(ctx, b"HLEN", queue.tokens(group))
        self._dead_letters: int | None = None
        self._streams: Streams | None = None
        self.confirmed: list[MessageId] = []
        self.buried: list[MessageId] = []
        self._deleted: list[MessageId] = []
        self._forgotten: list[bytes] = []

    @property
    def streams(self) -> Streams:
        if self._streams is None:
            self._streams = Streams(self._ctx, self._queue, ())
        return self._streams

    def pending(self, message: MessageId) -> Pending | None:
        return find_pending(self._ctx, self._queue, self._group, message)

    def confirm(self, message: MessageId) -> None:
        """Confirm a pending message; it is deleted if all other groups have."""
        self._count_dead()
        self.confirmed.append(message)
        if self.streams.confirmed_by_others(self._group, message):
            self._deleted.append(message)
        self.turns.release(message)

    def bury(self, message: MessageId, row: Row | None = None) -> None:
        """Make a pending message a dead letter."""
        self._count_dead()
        self.buried.append(message)
        self.turns.release(message, row)

    def forget(self, member: bytes) -> None:
        """Drop what is kept about a message that is no longer pending."""
        self._count_dead()
        self._forgotten.append(member)

    def discard(self, message: MessageId) -> None:
        """Confirm a pending message whose entry was deleted."""
        self._count_dead()
        self.confirmed.append(message)

    def _count_dead(self) -> int:
        """The number of dead letters; WrongType before any write if the key is of another type."""
        if self._dead_letters is None:
            key = self._queue.dead(self._group)
            self._dead_letters = call_integer(self._ctx, b"ZCARD", key)
        return self._dead_letters

    @property
    def has_changes(self) -> bool:
        return bool(self.confirmed or self.buried or self._forgotten)

    def write(self, entry: Entry) -> None:
        ctx, queue, group = self._ctx, self._queue, self._group
        if self.buried:
            self._write_buried(entry)
        for level, ids in by_level(self.confirmed).items():
            write(ctx, b"XACK", queue.stream(level), group, *ids)
        gone = [message.text for message in self.confirmed] + self._forgotten
        if gone:
            for key in (queue.leases(group), queue.returned(group), queue.dead(group)):
                write(ctx, b"ZREM", key, *gone)
            write(ctx, b"HDEL", queue.tokens(group), *gone)
        for level, ids in by_level(self._deleted).items():
            write(ctx, b"XDEL", queue.stream(level), *ids)
        self.turns.write()
        if self.turns.made_ready:
            wake_readers(ctx, queue)

    def _write_buried(self, entry: Entry) -> None:
        ctx, queue, group = self._ctx, self._queue, self._group
        members = [message.text for message in self.buried]
        now = b"%d" % ctx.now
        write(ctx, b"ZADD", queue.dead(group), *(w for member in members for w in (now, member)))
        for key in (queue.leases(group), queue.returned(group)):
            write(ctx, b"ZREM", key, *members)
        most = ctx.instance.settings.queue_max_dead_letters
        if 0 < most < self._count_dead() + len(members):
            # The sweep removes the oldest ones.
            entry.plan(ctx, AT_ONCE)
        for member in members:
            announce(ctx, queue, "died", group=text(group), id=text(member))


# --- removing what all groups have confirmed ----------------------------------------------------


def remove_confirmed(ctx: Context, queue: Queue, level: int, after: bytes, count: int) -> bytes:
    """Delete those of the next entries of a stream that all groups have confirmed.

    Returns the id of the last entry that was examined; empty at the end. Without a group
    nothing is deleted: the first group is to read it.
    """
    streams = Streams(ctx, queue, ())
    states = streams.groups.get(level)
    if not states or states.keys() != streams.names:
        return b""
    entries = entries_after(ctx, queue.stream(level), after, count)
    if not entries:
        return b""
    first, last = MessageId(level, entries[0][0]), entries[-1][0]
    needed: set[bytes] = set()
    least = min(place_of(state.last_delivered) for state in states.values())
    for name in streams.names:
        # Entries that were deleted may be pending, too; those of a batch are all looked at.
        found = pending_between(ctx, queue, name, first, last, 10 * count)
        needed.update(row[0] for row in found)
        if len(found) == 10 * count:
            return last
    done = [one for one, _ in entries if one not in needed and place_of(one) <= least]
    if done:
        write(ctx, b"XDEL", queue.stream(level), *done)
    return last if len(entries) == count and place_of(last) < least else b""


def plan_cleaning(ctx: Context, queue: Queue, entry: Entry) -> None:
    """Have the sweep remove what all groups have confirmed, now that a group is gone."""
    write(ctx, b"SET", queue.clean, b"0 0-0")
    entry.plan(ctx, AT_ONCE)


def clean(ctx: Context, queue: Queue, count: int) -> bool:
    """Do a part of that; return whether there is more."""
    stored = call_text(ctx, b"GET", queue.clean)
    if stored is None:
        return False
    level, after = _read_place(stored)
    try:
        reached = remove_confirmed(ctx, queue, level, after, count)
    except (WrongType, CommandError):
        reached = b""
    if reached:
        write(ctx, b"SET", queue.clean, b"%d %b" % (level, reached))
    elif level + 1 < LEVELS:
        write(ctx, b"SET", queue.clean, b"%d 0-0" % (level + 1))
    else:
        write(ctx, b"DEL", queue.clean)
        return False
    return True


def _read_place(stored: bytes) -> tuple[int, bytes]:
    level, _, after = stored.partition(b" ")
    if len(level) != 1 or not level.isdigit():
        return 0, b"0-0"
    parts = after.split(b"-")
    valid = len(parts) == 2 and all(part.isdigit() and len(part) < 20 for part in parts)
    return int(level), after if valid else b"0-0"
