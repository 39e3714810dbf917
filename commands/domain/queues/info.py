"""QUEUE.INFO."""

from __future__ import annotations

from collections import Counter

from commands.domain.calls import call_integer
from commands.domain.queues.groups import count_unread, group_states
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
    that are not due yet. For each group, `ready` counts what can be read, `out` the messages
    that are leased or wait for the delay of a QUEUE.NACK, `dead` its dead letters and `active`
    its active consumers.

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
    for level in queue.levels(ctx):
        stream = queue.stream(level)
        if not call_integer(ctx, b"EXISTS", stream):
            continue
        length = call_integer(ctx, b"XLEN", stream)
        seen = {
            state.name: count_unread(ctx, stream, state, length)
            for state in group_states(ctx, stream)
        }
        for name in unread.keys() | seen.keys():
            # A group that does not exist on a stream made by XADD has all of it to read.
            unread[name] = unread.get(name, messages) + seen.get(name, length)
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
    leases, now = queue.leases(name), b"%d" % ctx.now
    due = call_integer(ctx, b"ZCOUNT", leases, b"-inf", now)
    return {
        b"name": name,
        b"ready": min(unread + due, INT64_MAX),
        b"out": call_integer(ctx, b"ZCOUNT", leases, b"(" + now, b"+inf"),
        b"dead": call_integer(ctx, b"ZCARD", queue.dead(name)),
        b"active": active,
    }


declare_family_help("QUEUE", group="queue", since="0.1.0")
