"""QUEUE.*: who is reading. The rows are those of `commands.presence_rows`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from commands.domain.queues.layout import Queue, every_queue
from commands.domain.queues.presence_rows import (
    Row,
    default_ttl,
    forget,
    heartbeat,
    prune,
    rows,
    state,
)
from commands.engine.arguments import Arguments
from commands.engine.errors import MUST_BE_POSITIVE, SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

_LEASES_MOST = 2**32 - 1


@command(
    "QUEUE.HEARTBEAT",
    group="queue",
    since="0.1.0",
    flags="write denyoom fast",
    complexity="O(log(N)) for N consumers of the queue.",
    summary="Says that a consumer of a queue is alive.",
    arguments=[
        Key("queue", "RW insert update"),
        String("group"),
        String("consumer"),
        Integer("count", "LEASES", optional=True),
    ],
)
def queue_heartbeat(ctx: Context, argv: list[bytes]) -> Reply:
    """The first one registers the consumer, and when that was stays as it is.

    `LEASES` is how many messages the consumer says it is working on: kept as it was said,
    compared with nothing, and left as it was where a heartbeat does not say it.

        > QUEUE.HEARTBEAT orders workers w1 LEASES 2
        OK
    """
    queue = Queue(argv[1])
    leases = None
    options = Arguments(argv, 4)
    while options:
        if options.option() != b"LEASES":
            raise CommandError(SYNTAX)
        leases = options.positive()
        if leases > _LEASES_MOST:
            raise CommandError("ERR LEASES is out of range")
    heartbeat(ctx, queue, argv[2], argv[3], leases)
    return OK


@command(
    "QUEUE.DEREGISTER",
    group="queue",
    since="0.1.0",
    flags="write fast",
    complexity="O(log(N)) for N consumers of the queue.",
    summary="Forgets a consumer that leaves.",
    arguments=[Key("queue", "RW delete"), String("group"), String("consumer")],
)
def queue_deregister(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers 1, or 0 if nobody of that name was known.

    What the consumer had pending stays so.

        > QUEUE.HEARTBEAT shifts workers w1
        OK
        > QUEUE.DEREGISTER shifts workers w1
        (integer) 1
        > QUEUE.DEREGISTER shifts workers w1
        (integer) 0
    """
    return int(forget(ctx, Queue(argv[1]), argv[2], argv[3]))


class _Scope:
    """Which rows are asked for, and the TTL they are judged by."""

    __slots__ = ("group", "queue", "ttl")

    def __init__(self, ctx: Context, argv: Sequence[bytes], most: int) -> None:
        end = _end_of_scope(argv)
        self.ttl = default_ttl(ctx)
        if end < len(argv):
            self.ttl = parse_integer(argv[-1])
            if self.ttl < 0:
                raise CommandError(MUST_BE_POSITIVE)
        if end - 1 > most:
            raise CommandError(SYNTAX)
        self.queue = Queue(argv[1]) if end > 1 else None
        self.group = argv[2] if end > 2 else None

    def queues(self, ctx: Context) -> Iterable[Queue]:
        return every_queue(ctx) if self.queue is None else (self.queue,)

    def rows(self, ctx: Context) -> Iterator[Row]:
        queues = sorted(self.queues(ctx), key=lambda queue: queue.name)
        for queue in queues:
            for row in rows(ctx, queue):
                if self.group is None or row.group == self.group:
                    yield row


def _end_of_scope(argv: Sequence[bytes]) -> int:
    """Where queue and group end and `TTL ms` begins."""
    given = len(argv) > 2 and argv[-2].upper() == b"TTL"
    return len(argv) - 2 if given else len(argv)


def _find_queue(argv: Sequence[bytes]) -> list[int]:
    return [1] if _end_of_scope(argv) > 1 else []


_QUEUE_SPEC = [KeySpec("RO access")]


@command(
    "QUEUE.PRESENCE",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) for N consumers of the queues looked at.",
    summary="Lists the consumers of queues with how long ago they were last heard of.",
    arguments=[
        ArgumentGroup(
            "scope", Key("queue", "RO access"), String("group", optional=True), optional=True
        ),
        Integer("milliseconds", "TTL", optional=True),
    ],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_presence(ctx: Context, argv: list[bytes]) -> Reply:
    """Maps, ordered by queue, group and consumer.

    A consumer is `active` while its last heartbeat is no older than the TTL, `stale` up to
    twice that, then `expired`, and still listed until it is pruned. `TTL` judges by another
    time than the setting `presence-ttl-ms`; as the last words but one it is always the
    option, never a queue or group of that name.

        > QUEUE.PRESENCE orders audit
        (empty array)
    """
    scope = _Scope(ctx, argv, 2)
    now, ttl = ctx.now, scope.ttl
    return [
        {
            b"queue": row.queue,
            b"group": row.group,
            b"consumer": row.consumer,
            b"registered_at_ns": row.registered_at_ns,
            b"last_heartbeat_ns": row.last_heartbeat_ms * 1_000_000,
            b"last_seen_age_ms": row.age(now),
            b"lease_count": row.lease_count,
            b"state": state(row.age(now), ttl),
        }
        for row in scope.rows(ctx)
    ]


@command(
    "QUEUE.ACTIVE",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) for N consumers of the queues looked at.",
    summary="Counts the active consumers of each group of queues.",
    arguments=[
        Key("queue", "RO access", optional=True),
        Integer("milliseconds", "TTL", optional=True),
    ],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_active(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers maps, ordered by queue and group.

    A group without active consumers is absent.

        > QUEUE.HEARTBEAT teams workers w1
        OK
        > QUEUE.HEARTBEAT teams workers w2
        OK
        > QUEUE.ACTIVE teams
        1) 1) "queue"
           2) "teams"
           3) "group"
           4) "workers"
           5) "active"
           6) (integer) 2
    """
    scope = _Scope(ctx, argv, 1)
    active = Counter(
        (row.queue, row.group) for row in scope.rows(ctx) if row.age(ctx.now) <= scope.ttl
    )
    return [
        {b"queue": queue, b"group": group, b"active": count}
        for (queue, group), count in active.items()
    ]


@command(
    "QUEUE.PRUNE",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(Q+M*log(N)) for Q queues and M consumers dropped, of N.",
    summary="Drops the consumers that have expired, of all queues.",
    arguments=[Integer("milliseconds", "TTL", optional=True)],
)
def queue_prune(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many.

    The server does the same by itself from time to time.

        > QUEUE.PRUNE
        (integer) 0
    """
    scope = _Scope(ctx, argv, 0)
    return sum(prune(ctx, queue, scope.ttl) for queue in scope.queues(ctx))
