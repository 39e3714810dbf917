"""QUEUE.*: presence, which consumers are alive. `presence_rows` stores the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
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
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.key_specs import KeySpec
from commands.engine.options import ArgumentParser
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

_MOST_LEASES = 2**32 - 1
_TTL = Milliseconds("milliseconds", "TTL", low=0)


@dataclass(slots=True)
class Heartbeat:
    queue: bytes
    group: bytes
    consumer: bytes
    leases: int | None = None


@command(
    "QUEUE.HEARTBEAT",
    group="queue",
    since="0.1.0",
    flags="write denyoom fast",
    complexity="O(log(N)) for N consumers of the queue.",
    summary="Records a heartbeat of a consumer of a queue.",
    arguments=[
        Key("queue", "RW insert update"),
        String("group"),
        String("consumer"),
        Integer("count", "LEASES", optional=True, low=0, high=_MOST_LEASES),
    ],
    request=Heartbeat,
)
def queue_heartbeat(ctx: Context, request: Heartbeat) -> Reply:
    """Returns OK. The first heartbeat registers the consumer.

    `LEASES` is the number of messages the consumer says it is working on. It is stored and
    checked against nothing; a heartbeat without it leaves the number as it is.

        > QUEUE.HEARTBEAT orders workers w1 LEASES 2
        OK
    """
    queue = Queue(request.queue)
    heartbeat(ctx, queue, request.group, request.consumer, request.leases)
    return OK


@command(
    "QUEUE.DEREGISTER",
    group="queue",
    since="0.1.0",
    flags="write fast",
    complexity="O(log(N)) for N consumers of the queue.",
    summary="Removes a consumer from the presence of a queue.",
    arguments=[Key("queue", "RW delete"), String("group"), String("consumer")],
)
def queue_deregister(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if there is no such consumer.

    Messages that are pending for the consumer stay pending.

        > QUEUE.HEARTBEAT shifts workers w1
        OK
        > QUEUE.DEREGISTER shifts workers w1
        (integer) 1
        > QUEUE.DEREGISTER shifts workers w1
        (integer) 0
    """
    return int(forget(ctx, Queue(argv[1]), argv[2], argv[3]))


@dataclass(slots=True)
class _Ttl:
    ttl: int | None = None


_parse_ttl = ArgumentParser("QUEUE.PRESENCE", _Ttl, [_TTL], own=True).parse


@dataclass(slots=True)
class _Scope:
    """The queues and the group that a request selects, and the TTL it judges them by."""

    ttl: int
    queue: bytes | None = None
    group: bytes | None = None

    def queues(self, ctx: Context) -> list[Queue]:
        """The selected queues, by name."""
        if self.queue is not None:
            return [Queue(self.queue)]
        return sorted(every_queue(ctx), key=lambda queue: queue.name)

    def rows(self, ctx: Context) -> Iterator[Row]:
        for queue in self.queues(ctx):
            for row in rows(ctx, queue):
                if self.group is None or row.group == self.group:
                    yield row


def _parse_scope(ctx: Context, argv: list[bytes], names: int) -> _Scope:
    """Parse `[queue [group]] [TTL milliseconds]` with up to this many names.

    A queue may be called TTL, so the option is recognized by its place at the end. All words
    that are not names go to the parser of options, for its errors.
    """
    end = _end_of_scope(argv)
    last = min(end, 1 + names)
    ttl = _parse_ttl([argv[0], *argv[last:]]).ttl
    return _Scope(default_ttl(ctx) if ttl is None else ttl, *argv[1:last])


def _end_of_scope(argv: Sequence[bytes]) -> int:
    """Where `TTL milliseconds` begins: the last two words, if it is given."""
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
    complexity="O(N*log(N)) for N consumers of the selected queues.",
    summary="Lists the consumers of queues with the age of their last heartbeat.",
    arguments=[
        ArgumentGroup(
            "scope", Key("queue", "RO access"), String("group", optional=True), optional=True
        ),
        _TTL,
    ],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_presence(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns maps, ordered by queue, group and consumer.

    A consumer is `active` while its last heartbeat is no older than the TTL, `stale` up to
    twice the TTL, and `expired` from then until it is pruned. `TTL` replaces the setting
    `presence-ttl-ms`. As the last word but one, `TTL` is always the option and never the name
    of a queue or group.

        > QUEUE.PRESENCE orders audit
        (empty array)
    """
    scope = _parse_scope(ctx, argv, 2)
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
    complexity="O(N*log(N)) for N consumers of the selected queues.",
    summary="Counts the active consumers of each group of queues.",
    arguments=[
        Key("queue", "RO access", optional=True),
        _TTL,
    ],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_active(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns maps with queue, group and active, ordered by queue and group.

    A group without active consumers is left out.

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
    scope = _parse_scope(ctx, argv, 1)
    active = Counter(
        (row.queue, row.group) for row in scope.rows(ctx) if row.age(ctx.now) <= scope.ttl
    )
    return [
        {b"queue": queue, b"group": group, b"active": count}
        for (queue, group), count in active.items()
    ]


@dataclass(slots=True)
class Prune:
    ttl: int | None = None


@command(
    "QUEUE.PRUNE",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(Q+M*log(N)) for Q queues and M consumers removed, of N.",
    summary="Removes the expired consumers of all queues.",
    arguments=[_TTL],
    request=Prune,
)
def queue_prune(ctx: Context, request: Prune) -> Reply:
    """Returns how many consumers were removed.

    The server also does this by itself from time to time.

        > QUEUE.PRUNE
        (integer) 0
    """
    ttl = default_ttl(ctx) if request.ttl is None else request.ttl
    return sum(prune(ctx, queue, ttl) for queue in every_queue(ctx))
