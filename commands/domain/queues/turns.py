"""ORDER keys: of the messages with one key, a group has one at a time, in the order of the queue.

The message that has the turn of its key is delivered, is returned when its lease ends, and so
on, until it is confirmed or dead; the next one then has the turn and can be read. A message that
a read comes to before its turn is delivered to the group like any other, so that the messages
behind it can be read, but not handed out: it waits in `behind`, in the order of the queue.
"""

from __future__ import annotations

import re

from commands.domain.calls import call_integer, call_text, call_texts, write
from commands.domain.namespaces import escape
from commands.domain.queues.groups import find_entry
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import MessageId, order_of, read_message_id
from commands.instance.context import Context
from storage.values.streams import Row

_BEHIND = re.compile(rb"((?:[^:\\]|\\[:\\])*+):([0-9])([0-9]{20})-([0-9]{20})", re.DOTALL).fullmatch


def behind_member(order: bytes, message: MessageId) -> bytes:
    """A message among those that wait: by key, then higher priorities first, then by id."""
    return b"%b:%d%020d-%020d" % (escape(order), 9 - message.level, *message.place)


def read_behind(member: bytes) -> tuple[bytes, MessageId] | None:
    """The escaped key and the message of a member; None if it is not one."""
    found = _BEHIND(member)
    if found is None:
        return None
    entry_id = b"%d-%d" % (int(found[3]), int(found[4]))
    message = MessageId(9 - int(found[2]), entry_id)
    return None if read_message_id(message.text) is None else (found[1], message)


class Turns:
    """The turns of a group, with the changes that a command plans before its first write."""

    def __init__(self, ctx: Context, queue: Queue, group: bytes) -> None:
        self._ctx = ctx
        self._queue = queue
        self._group = group
        self._behind: int | None = None
        # Raises WrongType before anything is written.
        self._any = call_integer(ctx, b"HLEN", queue.turns(group)) > 0
        self._read: dict[bytes, bytes | None] = {}
        self._changed: dict[bytes, bytes | None] = {}
        self._parked: dict[bytes, None] = {}
        self._unparked: dict[bytes, None] = {}
        # Messages that got their turn, to be readable: they are pending already.
        self._ready: dict[bytes, None] = {}

    def take(self, order: bytes, message: MessageId) -> bool:
        """Whether a message may be handed out now; otherwise it has to wait for its turn."""
        holder = self._holder(order)
        if holder is not None and holder != message.text:
            self._count_behind()
            self._parked[behind_member(order, message)] = None
            return False
        self._changed[order] = message.text
        return True

    def release(self, message: MessageId, row: Row | None = None) -> None:
        """Give the turn of a message, which is confirmed or dead, to the next one of its key."""
        if not self._any and not self._changed:
            return
        row = row or find_entry(self._ctx, self._queue, message)
        order = None if row is None else order_of(row)
        if order is None:
            return
        self._ready.pop(message.text, None)
        if self._holder(order) != message.text:
            self._count_behind()
            self._unparked[behind_member(order, message)] = None
            return
        self.pass_on(order)

    def pass_on(self, order: bytes) -> None:
        """Give the turn of a key to the first message that waits for it, or to none."""
        following = self._first_behind(order)
        if following is None:
            self._changed[order] = None
            return
        member, message = following
        self._unparked[member] = None
        self._changed[order] = message.text
        self._ready[message.text] = None

    @property
    def made_ready(self) -> bool:
        """Whether another message can be read now."""
        return bool(self._ready)

    def write(self) -> None:
        ctx, queue, group = self._ctx, self._queue, self._group
        if self._parked:
            words = [word for member in self._parked for word in (b"0", member)]
            write(ctx, b"ZADD", queue.behind(group), *words)
        if self._unparked:
            write(ctx, b"ZREM", queue.behind(group), *self._unparked)
        for order, holder in self._changed.items():
            if holder is None:
                write(ctx, b"HDEL", queue.turns(group), order)
            else:
                write(ctx, b"HSET", queue.turns(group), order, holder)
        if self._ready:
            words = [word for message in self._ready for word in (b"0", message)]
            write(ctx, b"ZADD", queue.leases(group), *words)

    def _holder(self, order: bytes) -> bytes | None:
        if order in self._changed:
            return self._changed[order]
        if not self._any:
            return None
        if order not in self._read:
            turns = self._queue.turns(self._group)
            self._read[order] = call_text(self._ctx, b"HGET", turns, order)
        return self._read[order]

    def _count_behind(self) -> int:
        """How many messages wait; WrongType before anything is written if that cannot be read."""
        if self._behind is None:
            self._behind = call_integer(self._ctx, b"ZCARD", self._queue.behind(self._group))
        return self._behind

    def _first_behind(self, order: bytes) -> tuple[bytes, MessageId] | None:
        """The first message of a key that waits, apart from those that are planned to leave."""
        found: list[bytes] = [member for member in self._parked if self._is_of(order, member)]
        if self._count_behind():
            low = escape(order)
            found += call_texts(
                self._ctx, b"ZRANGE", self._queue.behind(self._group), b"[%b:" % low,
                b"(%b;" % low, b"BYLEX", b"LIMIT", b"0", b"%d" % (len(self._unparked) + 1),
            )  # fmt: skip
        for member in sorted(found):
            read = read_behind(member)
            if read is not None and member not in self._unparked:
                return member, read[1]
        return None

    def _is_of(self, order: bytes, member: bytes) -> bool:
        return member.startswith(escape(order) + b":")
