"""QUEUE.DEAD and QUEUE.REPLAY: messages that were delivered too often."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer, call_scores_of, call_texts, write
from commands.domain.numbers import whole
from commands.domain.pages import PAGE, PAGE_SIZE, PLACE, Place, SortedPage
from commands.domain.queues.confirming import Settling, wake_readers
from commands.domain.queues.events import announce, text
from commands.domain.queues.groups import find_entry, find_pending
from commands.domain.queues.layout import Queue
from commands.domain.queues.messages import (
    MessageId,
    order_of,
    parse_message_id,
    payload_of,
    read_message_id,
)
from commands.domain.queues.tokens import MOST_MESSAGES, check_number
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
    """Returns a cursor and maps with id, payload, priority, attempt and died_at.

    Dead letters are ordered by when they died, oldest first. A message becomes a dead letter
    when its lease expires, or it is returned, after as many deliveries as MAXDELIVERIES of
    QUEUE.CONFIG allows. A group keeps the newest ones, as many as the setting
    `queue-max-dead-letters` allows. Pass the cursor to get the next page; it is 0 after the
    last one. A page has up to `COUNT` (100, at most 200) dead letters.

        > QUEUE.DEAD orders workers
        1) "0"
        2) (empty array)
    """
    queue, group = Queue(request.queue), request.group
    key = queue.dead(group)
    page = SortedPage(ctx, key, request.cursor)
    letters = page.take(min(request.count, MOST_MESSAGES))
    scores = call_scores_of(ctx, key, *letters) if letters else []
    shown: list[Reply] = []
    for member, died_at in zip(letters, scores, strict=True):
        message = read_message_id(member)
        if message is None:
            count_poison(ctx)
            continue
        pending = find_pending(ctx, queue, group, message)
        row = find_entry(ctx, queue, message)
        if pending is not None and row is not None:
            shown.append(
                {
                    b"id": member,
                    b"payload": payload_of(row),
                    b"priority": message.level,
                    b"attempt": pending.deliveries,
                    b"died_at": whole(died_at or 0),
                }
            )
    return [page.cursor(), shown]


@dataclass(slots=True)
class Replay:
    queue: bytes
    group: bytes
    id: list[MessageId]
    count: int = MOST_MESSAGES


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

    They are those with the given ids, or the `COUNT` oldest ones, 200 at most and by default.
    To replay all, repeat the command until it returns 0.

        > QUEUE.REPLAY orders workers
        (integer) 0
    """
    queue, group = Queue(request.queue), request.group
    check_number(len(request.id))
    settling = Settling(ctx, queue, group)
    chosen = _chosen(ctx, queue, request)
    for level in {message.level for message in chosen}:
        call_integer(ctx, b"XLEN", queue.stream(level))  # raises WrongType before any write
    entry = queue.agenda(ctx)
    replayed: dict[tuple[int, bytes], list[MessageId]] = {}
    ready: list[bytes] = []
    for message in chosen:
        pending = settling.pending(message)
        row = None if pending is None else find_entry(ctx, queue, message)
        if pending is None:
            settling.forget(message.text)
        elif row is None:
            settling.discard(message)
        else:
            replayed.setdefault((message.level, pending.consumer), []).append(message)
            order = order_of(row)
            if order is None or settling.turns.take(order, message):
                ready += (b"0", message.text)
    for (level, consumer), messages in replayed.items():
        ids = [message.entry_id for message in messages]
        members = [message.text for message in messages]
        write(
            ctx, b"XCLAIM", queue.stream(level), group, consumer, b"0", *ids,
            b"RETRYCOUNT", b"0", b"JUSTID",
        )  # fmt: skip
        write(ctx, b"ZREM", queue.dead(group), *members)
        write(ctx, b"HDEL", queue.tokens(group), *members)
    if ready:
        write(ctx, b"ZADD", queue.leases(group), *ready)
    settling.write(entry)
    ids = [message.text for messages in replayed.values() for message in messages]
    if ids:
        wake_readers(ctx, queue)
        announce(ctx, queue, "replayed", group=text(group), ids=[text(one) for one in ids])
    return len(ids)


def _chosen(ctx: Context, queue: Queue, request: Replay) -> list[MessageId]:
    """The dead letters that a request names, each once."""
    key = queue.dead(request.group)
    if request.id:
        members = [message.text for message in request.id]
        scores = call_scores_of(ctx, key, *members)
        named = zip(request.id, scores, strict=True)
        return list(dict.fromkeys(message for message, score in named if score is not None))
    last = min(request.count, MOST_MESSAGES) - 1
    found = []
    for member in call_texts(ctx, b"ZRANGE", key, b"0", b"%d" % last):
        message = read_message_id(member)
        if message is None:
            count_poison(ctx)
        else:
            found.append(message)
    return found
