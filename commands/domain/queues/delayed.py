"""Delayed messages: how they are kept, and how they get into their streams once they are due."""

from __future__ import annotations

import re

from commands.domain.calls import call_integer, call_texts, call_values, write
from commands.domain.queues.adding import Additions
from commands.domain.queues.layout import Queue, is_due
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, RETRY_AFTER_MS
from storage.errors import WrongType

_STORED = re.compile(rb"([0-9])(?:/((?:[0-9a-f]{2})*))? (.*)", re.DOTALL).fullmatch


def stored_delayed(level: int, order: bytes | None, payload: bytes) -> bytes:
    """A delayed message as it is stored: its priority, its ORDER key in hex, its payload."""
    if order is None:
        return b"%d %b" % (level, payload)
    return b"%d/%b %b" % (level, order.hex().encode(), payload)


class Promotion:
    """A batch of delayed messages that are due, to be moved into their streams."""

    def __init__(self, ctx: Context, queue: Queue, *, strict: bool = False) -> None:
        """`strict` raises WrongType or an error if a stream cannot take its messages."""
        self._ctx = ctx
        self._queue = queue
        self.additions = Additions(ctx, queue)
        self._unreadable: list[bytes] = []
        self._postponed: list[bytes] = []
        self.found = call_integer(ctx, b"ZCARD", queue.delayed) > 0 and is_due(ctx, queue.delayed)
        if self.found:
            call_integer(ctx, b"HLEN", queue.late)  # raises WrongType before anything is written
            self._plan(strict)

    def _plan(self, strict: bool) -> None:
        ctx, queue = self._ctx, self._queue
        due = call_texts(
            ctx, b"ZRANGE", queue.delayed, b"-inf", b"%d" % ctx.now, b"BYSCORE",
            b"LIMIT", b"0", b"%d" % BATCH,
        )  # fmt: skip
        stored = call_values(ctx, b"HMGET", queue.late, *due)
        for message, value in zip(due, stored, strict=True):
            read = None if value is None else _STORED(value)
            if read is None:
                count_poison(ctx)
                self._unreadable.append(message)
                continue
            order = None if read[2] is None else bytes.fromhex(read[2].decode())
            try:
                self.additions.add(int(read[1]), read[3], order, message)
            except (WrongType, CommandError):
                if strict:
                    raise
                count_poison(ctx)
                self._postponed.append(message)

    def write(self) -> None:
        ctx, queue = self._ctx, self._queue
        self.additions.write()
        if self._unreadable:
            write(ctx, b"ZREM", queue.delayed, *self._unreadable)
            write(ctx, b"HDEL", queue.late, *self._unreadable)
        later = b"%d" % (ctx.now + RETRY_AFTER_MS)
        for message in self._postponed:
            write(ctx, b"ZADD", queue.delayed, later, message)
