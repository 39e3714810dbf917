"""QUEUE.PUSH."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_integer, call_text
from commands.domain.events import has_readers
from commands.domain.queues.delivery import wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import add_entry
from commands.domain.queues.layout import LEVELS, Queue, schedule
from commands.domain.queues.messages import MessageId
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# How long the ID of a push is remembered, counted from when the message is due.
_ID_KEPT_MS = 24 * 60 * 60 * 1000


@dataclass(slots=True)
class Push:
    queue: bytes
    payload: bytes
    delay: int = 0
    priority: int = 0
    id: bytes | None = None


@command(
    "QUEUE.PUSH",
    group="queue",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1), and O(log(N)) with DELAY for N delayed messages.",
    summary="Adds a message to a queue, now or after a delay.",
    arguments=[
        Key("queue", "RW insert"),
        String("payload"),
        Milliseconds("milliseconds", "DELAY", low=0),
        Integer("priority", "PRIORITY", optional=True, low=0, high=LEVELS - 1),
        String("key", "ID", optional=True),
    ],
    request=Push,
)
def queue_push(ctx: Context, request: Push) -> Reply:
    """Returns the id of the message. Higher priorities, from 0 to 9, are read first.

    With `DELAY` the message cannot be read before it is due, and is then placed behind the
    messages pushed until then. The id returned for it begins with `d`; once it is due it has
    another one. A push with the `ID` of an earlier push adds nothing and returns the id of that
    message. The ID is remembered for one day from when the message is due, read or not.

        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
    """
    queue = Queue(request.queue)
    if request.id is not None:
        before = call_text(ctx, b"GET", queue.pushed_as(request.id))
        if before is not None:
            return before
    message = _push_later(ctx, queue, request) if request.delay else _push(ctx, queue, request)
    if request.id is not None:
        until = b"%d" % (ctx.now + request.delay + _ID_KEPT_MS)
        ctx.call(b"SET", queue.pushed_as(request.id), message, b"PXAT", until)
    if has_readers(ctx):
        details = {"priority": request.priority, "delay": request.delay}
        announce(ctx, queue, "pushed", id=text(message), **details)
    return message


def _push(ctx: Context, queue: Queue, request: Push) -> bytes:
    entry_id = add_entry(ctx, queue, request.priority, request.payload)
    if not request.priority:
        return entry_id
    wake_readers(ctx, queue)
    return MessageId(request.priority, entry_id).text


def _push_later(ctx: Context, queue: Queue, request: Push) -> bytes:
    # Both raise WRONGTYPE before anything is written.
    ctx.call(b"ZCARD", queue.delayed)
    ctx.call(b"HLEN", queue.late)
    moment = ctx.now + request.delay
    message = b"d%016x" % call_integer(ctx, b"INCR", queue.serial)
    ctx.call(b"HSET", queue.late, message, b"%d %b" % (request.priority, request.payload))
    ctx.call(b"ZADD", queue.delayed, b"%d" % moment, message)
    schedule(ctx, queue, moment)
    return message
