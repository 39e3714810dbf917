"""QUEUE.PUSH, QUEUE.MPUSH and QUEUE.CANCEL: adding messages, and taking back delayed ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from commands.domain.arguments import Count, Milliseconds
from commands.domain.calls import (
    call_integer,
    call_score,
    call_text,
    call_values,
    write,
)
from commands.domain.errors import failure
from commands.domain.events import has_readers
from commands.domain.numbers import stored_integer
from commands.domain.queues.adding import Additions
from commands.domain.queues.config import read_max_length
from commands.domain.queues.confirming import wake_readers
from commands.domain.queues.delayed import stored_delayed
from commands.domain.queues.events import announce, text
from commands.domain.queues.layout import LEVELS, Queue
from commands.domain.queues.tokens import check_number
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

# How long the ID of a push is remembered, counted from when the message is due.
_ID_KEPT_MS = 24 * 60 * 60 * 1000
_DELAYED_ID = re.compile(rb"d[0-9a-f]{16}").fullmatch
_OPTIONS = [
    Milliseconds("milliseconds", "DELAY", low=0),
    Integer("priority", "PRIORITY", optional=True, low=0, high=LEVELS - 1),
    String("key", "ORDER", optional=True),
]


@dataclass(slots=True)
class Push:
    queue: bytes
    payload: bytes
    delay: int = 0
    priority: int = 0
    order: bytes | None = None
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
        *_OPTIONS,
        String("id", "ID", optional=True),
    ],
    request=Push,
)
def queue_push(ctx: Context, request: Push) -> Reply:
    """Returns the id of the message. Higher priorities, from 0 to 9, are read first.

    With `DELAY` the message cannot be read before it is due, and is then placed behind the
    messages pushed until then. The id returned for it begins with `d`; once it is due it has
    another one. Of the messages with one `ORDER` key, each group has one at a time, in the
    order in which they would be read. A push with the `ID` of an earlier push adds nothing and
    returns the id of that message. The ID is remembered for one day from when the message is
    due, read or not. FULL if QUEUE.CONFIG has set MAXLEN and the queue holds that many messages.

        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
    """
    ids = [] if request.id is None else [request.id]
    many = MPush(
        request.queue,
        [request.payload],
        request.delay,
        request.priority,
        request.order,
        ids,
    )
    return _push(ctx, many)[0]


@dataclass(slots=True)
class MPush:
    queue: bytes
    messages: list[bytes]
    delay: int = 0
    priority: int = 0
    order: bytes | None = None
    ids: list[bytes] = field(default_factory=list)


def _push(ctx: Context, request: MPush) -> list[bytes]:
    """Add messages, unless their IDs are known; return the ids of all."""
    queue, payloads = Queue(request.queue), request.messages
    run, is_new, known = _known(ctx, queue, request.ids)
    wanted = [at for at, message in enumerate(known) if message is None]
    wanted += range(len(known), len(payloads))
    if not wanted:
        return [message for message in known if message is not None]
    _check_room(ctx, queue, len(wanted))
    adding = _Later(ctx, queue, request) if request.delay else _Now(ctx, queue, request)
    made = {at: adding.plan(payloads[at]) for at in wanted}
    adding.write()
    for at in wanted:
        if at < len(known):
            until = b"%d" % (ctx.now + request.delay + _ID_KEPT_MS)
            pushed_as = queue.pushed_as(run, request.ids[at])
            write(ctx, b"SET", pushed_as, made[at], b"PXAT", until)
    if is_new:
        write(ctx, b"HSET", queue.config, b"run", run)
    if has_readers(ctx):
        details = {"priority": request.priority, "delay": request.delay}
        for message in made.values():
            announce(ctx, queue, "pushed", id=text(message), **details)
    return [made.get(at) or known[at] or b"" for at in range(len(payloads))]


def _known(ctx: Context, queue: Queue, ids: list[bytes]) -> tuple[bytes, bool, list[bytes | None]]:
    """The prefix of the IDs of the queue, whether it is new, and the messages pushed with these.

    The prefix is another one after the queue was dropped, so that its IDs are forgotten.
    """
    if not ids:
        return b"", False, []
    run = call_text(ctx, b"HGET", queue.config, b"run")
    if run is None:
        return b"%016x" % ctx.rng.getrandbits(64), True, [None] * len(ids)
    return run, False, call_values(ctx, b"MGET", *(queue.pushed_as(run, one) for one in ids))


def _check_room(ctx: Context, queue: Queue, number: int) -> None:
    """Raise FULL if the queue cannot hold so many messages more."""
    most = read_max_length(ctx, queue)
    if not most:
        return
    held = sum(call_integer(ctx, b"XLEN", queue.stream(level)) for level in queue.levels(ctx))
    if held + call_integer(ctx, b"ZCARD", queue.delayed) + number > most:
        raise failure("FULL", "queue {} can hold {} messages (MAXLEN)", queue.name, b"%d" % most)


class _Now:
    """Messages that can be read at once."""

    def __init__(self, ctx: Context, queue: Queue, request: MPush) -> None:
        self._ctx = ctx
        self._queue = queue
        self._level = request.priority
        self._order = request.order
        self._additions = Additions(ctx, queue)

    def plan(self, payload: bytes) -> bytes:
        return self._additions.add(self._level, payload, self._order).text

    def write(self) -> None:
        self._additions.write()
        if self._level:
            wake_readers(self._ctx, self._queue)


class _Later:
    """Messages with a delay."""

    def __init__(self, ctx: Context, queue: Queue, request: MPush) -> None:
        self._ctx = ctx
        self._queue = queue
        self._request = request
        self._moment = ctx.now + request.delay
        # Both raise WrongType before anything is written.
        call_integer(ctx, b"ZCARD", queue.delayed)
        call_integer(ctx, b"HLEN", queue.late)
        self._entry = queue.agenda(ctx)
        stored = call_text(ctx, b"GET", queue.serial)
        # A serial number that cannot be read must not make ids that exist already.
        number = None if stored is None else stored_integer(stored, 0, INT64_MAX // 2)
        self._serial = number if number is not None else 0 if stored is None else ctx.now << 20
        self._planned: dict[bytes, bytes] = {}

    def plan(self, payload: bytes) -> bytes:
        self._serial += 1
        message = b"d%016x" % self._serial
        self._planned[message] = payload
        return message

    def write(self) -> None:
        ctx, queue, request = self._ctx, self._queue, self._request
        write(ctx, b"SET", queue.serial, b"%d" % self._serial)
        late: list[bytes] = []
        delayed: list[bytes] = []
        for message, payload in self._planned.items():
            late += (message, stored_delayed(request.priority, request.order, payload))
            delayed += (b"%d" % self._moment, message)
        write(ctx, b"HSET", queue.late, *late)
        write(ctx, b"ZADD", queue.delayed, *delayed)
        self._entry.plan(ctx, self._moment)


@command(
    "QUEUE.MPUSH",
    group="queue",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) for M messages pushed, of N that are delayed.",
    summary="Adds several messages to a queue.",
    arguments=[
        Key("queue", "RW insert"),
        ArgumentGroup(
            "messages",
            Count("count"),
            String("payload", multiple=True),
            token="MESSAGES",
        ),
        *_OPTIONS,
        ArgumentGroup(
            "ids",
            Count("count"),
            String("id", multiple=True),
            token="IDS",
            optional=True,
        ),
    ],
    request=MPush,
)
def queue_mpush(ctx: Context, request: MPush) -> Reply:
    """Returns the ids of the messages, up to 200, in the order of their payloads.

    The options are those of QUEUE.PUSH and hold for all messages. `IDS` gives an ID for each:
    those that are known already add nothing. All messages are added, or none.

        > QUEUE.MPUSH bulk MESSAGES 2 first second PRIORITY 3
        1) "1700000000000-0@3"
        2) "1700000000000-1@3"
    """
    check_number(len(request.messages))
    ids = request.ids
    if ids and len(ids) != len(request.messages):
        raise failure("ERR", "IDS must give one ID for each message")
    if len(set(ids)) != len(ids):
        raise failure("ERR", "IDS gives an ID twice")
    return list(_push(ctx, request))


@command(
    "QUEUE.CANCEL",
    group="queue",
    since="0.1.0",
    flags="write fast",
    complexity="O(log(N)) for N delayed messages.",
    summary="Removes a delayed message before it is due.",
    arguments=[Key("queue", "RW delete"), String("id")],
)
def queue_cancel(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if no message with this id is delayed any more.

    The id is the one that QUEUE.PUSH returned, which begins with `d`. An ID that the message was
    pushed with stays known.

        > QUEUE.PUSH reminders later DELAY 60000
        "d0000000000000001"
        > QUEUE.CANCEL reminders d0000000000000001
        (integer) 1
        > QUEUE.CANCEL reminders d0000000000000001
        (integer) 0
    """
    queue, message = Queue(argv[1]), argv[2]
    if not _DELAYED_ID(message):
        raise failure("ERR", "'{}' is not the id of a delayed message", message)
    call_integer(ctx, b"HLEN", queue.late)  # raises WrongType before anything is removed
    if call_score(ctx, b"ZSCORE", queue.delayed, message) is None:
        return 0
    write(ctx, b"ZREM", queue.delayed, message)
    write(ctx, b"HDEL", queue.late, message)
    announce(ctx, queue, "cancelled", id=text(message))
    return 1
