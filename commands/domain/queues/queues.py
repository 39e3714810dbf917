"""QUEUE.*: the messages of a queue, on Redis streams and their consumer groups.

A queue has one stream for each priority in use. A message is out while it is pending in
its group and has a lease; when the lease runs out it may go out again, and after too many
deliveries it is a dead letter: still pending, so that it can be replayed, but given to
nobody. A message that every group has confirmed is deleted. Plain stream commands may be
used beside these: an XADD to a stream of the queue with a field `payload` is a push.

Where everything lies: `commands.queue_layout`. What one message goes through:
`commands.queue_messages`. Who reads: `commands.presence`.
"""

from __future__ import annotations

from typing import Any

from commands.domain.events import publish
from commands.domain.queues.layout import LEVELS, Queue, schedule, with_scores
from commands.domain.queues.messages import (
    Delivery,
    bury,
    confirm,
    look_up,
    parse_message,
    pending,
    promote,
    read_again,
    read_due,
    read_new,
    wake_readers,
    write_message,
)
from commands.domain.queues.presence_rows import default_ttl, note_reader, rows
from commands.engine import effects
from commands.engine.arguments import Arguments, parse_duration
from commands.engine.containers import declare_family_help
from commands.engine.effects import Outcome
from commands.engine.errors import MUST_BE_POSITIVE, SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX, parse_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Reply
from commands.instance.context import Context
from storage.values.streams import Stream

_LEASE_MS = 30_000
# How long an ID given to a push is remembered, counted from when the message is due.
_ID_KEPT_MS = 24 * 60 * 60 * 1000
_SHOWN_BY_DEFAULT = 100


def _tell(ctx: Context, queue: Queue, event: str, **facts: Any) -> None:
    publish(ctx, "queue", queue.name, {"event": event, **facts})


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _least_one(arguments: Arguments) -> int:
    number = arguments.integer()
    if number < 1:
        raise CommandError(MUST_BE_POSITIVE)
    return number


# --- pushing ---------------------------------------------------------------------------------


@command(
    "QUEUE.PUSH",
    group="queue",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(1), and O(log(N)) with DELAY for N delayed messages.",
    summary="Puts a message into a queue, now or after a while.",
    arguments=[
        Key("queue", "RW insert"),
        String("payload"),
        Integer("milliseconds", "DELAY", optional=True),
        Integer("priority", "PRIORITY", optional=True),
        String("key", "ID", optional=True),
    ],
)
def queue_push(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers the id of the message. Higher priorities, of 0 to 9, are read first.

    With `DELAY` the message is read by nobody before its time, and gets its place behind
    what was pushed until then; the id answered begins with a `d` then, and the one it is
    read with is another. A push with the `ID` of an earlier one puts nothing there and
    answers that one's id, for a day from when the message is due, read or not.

        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
        > QUEUE.PUSH orders '{"order":17}' ID order-17
        "1700000000000-0"
    """
    queue, payload = Queue(argv[1]), argv[2]
    delay, level = 0, 0
    chosen: bytes | None = None
    options = Arguments(argv, 3)
    while options:
        option = options.option()
        if option == b"DELAY":
            delay = options.positive()
            if delay > INT64_MAX - ctx.now - _ID_KEPT_MS:
                raise CommandError("ERR DELAY is out of range")
        elif option == b"PRIORITY":
            level = options.integer()
            if not 0 <= level < LEVELS:
                raise CommandError(f"ERR PRIORITY is not from 0 to {LEVELS - 1}")
        elif option == b"ID":
            chosen = options.word()
        else:
            raise CommandError(SYNTAX)
    if chosen is not None:
        before: Reply = ctx.call(b"GET", queue.pushed_as(chosen))
        if before is not None:
            return before
    if delay:
        message = _push_later(ctx, queue, level, payload, ctx.now + delay)
    else:
        entry_id = ctx.call(b"XADD", queue.stream(level), b"*", b"payload", payload)
        message = write_message(level, entry_id)
        if level:
            wake_readers(ctx, queue)
    if chosen is not None:
        until = b"%d" % (ctx.now + delay + _ID_KEPT_MS)
        ctx.call(b"SET", queue.pushed_as(chosen), message, b"PXAT", until)
    _tell(ctx, queue, "pushed", id=_text(message), priority=level, delay=delay)
    return message


def _push_later(ctx: Context, queue: Queue, level: int, payload: bytes, moment: int) -> bytes:
    # Both say so without writing anything if they are not what they should be.
    ctx.call(b"ZCARD", queue.delayed)
    ctx.call(b"HLEN", queue.late)
    message = b"d%016x" % ctx.call(b"INCR", queue.serial)
    ctx.call(b"HSET", queue.late, message, b"%d %b" % (level, payload))
    ctx.call(b"ZADD", queue.delayed, b"%d" % moment, message)
    schedule(ctx, queue, moment)
    return message


# --- reading ---------------------------------------------------------------------------------


@command(
    "QUEUE.READ",
    group="queue",
    since="0.1.0",
    flags="write blocking",
    complexity="O(M*log(N)) for M messages read and N that are out.",
    summary="Takes messages of a queue for a while, waiting for some if asked to.",
    arguments=[
        Key("queue", "RW access update"),
        String("group"),
        String("consumer"),
        Integer("count", "COUNT", optional=True),
        Integer("milliseconds", "BLOCK", optional=True),
        Integer("milliseconds", "LEASE", optional=True),
    ],
)
def queue_read(ctx: Context, argv: list[bytes]) -> Outcome:
    """Maps with id, payload, priority, deliveries and lease_until; nil when there are none.

    One message unless `COUNT` says more; those of higher priority first, and of one
    priority those that go out again before those that never did. A group exists from its
    first read on, and gets what was in the queue then. Each message stays out for `LEASE`
    ms (30000), within which QUEUE.ACK confirms it or QUEUE.NACK gives it back; otherwise it
    goes out again, to whoever reads next. `BLOCK` waits so many ms, 0 for ever.

    Every read is a heartbeat of the consumer, whether or not it got a message. A read that
    waits beats when it begins and when it gets something: wait less long than the TTL.

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
    queue, group, consumer = Queue(argv[1]), argv[2], argv[3]
    count, lease = 1, _LEASE_MS
    blocking, deadline = False, None
    options = Arguments(argv, 4)
    while options:
        option = options.option()
        if option == b"COUNT":
            count = _least_one(options)
        elif option == b"LEASE":
            lease = _least_one(options)
            if lease > INT64_MAX - ctx.now:
                raise CommandError("ERR LEASE is out of range")
        elif option == b"BLOCK":
            wait = parse_duration(options.word(), ctx.now)
            blocking, deadline = True, ctx.now + wait if wait else None
        else:
            raise CommandError(SYNTAX)
    levels = queue.levels(ctx)
    if len(levels) > 1:
        for level in levels:
            ctx.call(b"XLEN", queue.stream(level))  # of another type, nothing is read
    due = read_due(ctx, queue, group, count)
    if promote(ctx, queue):
        levels = queue.levels(ctx)
    found: list[Delivery] = []
    beaten = False
    for level in levels:
        for message in due.get(level, ()):
            if len(found) < count:
                found += read_again(ctx, queue, group, consumer, message)
        if len(found) < count:
            found += read_new(ctx, queue, group, consumer, level, count - len(found))
            # XREADGROUP is a heartbeat by itself.
            beaten = True
    if not beaten and (found or not ctx.retrying):
        note_reader(ctx, queue.stream(0), group, consumer)
    if not found:
        if not blocking:
            return NULL_ARRAY
        # Whatever else a reader may wait for wakes those of the first stream.
        return effects.BlockOn([queue.stream(0)], deadline, Stream, on_loss=True)
    until = ctx.now + lease
    score = b"%d" % until
    leases = [word for delivery in found for word in (score, delivery.message)]
    ctx.call(b"ZADD", queue.leases(group), *leases)
    schedule(ctx, queue, until)
    _tell(
        ctx,
        queue,
        "read",
        group=_text(group),
        consumer=_text(consumer),
        ids=[_text(delivery.message) for delivery in found],
    )
    return [
        {
            b"id": delivery.message,
            b"payload": delivery.payload,
            b"priority": delivery.level,
            b"deliveries": delivery.deliveries,
            b"lease_until": until,
        }
        for delivery in found
    ]


@command(
    "QUEUE.NACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for N messages that are out.",
    summary="Gives a message back unfinished, to go out again now or after a while.",
    arguments=[
        Key("queue", "RW update"),
        String("group"),
        String("id"),
        Integer("milliseconds", "DELAY", optional=True),
    ],
)
def queue_nack(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers 1, or 0 if the group does not have the message out.

    A message that was delivered as often as `queue-max-deliveries` allows becomes a dead
    letter instead.

        > QUEUE.NACK letters workers 1700000000000-0 DELAY 1000
        (integer) 1
    """
    queue, group, message = Queue(argv[1]), argv[2], argv[3]
    level, entry_id = parse_message(message)
    delay = 0
    options = Arguments(argv, 4)
    while options:
        if options.option() != b"DELAY":
            raise CommandError(SYNTAX)
        delay = options.positive()
        if delay > INT64_MAX - ctx.now:
            raise CommandError("ERR DELAY is out of range")
    ctx.call(b"ZCARD", queue.leases(group))
    if ctx.call(b"ZSCORE", queue.dead(group), write_message(level, entry_id)) is not None:
        return 0
    out = pending(ctx, queue, group, level, entry_id)
    if out is None:
        return 0
    message = write_message(level, entry_id)
    if out.used_up(ctx):
        bury(ctx, queue, group, message)
        return 1
    moment = ctx.now + delay if delay else 0
    ctx.call(b"ZADD", queue.leases(group), b"%d" % moment, message)
    if delay:
        schedule(ctx, queue, moment)
    else:
        wake_readers(ctx, queue)
    _tell(ctx, queue, "returned", group=_text(group), id=_text(message), delay=delay)
    return 1


@command(
    "QUEUE.ACK",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(G*log(N)) for each id, with G groups and N messages that are out.",
    summary="Confirms messages that a group has dealt with.",
    arguments=[Key("queue", "RW update delete"), String("group"), String("id", multiple=True)],
)
def queue_ack(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many of them were out, or dead letters.

    A message that all groups have confirmed is deleted.

        > QUEUE.ACK letters workers 1700000000000-0
        (integer) 1
    """
    queue, group = Queue(argv[1]), argv[2]
    messages = [parse_message(text) for text in argv[3:]]
    ctx.call(b"ZCARD", queue.leases(group))  # of another type, nothing is confirmed
    ctx.call(b"ZCARD", queue.dead(group))
    confirmed = [
        text
        for text, (level, entry_id) in zip(argv[3:], messages, strict=True)
        if confirm(ctx, queue, group, level, entry_id)
    ]
    if confirmed:
        _tell(ctx, queue, "acknowledged", group=_text(group), ids=list(map(_text, confirmed)))
    return len(confirmed)


# --- dead letters ------------------------------------------------------------------------------


@command(
    "QUEUE.DEAD",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M dead letters answered, of N.",
    summary="Lists the messages that a group has given up.",
    arguments=[
        Key("queue", "RO access"),
        String("group"),
        Integer("cursor", "CURSOR", optional=True),
        Integer("count", "COUNT", optional=True),
    ],
)
def queue_dead(ctx: Context, argv: list[bytes]) -> Reply:
    """A cursor and maps with id, payload, priority, deliveries and died_at, oldest first.

    A message is given up when its lease runs out, or it is given back, after as many
    deliveries as `queue-max-deliveries` allows (0 is any number). The cursor is 0 when
    there are no more; otherwise the next call goes on from it, 100 at a time unless
    `COUNT` says otherwise.

        > QUEUE.DEAD orders workers
        1) "0"
        2) (empty array)
    """
    queue, group = Queue(argv[1]), argv[2]
    start, count = b"0", _SHOWN_BY_DEFAULT
    options = Arguments(argv, 3)
    while options:
        option = options.option()
        if option == b"CURSOR":
            start = options.word()
        elif option == b"COUNT":
            count = _least_one(options)
        else:
            raise CommandError(SYNTAX)
    key = queue.dead(group)
    first = _rank(ctx, key, start)
    last = b"%d" % min(first + count - 1, INT64_MAX)
    letters = with_scores(ctx, key, b"%d" % first, last)
    shown = []
    for message, died_at in letters:
        found = look_up(ctx, queue, group, message)
        if found is not None:
            shown.append(
                {
                    b"id": message,
                    b"payload": found.payload,
                    b"priority": found.level,
                    b"deliveries": found.deliveries,
                    b"died_at": int(died_at),
                }
            )
    if first + len(letters) >= ctx.call(b"ZCARD", key):
        return [b"0", shown]
    message, died_at = letters[-1]
    return [b"%d:%b" % (died_at, message), shown]


def _rank(ctx: Context, key: bytes, cursor: bytes) -> int:
    """Where a listing goes on: behind the letter it ended with, or those of its time."""
    if cursor == b"0":
        return 0
    score, _, message = cursor.partition(b":")
    parse_integer(score, "ERR invalid cursor")
    rank = ctx.call(b"ZRANK", key, message)
    return rank + 1 if rank is not None else int(ctx.call(b"ZCOUNT", key, b"-inf", b"(" + score))


@command(
    "QUEUE.REPLAY",
    group="queue",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) for each message, of N dead letters.",
    summary="Gives dead letters another life.",
    arguments=[
        Key("queue", "RW update"),
        String("group"),
        Integer("count", "COUNT", optional=True),
        String("id", optional=True, multiple=True),
    ],
)
def queue_replay(ctx: Context, argv: list[bytes]) -> Reply:
    """Answers how many go out to the group again, their deliveries counted from the start.

    Those with the ids given; or as many of the oldest as `COUNT` says; or all of them.

        > QUEUE.REPLAY orders workers
        (integer) 0
    """
    queue, group = Queue(argv[1]), argv[2]
    key = queue.dead(group)
    ctx.call(b"ZCARD", queue.leases(group))
    if len(argv) == 5 and argv[3].upper() == b"COUNT":
        last = _least_one(Arguments(argv, 4)) - 1
        messages = ctx.call(b"ZRANGE", key, b"0", b"%d" % last)
    elif len(argv) > 3:
        wanted = [write_message(*parse_message(text)) for text in argv[3:]]
        scores = ctx.call(b"ZMSCORE", key, *wanted)
        messages = [one for one, score in zip(wanted, scores, strict=True) if score is not None]
    else:
        messages = ctx.call(b"ZRANGE", key, b"0", b"-1")
    replayed = []
    for message in dict.fromkeys(messages):
        ctx.call(b"ZREM", key, message)
        level, entry_id = parse_message(message)
        out = pending(ctx, queue, group, level, entry_id)
        if out is None:
            continue
        claimed = ctx.call(
            b"XCLAIM", queue.stream(level), group, out.consumer, b"0", entry_id,
            b"RETRYCOUNT", b"0", b"JUSTID",
        )  # fmt: skip
        if claimed:
            ctx.call(b"ZADD", queue.leases(group), b"0", message)
            replayed.append(message)
    if replayed:
        wake_readers(ctx, queue)
        _tell(ctx, queue, "replayed", group=_text(group), ids=list(map(_text, replayed)))
    return len(replayed)


# --- looking -----------------------------------------------------------------------------------


@command(
    "QUEUE.INFO",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(G*log(N)+C) for G groups, N messages and C consumers.",
    summary="Describes a queue: how many messages, and what its groups have of them.",
    arguments=[Key("queue", "RO access")],
)
def queue_info(ctx: Context, argv: list[bytes]) -> Reply:
    """Nil where there is no such queue.

    `messages` are all that some group, or one to come, has still to deal with; `delayed`
    those whose time has not come. Of each group: `ready` for a reader (nil where entries
    were deleted so that it cannot be known), `out` on a lease or waiting for another try,
    `dead` letters, and `active` consumers.

        > QUEUE.PUSH returns hello
        "1700000000000-0"
        > QUEUE.INFO returns
        1) "queue"
        2) "returns"
        3) "messages"
        4) (integer) 1
        5) "delayed"
        6) (integer) 0
        7) "groups"
        8) (empty array)
    """
    queue = Queue(argv[1])
    if not queue.exists(ctx):
        return None
    messages = 0
    lags: dict[bytes, int | None] = {}
    for level in queue.levels(ctx):
        length = ctx.call(b"XLEN", queue.stream(level))
        messages += length
        if not ctx.call(b"EXISTS", queue.stream(level)):
            continue
        seen = {
            one[b"name"]: one[b"lag"] for one in ctx.call(b"XINFO", b"GROUPS", queue.stream(level))
        }
        for name in lags.keys() | seen.keys():
            before, lag = lags.get(name, 0), seen.get(name, length)
            lags[name] = None if before is None or lag is None else before + lag
    active: dict[bytes, int] = {}
    ttl = default_ttl(ctx)
    for row in rows(ctx, queue):
        active[row.group] = active.get(row.group, 0) + (row.age(ctx.now) <= ttl)
    return {
        b"queue": queue.name,
        b"messages": messages,
        b"delayed": ctx.call(b"ZCARD", queue.delayed),
        b"groups": [
            _group_info(ctx, queue, name, lag, active.get(name, 0))
            for name, lag in sorted(lags.items())
        ],
    }


def _group_info(
    ctx: Context, queue: Queue, name: bytes, lag: int | None, active: int
) -> dict[bytes, Reply]:
    leases, now = queue.leases(name), b"%d" % ctx.now
    again = ctx.call(b"ZCOUNT", leases, b"-inf", now)
    return {
        b"name": name,
        b"ready": None if lag is None else lag + again,
        b"out": ctx.call(b"ZCOUNT", leases, b"(" + now, b"+inf"),
        b"dead": ctx.call(b"ZCARD", queue.dead(name)),
        b"active": active,
    }


declare_family_help("QUEUE", group="queue", since="0.1.0")
