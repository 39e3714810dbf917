"""XINFO: descriptions of streams, consumer groups and consumers."""

from __future__ import annotations

from itertools import islice

from commands.engine.containers import container
from commands.engine.errors import NO_SUCH_KEY, CommandError, wrong_subcommand
from commands.engine.grammar import ArgumentGroup, Integer, Key, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.streams.groups import no_such_group
from commands.streams.ids import format_id
from commands.streams.streams import entries_reply
from storage.values.consumer_groups import Consumer, Group
from storage.values.streams import MAX_ID, Entry, Stream

_DEFAULT_COUNT = 10

container(
    "XINFO",
    group="stream",
    since="5.0.0",
    summary="Contains commands that describe streams and consumer groups.",
    without="stream",
)


def _find_stream(ctx: Context, key: bytes) -> Stream:
    stream = ctx.db.read_as(key, Stream)
    if stream is None:
        raise CommandError(NO_SUCH_KEY)
    return stream


# --- XINFO STREAM ------------------------------------------------------------------------------


@command(
    "XINFO STREAM",
    group="stream",
    since="5.0.0",
    flags="readonly",
    complexity="O(N+M) for N nodes of the stream and M entries returned.",
    summary="Describes a stream; FULL adds its entries, groups and pending entries.",
    arguments=[
        Key("key", "RO access"),
        ArgumentGroup(
            "full-block",
            Token("FULL"),
            Integer("count", "COUNT", optional=True),
            optional=True,
        ),
    ],
    history=[
        ("6.0.0", "Accepts `FULL`."),
        ("7.0.0", "Returns counters of added and deleted entries, and the progress of groups."),
        ("7.2.0", "Returns `active-time` of consumers; `seen-time` is their last attempt."),
    ],
)
def xinfo_stream(ctx: Context, argv: list[bytes]) -> Reply:
    # Redis looks up the key before it parses the options, so an error of the key comes first.
    stream = _find_stream(ctx, argv[2])
    full, count = False, _DEFAULT_COUNT
    if len(argv) > 3:
        if len(argv) not in (4, 6) or argv[3].upper() != b"FULL":
            raise wrong_subcommand(argv)
        full = True
        if len(argv) == 6:
            if argv[4].upper() != b"COUNT":
                raise wrong_subcommand(argv)
            count = parse_integer(argv[5])
            if count < 0:
                count = _DEFAULT_COUNT
    reply: dict[bytes, Reply] = {
        b"length": len(stream),
        b"radix-tree-keys": len(stream.nodes),
        b"radix-tree-nodes": stream.radix_nodes(),
        b"last-generated-id": format_id(stream.last_id),
        b"max-deleted-entry-id": format_id(stream.max_deleted_id),
        b"entries-added": stream.entries_added,
        b"recorded-first-entry-id": format_id(stream.first_id),
    }
    if full:
        limit = count or None
        reply[b"entries"] = entries_reply(stream.range(0, MAX_ID, limit))
        reply[b"groups"] = [
            _full_group(stream, name, group, limit) for name, group in stream.groups_by_name()
        ]
    else:
        reply[b"groups"] = len(stream.groups)
        reply[b"first-entry"] = _single_entry(stream.range(0, MAX_ID, 1))
        reply[b"last-entry"] = _single_entry(stream.reverse_range(0, MAX_ID, 1))
    return reply


def _single_entry(entries: list[Entry]) -> Reply:
    (entry,) = entries_reply(entries) or [None]
    return entry


def _full_group(stream: Stream, name: bytes, group: Group, limit: int | None) -> Reply:
    return {
        b"name": name,
        b"last-delivered-id": format_id(group.last_id),
        b"entries-read": group.entries_read,
        b"lag": stream.lag(group),
        b"pel-count": len(group.pending),
        b"pending": [
            (format_id(entry_id), one.consumer.name, one.delivery_time, one.deliveries)
            for entry_id, one in islice(group.pending.items(), limit)
        ],
        b"consumers": [_full_consumer(consumer, limit) for consumer in group.consumers_by_name()],
    }


def _full_consumer(consumer: Consumer, limit: int | None) -> Reply:
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_time,
        b"active-time": consumer.active_time,
        b"pel-count": len(consumer.pending),
        b"pending": [
            (format_id(entry_id), one.delivery_time, one.deliveries)
            for entry_id, one in islice(consumer.pending.items(), limit)
        ],
    }


# --- XINFO GROUPS, XINFO CONSUMERS -------------------------------------------------------------


@command(
    "XINFO GROUPS",
    group="stream",
    since="5.0.0",
    flags="readonly",
    summary="Describes each group of a stream: its size, its position and its lag.",
    arguments=[Key("key", "RO access")],
    history=[("7.0.0", "Returns `entries-read` and `lag`.")],
)
def xinfo_groups(ctx: Context, argv: list[bytes]) -> Reply:
    stream = _find_stream(ctx, argv[2])
    return [
        {
            b"name": name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": format_id(group.last_id),
            b"entries-read": group.entries_read,
            b"lag": stream.lag(group),
        }
        for name, group in stream.groups_by_name()
    ]


@command(
    "XINFO CONSUMERS",
    group="stream",
    since="5.0.0",
    flags="readonly",
    summary="Describes each consumer of a group: its pending entries and idle time.",
    arguments=[Key("key", "RO access"), String("group")],
    tips=["nondeterministic_output"],
    history=[("7.2.0", "Returns `inactive`; `idle` counts from the last attempt.")],
)
def xinfo_consumers(ctx: Context, argv: list[bytes]) -> Reply:
    key, name = argv[2:]
    group = _find_stream(ctx, key).groups.get(name)
    if group is None:
        raise no_such_group(key, name)
    now = ctx.now
    return [
        {
            b"name": consumer.name,
            b"pending": len(consumer.pending),
            b"idle": max(0, now - consumer.seen_time),
            b"inactive": max(0, now - consumer.active_time) if consumer.active_time >= 0 else -1,
        }
        for consumer in group.consumers_by_name()
    ]
