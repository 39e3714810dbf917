"""QUEUE.READ: leasing messages.

A queue has one stream for each priority in use, and its groups are the consumer groups of
these streams. A delivered message is pending in its group and has a lease. When the lease
expires it may be delivered again. After too many deliveries it becomes a dead letter: it
stays pending, so that it can be replayed, but is not delivered. A message that every group
has confirmed is deleted. Plain stream commands work as well: an XADD to a stream of the queue
with a field `payload` is a push.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.events import has_readers
from commands.domain.queues.config import read_config
from commands.domain.queues.delivery import Delivering
from commands.domain.queues.events import announce, text
from commands.domain.queues.layout import Queue
from commands.domain.queues.presence_rows import READ_COMMAND, Heartbeat, waiting_interval
from commands.domain.queues.tokens import MOST_MESSAGES
from commands.domain.records import count_poison
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY
from commands.instance.context import Context
from storage.errors import WrongType
from storage.values.streams import Stream

# How soon a read that waits looks again, if it examined as much as one read may.
_NEXT_LOOK_MS = 10


@dataclass(slots=True)
class Read:
    queue: bytes
    group: bytes
    consumer: bytes
    count: int = 1
    block: int | None = None
    lease: int | None = None


@command(
    READ_COMMAND,
    group="queue",
    since="0.1.0",
    flags="write blocking",
    complexity="O(M*log(N)) for M messages read and N that are leased.",
    summary="Leases messages from a queue, optionally blocking until one arrives.",
    arguments=[
        Key("queue", "RW access update"),
        String("group"),
        String("consumer"),
        Integer("count", "COUNT", optional=True, low=1),
        Milliseconds("milliseconds", "BLOCK", low=0),
        Milliseconds("milliseconds", "LEASE"),
    ],
    request=Read,
)
def queue_read(ctx: Context, request: Read) -> Outcome:
    """Returns maps with id, payload, priority, attempt, token and lease_until, or nil.

    Up to `COUNT` messages are returned (1, at most 200): higher priorities first, and within a
    priority messages that are delivered again before new ones. A group is created by its first
    read and receives what is in the queue then. Each message is leased for `LEASE` ms (30000, or
    what QUEUE.CONFIG has set). Within that time QUEUE.ACK confirms it, QUEUE.NACK returns it, or
    QUEUE.EXTEND renews the lease; otherwise it is delivered again, to the next reader. `attempt`
    counts the deliveries. `token` names this delivery: once the message is delivered again, it is
    refused. `BLOCK` waits that many ms if there is no message, 0 means forever.

    Every read is a heartbeat of the consumer, whether or not it gets a message, and a consumer
    that waits in a blocked read sends heartbeats for as long as it waits.

        > QUEUE.PUSH letters hello
        "1700000000000-0"
        > QUEUE.READ letters workers w1 LEASE 5000
        1)  1) "id"
            2) "1700000000000-0"
            3) "payload"
            4) "hello"
            5) "priority"
            6) (integer) 0
            7) "attempt"
            8) (integer) 1
            9) "token"
           10) "1700000000000-0/<secret>"
           11) "lease_until"
           12) (integer) 1700000005000
    """
    try:
        return _read(ctx, request)
    finally:
        # An XREADGROUP that follows on this connection is not part of this command.
        ctx.begin("")


def _read(ctx: Context, request: Read) -> Outcome:
    queue, group, consumer = Queue(request.queue), request.group, request.consumer
    config = read_config(ctx, queue)
    entry = queue.agenda(ctx)
    delivering = Delivering(ctx, queue, group, config)
    beat = _heartbeat(ctx, queue, group, consumer)
    delivering.plan(min(request.count, MOST_MESSAGES))
    delivered = delivering.deliveries
    until = ctx.now + (config.lease if request.lease is None else request.lease)
    # Most of those who wait find nothing when a message comes: they need not write then.
    if delivering.changes_anything or not ctx.retrying or (beat and not beat.is_recent):
        delivering.write(consumer, until, entry)
        if beat is not None:
            beat.write(entry)
    if not delivered:
        if request.block is None:
            return NULL_ARRAY
        deadline = ctx.now + request.block if request.block else None
        # `wake_readers` wakes those who wait for the first stream, whatever can be read.
        every = _NEXT_LOOK_MS if delivering.has_more else waiting_interval(ctx)
        return BlockOn([queue.stream(0)], deadline, Stream, on_loss=True, every=every)
    ids = [delivery.id.text for delivery in delivered]
    if has_readers(ctx):
        names = {"group": text(group), "consumer": text(consumer)}
        announce(ctx, queue, "read", **names, ids=[text(message) for message in ids])
    return [
        {
            b"id": message,
            b"payload": delivery.payload,
            b"priority": delivery.id.level,
            b"attempt": delivery.attempt,
            b"token": b"%b/%b" % (message, delivery.secret),
            b"lease_until": until,
        }
        for message, delivery in zip(ids, delivered, strict=True)
    ]


def _heartbeat(ctx: Context, queue: Queue, group: bytes, consumer: bytes) -> Heartbeat | None:
    """The heartbeat; None if a key of presence was overwritten, which must not prevent reading."""
    try:
        return Heartbeat(ctx, queue, group, consumer)
    except WrongType:
        count_poison(ctx)
        return None
