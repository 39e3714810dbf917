"""QUEUE.DEAD and QUEUE.REPLAY: messages that were delivered too often."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_scores_of, call_texts
from commands.domain.numbers import whole
from commands.domain.pages import LARGEST_PAGE, PAGE, PAGE_SIZE, PLACE, Place, SortedPage
from commands.domain.queues.delivery import look_up, wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import check_streams, find_pending, reset_deliveries
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import MessageId, parse_message_id, read_message_id
from commands.domain.records import count_poison
from commands.engine.grammar import Integer, Key, String
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@dataclass(slots=True)
class Dead:
    queue: bytes
    group: bytes
    cursor: Place = None
    count: int = PAGE_SIZE


@command(
    "QUEUE.DEAD",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M dead letters returned, of N.",
    summary="Lists the dead letters of a group.",
    arguments=[
        Key("queue", "RO access"),
        String("group"),
        PLACE,
        PAGE,
    ],
    request=Dead,
)
def queue_dead(ctx: Context, request: Dead) -> Reply:
    """Returns a cursor and maps with id, payload, priority, deliveries and died_at.

    Dead letters are ordered by when they died, oldest first. A message becomes a dead letter
    when its lease expires, or it is returned, after as many deliveries as
    `queue-max-deliveries` allows (0 means no limit). Pass the cursor to get the next page; it
    is 0 after the last one. A page has up to `COUNT` (100, at most 1000) dead letters.

        > QUEUE.DEAD orders workers
        1) "0"
        2) (empty array)
    """
    queue, group = Queue(request.queue), request.group
    key = queue.dead(group)
    page = SortedPage(ctx, key, request.cursor)
    letters = page.take(min(request.count, LARGEST_PAGE))
    scores = call_scores_of(ctx, key, *letters) if letters else []
    shown: list[Reply] = []
    for message, died_at in zip(letters, scores, strict=True):
        found = look_up(ctx, queue, group, message)
        if found is not None:
            shown.append(
                {
                    b"id": message,
                    b"payload": found.payload,
                    b"priority": found.id.level,
                    b"deliveries": found.deliveries,
                    b"died_at": whole(died_at or 0),
                }
            )
    return [page.cursor(), shown]


@dataclass(slots=True)
class Replay:
    queue: bytes
    group: bytes
    id: list[MessageId]
    count: int | None = None


@command(
    "QUEUE.REPLAY",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for each message, of N dead letters.",
    summary="Delivers dead letters again.",
    arguments=[
        Key("queue", "RW update"),
        String("group"),
        Integer("count", "COUNT", optional=True, low=1),
        String("id", optional=True, multiple=True, convert=parse_message_id),
    ],
    request=Replay,
)
def queue_replay(ctx: Context, request: Replay) -> Reply:
    """Returns how many dead letters can be read again, with deliveries counted from zero.

    They are those with the given ids, the `COUNT` oldest ones, or all of them.

        > QUEUE.REPLAY orders workers
        (integer) 0
    """
    queue, group = Queue(request.queue), request.group
    ctx.call(b"ZCARD", queue.leases(group))  # raises WRONGTYPE before anything is written
    chosen = _chosen(ctx, queue, request)
    check_streams(ctx, queue, {message.level for message in chosen})
    replayed = []
    for message in chosen:
        ctx.call(b"ZREM", queue.dead(group), message.text)
        pending = find_pending(ctx, queue, group, message)
        if pending is None:
            continue
        if reset_deliveries(ctx, queue, group, pending.consumer, message):
            ctx.call(b"ZADD", queue.leases(group), b"0", message.text)
            replayed.append(text(message.text))
    if replayed:
        wake_readers(ctx, queue)
        announce(ctx, queue, "replayed", group=text(group), ids=replayed)
    return len(replayed)


def _chosen(ctx: Context, queue: Queue, request: Replay) -> list[MessageId]:
    """The dead letters that a request names, each once."""
    key = queue.dead(request.group)
    if request.id:
        members = [message.text for message in request.id]
        scores = call_scores_of(ctx, key, *members)
        return list(
            dict.fromkeys(
                message
                for message, score in zip(request.id, scores, strict=True)
                if score is not None
            )
        )
    last = b"-1" if request.count is None else b"%d" % (request.count - 1)
    found = []
    for member in call_texts(ctx, b"ZRANGE", key, b"0", last):
        message = read_message_id(member)
        if message is None:
            count_poison(ctx)
        else:
            found.append(message)
    return found
