"""QUEUE.LIST, QUEUE.PENDING, QUEUE.PURGE and QUEUE.DROP: looking at queues, and emptying them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import cast

from commands.domain.calls import call_integer, call_scores_of, write
from commands.domain.events import forget_events
from commands.domain.numbers import whole
from commands.domain.pages import (
    END,
    LARGEST_PAGE,
    NAME,
    PAGE,
    PAGE_SIZE,
    PLACE,
    Place,
    SortedPage,
    name_cursor,
)
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import Streams, find_pending
from commands.domain.queues.layout import Queue, every_queue
from commands.domain.queues.messages import read_message_id
from commands.domain.queues.removal import Removal, drop_groups
from commands.domain.records import count_poison
from commands.engine.grammar import Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@dataclass(slots=True)
class List:
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "QUEUE.LIST",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) for M queues returned, of N keys.",
    summary="Lists the queues.",
    arguments=[NAME, PAGE],
    request=List,
)
def queue_list(ctx: Context, request: List) -> Reply:
    """Returns a cursor and the names of queues, ordered by name.

    Pass the cursor to get the next page; it is 0 after the last one. A page has up to `COUNT`
    (100, at most 1000) queues.

        > QUEUE.PUSH errands x
        "1700000000000-0"
        > QUEUE.LIST COUNT 1
        1) ">bulk"
        2) 1) "bulk"
    """
    after = Queue(request.cursor) if request.cursor else None
    count = min(request.count, LARGEST_PAGE)
    names = [queue.name for queue in islice(every_queue(ctx, after), count + 1)]
    if len(names) <= count:
        return [END, names]
    return [name_cursor(names[count - 1]), names[:count]]


@dataclass(slots=True)
class PendingPage:
    queue: bytes
    group: bytes
    cursor: Place = None
    count: int = PAGE_SIZE


@command(
    "QUEUE.PENDING",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) for M messages returned, of N that are leased.",
    summary="Lists the messages that consumers of a group hold.",
    arguments=[Key("queue", "RO access"), String("group"), PLACE, PAGE],
    request=PendingPage,
)
def queue_pending(ctx: Context, request: PendingPage) -> Reply:
    """Returns a cursor and maps with id, consumer, attempt and lease_until.

    Messages are ordered by the end of their lease. Pass the cursor to get the next page; it is
    0 after the last one. A page has up to `COUNT` (100, at most 1000) messages. A message whose
    lease is renewed during the listing may be returned twice.

        > QUEUE.PENDING films cutters
        1) "0"
        2) 1) 1) "id"
              2) "1700000000000-0"
              3) "consumer"
              4) "c1"
              5) "attempt"
              6) (integer) 1
              7) "lease_until"
              8) (integer) 1700000060000
    """
    queue, group = Queue(request.queue), request.group
    key = queue.leases(group)
    # Those whose lease has ended have the score 0.
    page = SortedPage(ctx, key, request.cursor, since=1)
    members = page.take(min(request.count, LARGEST_PAGE))
    scores = call_scores_of(ctx, key, *members) if members else []
    shown: list[Reply] = []
    for member, until in zip(members, scores, strict=True):
        message = read_message_id(member)
        if message is None:
            count_poison(ctx)
            continue
        pending = find_pending(ctx, queue, group, message)
        if pending is not None:
            shown.append(
                {
                    b"id": member,
                    b"consumer": pending.consumer,
                    b"attempt": pending.deliveries,
                    b"lease_until": whole(until or 0),
                }
            )
    return [page.cursor(), shown]


@command(
    "QUEUE.PURGE",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(G*L) for G groups and L priorities in use; large keys are removed in steps.",
    summary="Removes all messages of a queue.",
    arguments=[Key("queue", "RW delete")],
)
def queue_purge(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns how many messages were removed, delayed ones included.

    Leases and dead letters go with them, so tokens that consumers hold are refused from then on.
    The groups, their consumers, what QUEUE.CONFIG has set and the known IDs of pushes stay.

        > QUEUE.PURGE errands
        (integer) 1
        > QUEUE.PURGE errands
        (integer) 0
    """
    queue = Queue(argv[1])
    streams = Streams(ctx, queue)
    removal, removed = Removal(ctx, queue), 0
    last_ids = {}
    for level in streams.groups:
        stream = queue.stream(level)
        removed += call_integer(ctx, b"XLEN", stream)
        facts = cast(dict[bytes, bytes], ctx.call(b"XINFO", b"STREAM", stream))
        last_ids[level] = facts[b"last-generated-id"]
        removal.add(stream)
    removed += call_integer(ctx, b"ZCARD", queue.delayed)
    for key in (queue.delayed, queue.late, queue.clean):
        removal.add(key)
    for group in streams.names:
        removal.add_group(group)
    removal.write()
    for level in streams.groups:
        for name in sorted(streams.names):
            streams.create(name, level)
        if streams.names:
            # No id is given twice: a consumer may still report on a message that was removed.
            write(ctx, b"XSETID", queue.stream(level), last_ids[level])
    if removed:
        announce(ctx, queue, "purged", messages=removed)
    return removed


@dataclass(slots=True)
class Drop:
    queue: bytes
    group: bytes | None = None


@command(
    "QUEUE.DROP",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(G*L) for G groups and L priorities in use; large keys are removed in steps.",
    summary="Removes a queue with everything in it, or one of its groups.",
    arguments=[Key("queue", "RW delete"), String("group", optional=True)],
    request=Drop,
)
def queue_drop(ctx: Context, request: Drop) -> Reply:
    """Returns 1, or 0 if there is no such queue or group.

    A queue goes with its messages, groups, consumers and limits, the known IDs of pushes and
    its stream of events. A group goes with its leases and dead letters, and no longer holds
    messages back: the timer removes those that all other groups have confirmed. A consumer that
    reads the group again creates it anew.

        > QUEUE.PUSH errands y
        "1700000000000-0"
        > QUEUE.DROP errands
        (integer) 1
        > QUEUE.DROP errands
        (integer) 0
    """
    queue = Queue(request.queue)
    if request.group is not None:
        dropped = drop_groups(ctx, queue, [request.group], queue.agenda(ctx))
        if dropped:
            announce(ctx, queue, "group-dropped", group=text(request.group))
        return len(dropped)
    entry = queue.agenda(ctx)
    keys = list(ctx.db.ordered.range(queue.base))
    if not keys:
        return 0
    removal = Removal(ctx, queue)
    for key in keys:
        if key != queue.next:
            removal.add(key)
    removal.write()
    entry.replan(ctx, queue.next, None)
    announce(ctx, queue, "dropped")
    forget_events(ctx, "queue", queue.name)
    return 1
