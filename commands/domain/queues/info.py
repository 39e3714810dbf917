"""QUEUE.INFO."""

from __future__ import annotations

from collections import Counter

from commands.domain.calls import call_integer
from commands.domain.queues.groups import Streams, count_unread
from commands.domain.queues.layout import Queue
from commands.domain.queues.presence_rows import default_ttl, rows
from commands.engine.containers import declare_family_help
from commands.engine.grammar import Key
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context


@command(
    "QUEUE.INFO",
    group="queue",
    since="0.1.0",
    flags="readonly",
    complexity="O(G*log(N)+C) for G groups, N messages and C consumers.",
    summary="Describes a queue and its groups.",
    arguments=[Key("queue", "RO access")],
)
def queue_info(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns a map, or nil if there is no such queue.

    `messages` counts those that are due and not yet confirmed by all groups, `delayed` those
    that are not due yet. For each group, `ready` counts what it has still to read, the first
    time or again; `held` what is leased; `returned` what waits for the delay of a QUEUE.NACK;
    `behind` what waits for an earlier message with the same ORDER key; `dead` its dead letters;
    and `active` its active consumers.

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
    unread: dict[bytes, int] = {}
    streams = Streams(ctx, queue)
    for level, states in streams.groups.items():
        length = call_integer(ctx, b"XLEN", queue.stream(level))
        for name in streams.names:
            state = states.get(name)
            # A group that does not exist on a stream made by XADD has all of it to read.
            number = count_unread(ctx, queue.stream(level), state, length) if state else length
            unread[name] = unread.get(name, 0) + number
        messages += length
    ttl = default_ttl(ctx)
    active = Counter(row.group for row in rows(ctx, queue) if row.age(ctx.now) <= ttl)
    return {
        b"queue": queue.name,
        b"messages": messages,
        b"delayed": call_integer(ctx, b"ZCARD", queue.delayed),
        b"groups": [
            _group_info(ctx, queue, name, number, active[name])
            for name, number in sorted(unread.items())
        ],
    }


def _group_info(ctx: Context, queue: Queue, name: bytes, unread: int, active: int) -> Reply:
    now = b"%d" % ctx.now
    ready, later = unread, []
    for key in (queue.leases(name), queue.returned(name)):
        ready += call_integer(ctx, b"ZCOUNT", key, b"-inf", now)
        later.append(call_integer(ctx, b"ZCOUNT", key, b"(" + now, b"+inf"))
    return {
        b"name": name,
        b"ready": min(ready, INT64_MAX),
        b"held": later[0],
        b"returned": later[1],
        b"behind": call_integer(ctx, b"ZCARD", queue.behind(name)),
        b"dead": call_integer(ctx, b"ZCARD", queue.dead(name)),
        b"active": active,
    }


declare_family_help("QUEUE", group="queue", since="0.1.0")
