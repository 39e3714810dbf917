"""QUEUE.READ, QUEUE.NACK and QUEUE.ACK: leasing messages, returning and confirming them.

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
from commands.domain.calls import call_score
from commands.domain.events import has_readers
from commands.domain.pages import LARGEST_PAGE
from commands.domain.queues.delivery import (
    bury,
    confirm,
    read_again,
    read_due,
    read_new,
    wake_readers,
)
from commands.domain.queues.due import promote
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import check_streams, find_pending
from commands.domain.queues.layout import Queue, schedule
from commands.domain.queues.messages import Delivery, MessageId, parse_message_id
from commands.domain.queues.presence_rows import note_reader, waiting_interval
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Reply
from commands.instance.context import Context
from storage.values.streams import Stream

_LEASE_MS = 30_000


@dataclass(slots=True)
class Read:
    queue: bytes
    group: bytes
    consumer: bytes
    count: int = 1
    block: int | None = None
    lease: int = _LEASE_MS


@command(
    "QUEUE.READ",
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
    """Returns maps with id, payload, priority, deliveries and lease_until, or nil.

    Up to `COUNT` messages are returned (1, at most 1000): higher priorities first, and within a
    priority messages that are delivered again before new ones. A group is created by its first
    read and receives what is in the queue then. Each message is leased for `LEASE` ms (30000).
    Within that time QUEUE.ACK confirms it or QUEUE.NACK returns it; otherwise it is delivered
    again, to the next reader. `BLOCK` waits that many ms if there is no message, 0 means forever.

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
            7) "deliveries"
            8) (integer) 1
            9) "lease_until"
           10) (integer) 1700000005000
    """
    queue = Queue(request.queue)
    delivered = _deliver(ctx, queue, request)
    if not delivered:
        if request.block is None:
            return NULL_ARRAY
        deadline = ctx.now + request.block if request.block else None
        # `wake_readers` wakes those who wait for the first stream, whatever can be read.
        every = waiting_interval(ctx)
        return BlockOn([queue.stream(0)], deadline, Stream, on_loss=True, every=every)
    until = ctx.now + request.lease
    score = b"%d" % until
    ids = [delivery.id.text for delivery in delivered]
    leases = [word for message in ids for word in (score, message)]
    ctx.call(b"ZADD", queue.leases(request.group), *leases)
    schedule(ctx, queue, until)
    if has_readers(ctx):
        names = {"group": text(request.group), "consumer": text(request.consumer)}
        announce(ctx, queue, "read", **names, ids=[text(message) for message in ids])
    return [
        {
            b"id": message,
            b"payload": delivery.payload,
            b"priority": delivery.id.level,
            b"deliveries": delivery.deliveries,
            b"lease_until": until,
        }
        for message, delivery in zip(ids, delivered, strict=True)
    ]


def _deliver(ctx: Context, queue: Queue, request: Read) -> list[Delivery]:
    """Deliver up to as many messages as were requested, and note the heartbeat."""
    group, consumer, count = request.group, request.consumer, min(request.count, LARGEST_PAGE)
    levels = queue.levels(ctx)
    # Both raise WRONGTYPE before any message is delivered.
    if len(levels) > 1:
        check_streams(ctx, queue, levels)
    ctx.call(b"ZCARD", queue.dead(group))
    due = read_due(ctx, queue, group, count)
    if promote(ctx, queue):
        levels = queue.levels(ctx)
    delivered: list[Delivery] = []
    has_heartbeat = False
    # A lease may be of a priority that has no stream (any more): `read_again` removes it.
    for level in sorted({*levels, *due}, reverse=True):
        for message in due.get(level, ()):
            if len(delivered) < count:
                delivered += read_again(ctx, queue, group, consumer, message)
        if len(delivered) < count and level in levels:
            delivered += read_new(ctx, queue, group, consumer, level, count - len(delivered))
            # XREADGROUP is a heartbeat by itself.
            has_heartbeat = True
    if not has_heartbeat:
        note_reader(ctx, queue.stream(0), group, consumer, bool(delivered))
    return delivered


@dataclass(slots=True)
class Nack:
    queue: bytes
    group: bytes
    id: MessageId
    delay: int = 0


@command(
    "QUEUE.NACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for N messages that are leased.",
    summary="Returns a message unfinished, for delivery at once or after a delay.",
    arguments=[
        Key("queue", "RW update"),
        String("group"),
        String("id", convert=parse_message_id),
        Milliseconds("milliseconds", "DELAY", low=0),
    ],
    request=Nack,
)
def queue_nack(ctx: Context, request: Nack) -> Reply:
    """Returns 1, or 0 if the message is not delivered to the group.

    A message that was delivered as often as `queue-max-deliveries` allows becomes a dead
    letter instead.

        > QUEUE.NACK letters workers 1700000000000-0 DELAY 1000
        (integer) 1
    """
    queue, group, message = Queue(request.queue), request.group, request.id
    ctx.call(b"ZCARD", queue.leases(group))  # raises WRONGTYPE before anything is written
    if call_score(ctx, b"ZSCORE", queue.dead(group), message.text) is not None:
        return 0
    pending = find_pending(ctx, queue, group, message)
    if pending is None:
        return 0
    if pending.used_up(ctx):
        bury(ctx, queue, group, message)
        return 1
    moment = ctx.now + request.delay if request.delay else 0
    ctx.call(b"ZADD", queue.leases(group), b"%d" % moment, message.text)
    if request.delay:
        schedule(ctx, queue, moment)
    else:
        wake_readers(ctx, queue)
    announce(ctx, queue, "returned", group=text(group), id=text(message.text), delay=request.delay)
    return 1


@dataclass(slots=True)
class Ack:
    queue: bytes
    group: bytes
    id: list[MessageId]


@command(
    "QUEUE.ACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(G*log(N)) for each id, with G groups and N messages that are leased.",
    summary="Confirms messages that a group has processed.",
    arguments=[
        Key("queue", "RW update delete"),
        String("group"),
        String("id", multiple=True, convert=parse_message_id),
    ],
    request=Ack,
)
def queue_ack(ctx: Context, request: Ack) -> Reply:
    """Returns how many of the messages were delivered and unconfirmed, dead letters included.

    A message that all groups have confirmed is deleted.

        > QUEUE.ACK letters workers 1700000000000-0
        (integer) 1
    """
    queue, group = Queue(request.queue), request.group
    for key in (queue.leases(group), queue.dead(group)):
        ctx.call(b"ZCARD", key)  # raises WRONGTYPE before anything is confirmed
    check_streams(ctx, queue, {message.level for message in request.id})
    confirmed = [
        text(message.text) for message in request.id if confirm(ctx, queue, group, message)
    ]
    if confirmed:
        announce(ctx, queue, "acknowledged", group=text(group), ids=confirmed)
    return len(confirmed)
