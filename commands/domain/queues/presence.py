"""QUEUE.*: presence, which consumers are alive. `presence_rows` stores the rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.namespaces import unescape_valid
from commands.domain.pages import END, LARGEST_PAGE, PAGE, invalid_cursor, name_cursor, read_name
from commands.domain.queues.layout import Queue, every_queue
from commands.domain.queues.presence_rows import (
    Heartbeat,
    Row,
    default_ttl,
    forget,
    members_by_name,
    name_of,
    not_seen_for,
    prune,
    rows,
    state,
)
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.key_specs import KeySpec
from commands.engine.options import ArgumentParser
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.errors import WrongType

_MOST_LEASES = 2**32 - 1
_TTL = Milliseconds("milliseconds", "TTL", low=0)


@dataclass(slots=True)
class Beat:
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
    request=Beat,
)
def queue_heartbeat(ctx: Context, request: Beat) -> Reply:
    """Returns OK. The first heartbeat registers the consumer.

    `LEASES` is the number of messages the consumer says it is working on. It is stored and
    checked against nothing; a heartbeat without it leaves the number as it is.

        > QUEUE.HEARTBEAT orders workers w1 LEASES 2
        OK
    """
    queue = Queue(request.queue)
    beat = Heartbeat(ctx, queue, request.group, request.consumer)
    beat.write(queue.agenda(ctx), request.leases)
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


# --- pages over queues and their consumers ------------------------------------------------------

# How many queues one request looks at, beside the 1000 consumers that it may return.
_MOST_QUEUES = 500

# Where a page ended: the tag of a queue, and the stored member of the last row; empty behind the
# last one of the queue.
_MARK = re.compile(rb"((?:[^}\\]|\\[}\\])++)\}(.*)", re.DOTALL).fullmatch


@dataclass(slots=True)
class _Mark:
    # None before the first page.
    queue: Queue | None
    member: bytes = b""

    def cursor(self) -> bytes:
        assert self.queue is not None
        return name_cursor(b"%b}%b" % (self.queue.tag, self.member))


def _read_mark(word: bytes) -> _Mark:
    name = read_name(word)
    if name is None:
        return _Mark(None)
    found = _MARK(name)
    if found is None or (found[2] and name_of(found[2]) is None):
        raise invalid_cursor(word)
    return _Mark(Queue(unescape_valid(found[1], b"}")), found[2])


def _too_much() -> CommandError:
    return CommandError("ERR too much for one reply: read pages with CURSOR 0")


_CURSOR = String("cursor", "CURSOR", optional=True, convert=_read_mark)
_PAGED = [_TTL, _CURSOR, PAGE]
_TOKENS = (b"TTL", b"CURSOR", b"COUNT")


@dataclass(slots=True)
class _Options:
    ttl: int | None = None
    cursor: _Mark | None = None
    count: int | None = None


_parse_options = ArgumentParser("QUEUE.PRESENCE", _Options, _PAGED, own=True).parse


def _end_of_scope(argv: Sequence[bytes]) -> int:
    """Where the options begin. Each is two words, at the end, so a queue may be called TTL."""
    end = len(argv)
    while end > 2 and argv[end - 2].upper() in _TOKENS:
        end -= 2
    return end


class _Page:
    """The queues and the group that a request selects, and which part of them it wants."""

    def __init__(self, ctx: Context, argv: list[bytes], names: int) -> None:
        """Parse `[queue [group]]` with up to this many names, and the options behind them.

        All words that are not names go to the parser of options, for its errors.
        """
        last = min(_end_of_scope(argv), 1 + names)
        options = _parse_options([argv[0], *argv[last:]])
        self._ctx = ctx
        self._queue, self._group = [*argv[1:last], None, None][:2]
        # Without CURSOR there is one page, which has to hold everything.
        self._start = options.cursor
        self._count = min(options.count or LARGEST_PAGE, LARGEST_PAGE)
        self.ttl = default_ttl(ctx) if options.ttl is None else options.ttl

    def rows(self) -> tuple[list[Row], bytes]:
        """Rows ordered by queue, group and consumer, and the cursor behind them."""
        found: list[Row] = []
        previous = None
        for looked, (queue, after) in enumerate(self._queues()):
            room = self._count - len(found)
            if previous is not None and (room <= 0 or looked == _MOST_QUEUES):
                return found, _Mark(previous).cursor()
            names = members_by_name(self._ctx, queue)
            if after is not None:
                names = [name for name in names if name[:2] > after]
            if self._group is not None:
                names = [name for name in names if name[0] == self._group]
            found += rows(self._ctx, queue, names[:room])
            if len(names) > room:
                return found, _Mark(queue, names[room - 1][2]).cursor()
            previous = queue
        return found, END

    def active(self) -> tuple[dict[tuple[bytes, bytes], int], bytes]:
        """The active consumers of each queue and group, and the cursor behind them."""
        counted: Counter[tuple[bytes, bytes]] = Counter()
        previous = None
        for looked, (queue, _) in enumerate(self._queues()):
            if previous is not None and (len(counted) >= self._count or looked == _MOST_QUEUES):
                return counted, _Mark(previous).cursor()
            for row in rows(self._ctx, queue):
                if row.age(self._ctx.now) <= self.ttl:
                    counted[row.queue, row.group] += 1
            previous = queue
        return counted, END

    def reply(self, items: list[Reply], cursor: bytes) -> Reply:
        if self._start is not None:
            return [cursor, items]
        if cursor != END:
            raise _too_much()
        return items

    def _queues(self) -> Iterator[tuple[Queue, tuple[bytes, bytes] | None]]:
        """The selected queues, each with the name of the row that its part begins behind."""
        start = self._start or _Mark(None)
        if start.queue is not None and start.member:
            yield start.queue, name_of(start.member)
        if self._queue is None:
            for queue in every_queue(self._ctx, start.queue):
                yield queue, None
        elif start.queue is None:
            yield Queue(self._queue), None


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
        *_PAGED,
    ],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_presence(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns maps, ordered by queue, group and consumer.

    A consumer is `active` while its last heartbeat is no older than the TTL, `stale` up to
    twice the TTL, and `expired` from then until it is pruned. `TTL` replaces the setting
    `presence-ttl-ms`. As the last words but one, `TTL`, `CURSOR` and `COUNT` are always options
    and never the name of a queue or group.

    With `CURSOR` the reply is a page of up to `COUNT` (1000) consumers: a cursor, and the maps.
    It begins at 0 and is 0 again after the last page. Without it the reply is all of them, or
    an error if there are more than 1000, or more than 500 queues.

        > QUEUE.PRESENCE orders audit
        (empty array)
    """
    page = _Page(ctx, argv, 2)
    now, ttl = ctx.now, page.ttl
    found, cursor = page.rows()
    return page.reply(
        [
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
            for row in found
        ],
        cursor,
    )


@command(
    "QUEUE.ACTIVE",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(N*log(N)) for N consumers of the selected queues.",
    summary="Counts the active consumers of each group of queues.",
    arguments=[Key("queue", "RO access", optional=True), *_PAGED],
    keys=_QUEUE_SPEC,
    key_finder=_find_queue,
)
def queue_active(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns maps with queue, group and active, ordered by queue and group.

    A group without active consumers is left out. `TTL`, `CURSOR` and `COUNT` are as in
    QUEUE.PRESENCE; a page looks at up to 500 queues.

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
    page = _Page(ctx, argv, 1)
    active, cursor = page.active()
    return page.reply(
        [
            {b"queue": queue, b"group": group, b"active": count}
            for (queue, group), count in active.items()
        ],
        cursor,
    )


@dataclass(slots=True)
class Prune:
    ttl: int | None = None
    cursor: _Mark | None = None
    count: int = LARGEST_PAGE


@command(
    "QUEUE.PRUNE",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(Q+M*log(N)) for Q queues and M consumers removed, of N.",
    summary="Removes the expired consumers of all queues.",
    arguments=_PAGED,
    request=Prune,
)
def queue_prune(ctx: Context, request: Prune) -> Reply:
    """Returns how many consumers were removed: those that have expired.

    The server also removes consumers by itself, once they have sent no heartbeat for as long as
    the setting `presence-keep-ms` says. With `CURSOR` the reply is a cursor and the number, of a
    part of up to `COUNT` (1000) consumers and 500 queues. It begins at 0 and is 0 again after
    the last part. Without it nothing is removed if all is too much for one part.

        > QUEUE.PRUNE
        (integer) 0
    """
    ttl = default_ttl(ctx) if request.ttl is None else request.ttl
    room = min(request.count, LARGEST_PAGE)
    expired: list[tuple[Queue, list[bytes]]] = []
    cursor = END
    for looked, queue in enumerate(_queues_from(ctx, request.cursor)):
        try:
            members = not_seen_for(ctx, queue, 2 * ttl, room + 1)
        except WrongType:
            count_poison(ctx)
            members = []
        if members:
            expired.append((queue, members[:room]))
        if len(members) > room or looked == _MOST_QUEUES:
            cursor = _Mark(queue).cursor()
            break
        room -= len(members)
    if request.cursor is None and cursor != END:
        raise _too_much()
    for queue, members in expired:
        if members:
            prune(ctx, queue, members)
    removed = sum(len(members) for _, members in expired)
    return removed if request.cursor is None else [cursor, removed]


def _queues_from(ctx: Context, start: _Mark | None) -> Iterator[Queue]:
    """The queues from one on, which may have more to prune."""
    if start is not None and start.queue is not None:
        yield start.queue
        yield from every_queue(ctx, start.queue)
    else:
        yield from every_queue(ctx)
