"""Removing keys of a queue in steps, and groups.

A large stream, hash or sorted set takes long to remove. It is renamed, which takes no time and
has the command done, and a sweep removes it a part at a time.
"""

from __future__ import annotations

from typing import cast

from commands.domain.agenda import Entry
from commands.domain.calls import call_integer, write
from commands.domain.queues.confirming import plan_cleaning
from commands.domain.queues.groups import Streams
from commands.domain.queues.layout import GONE_PREFIX, GROUP_KINDS, Queue
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.instance.sweeps import sweep

# A key with more items than this is removed in steps.
_AT_ONCE = 1000
_LENGTHS = {b"stream": b"XLEN", b"zset": b"ZCARD", b"hash": b"HLEN", b"set": b"SCARD"}
_LENGTHS |= {b"list": b"LLEN"}


class Removal:
    """Keys that a command removes: read, then written."""

    def __init__(self, ctx: Context, queue: Queue) -> None:
        self._ctx = ctx
        self._queue = queue
        self._small: list[bytes] = []
        self._large: list[tuple[bytes, bytes]] = []
        self._number = ctx.now

    def add(self, key: bytes) -> None:
        if length_of(self._ctx, key) <= _AT_ONCE:
            self._small.append(key)
            return
        # Keys of the same time may still be there.
        while call_integer(self._ctx, b"EXISTS", self._queue.gone(self._number)):
            self._number += 1
        self._large.append((key, self._queue.gone(self._number)))
        self._number += 1

    def add_group(self, group: bytes) -> None:
        for kind in GROUP_KINDS:
            self.add(self._queue.of_group(kind, group))

    def write(self) -> None:
        if self._small:
            write(self._ctx, b"DEL", *self._small)
        for key, gone in self._large:
            write(self._ctx, b"RENAME", key, gone)


def drop_groups(ctx: Context, queue: Queue, names: list[bytes], entry: Entry) -> list[bytes]:
    """Remove these groups; return those that existed. The rest of the queue stays.

    Their names are taken from `idle` in any case.
    """
    streams = Streams(ctx, queue, ())
    existing = [name for name in names if name in streams.names]
    removal = Removal(ctx, queue)
    for name in names:
        removal.add_group(name)
    for key in (queue.groups, queue.idle):
        call_integer(ctx, b"ZCARD", key)  # raises WrongType before anything is removed
    for level, states in streams.groups.items():
        for name in existing:
            if name in states:
                write(ctx, b"XGROUP", b"DESTROY", queue.stream(level), name)
    removal.write()
    write(ctx, b"ZREM", queue.groups, *names)
    write(ctx, b"ZREM", queue.idle, *names)
    if existing:
        plan_cleaning(ctx, queue, entry)
    return existing


def length_of(ctx: Context, key: bytes) -> int:
    """How many items a key has, of whatever type it is."""
    kind = _kind(ctx, key)
    return call_integer(ctx, _LENGTHS[kind], key) if kind in _LENGTHS else 0


def _kind(ctx: Context, key: bytes) -> bytes:
    kind = ctx.call(b"TYPE", key)
    return bytes(kind) if isinstance(kind, (bytes, bytearray)) else str(kind).encode()


@sweep(GONE_PREFIX)
def remove_part(ctx: Context, key: bytes) -> bool:
    """Remove a part of a key that is no longer used; return whether there is more."""
    kind, length = _kind(ctx, key), length_of(ctx, key)
    if length <= _AT_ONCE:
        write(ctx, b"DEL", key)
        return False
    if kind == b"stream":
        write(ctx, b"XTRIM", key, b"MAXLEN", b"=", b"%d" % (length - _AT_ONCE))
    elif kind == b"zset":
        write(ctx, b"ZREMRANGEBYRANK", key, b"0", b"%d" % (_AT_ONCE - 1))
    elif kind == b"list":
        write(ctx, b"LTRIM", key, b"%d" % _AT_ONCE, b"-1")
    elif kind == b"hash":
        write(ctx, b"HDEL", key, *_scanned(ctx, b"HSCAN", key)[::2])
    else:
        write(ctx, b"SREM", key, *_scanned(ctx, b"SSCAN", key))
    return True


def _scanned(ctx: Context, name: bytes, key: bytes) -> list[bytes]:
    cursor = b"0"
    while True:
        reply = cast(list[Reply], ctx.call(name, key, cursor, b"COUNT", b"%d" % _AT_ONCE))
        items = cast(list[bytes], reply[1])
        if items:
            return items
        cursor = cast(bytes, reply[0])
