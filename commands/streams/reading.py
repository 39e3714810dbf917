"""XREAD and XREADGROUP: reading several streams at once, blocking for new entries if asked."""

from __future__ import annotations

from collections.abc import Sequence

from commands.engine import effects
from commands.engine.effects import Outcome
from commands.engine.errors import (
    SYNTAX,
    TIMEOUT_NEGATIVE,
    TIMEOUT_NOT_AN_INTEGER,
    CommandError,
)
from commands.engine.grammar import Argument, ArgumentGroup, Integer, Key, String, Token
from commands.engine.key_specs import KeySpec
from commands.engine.numbers import INT64_MAX, parse_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Couples, Reply
from commands.instance.context import Context
from commands.instance.group_reads import group_read_interval, observe_group_read
from commands.streams.groups import claim_request, find_or_add_consumer, group_id_request
from commands.streams.ids import format_id, parse_id
from commands.streams.streams import entries_reply
from storage.values.consumer_groups import Consumer, Group
from storage.values.streams import MAX_ID, Entry, Stream

_HISTORY_ONLY = (
    "ERR The {0} ID is meaningless in the context of XREADGROUP: you want to read the history"
    " of this consumer by specifying a proper ID, or use the > ID to get new messages. The {0}"
    " ID would just return an empty result set."
)
_NEW_ONLY = (
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group>"
    " <consumer> option."
)


class _Request:
    """The arguments of XREAD or XREADGROUP."""

    __slots__ = ("blocking", "consumer", "count", "deadline", "group", "ids_at", "keys", "no_ack")

    def __init__(self, ctx: Context, argv: list[bytes], *, grouped: bool) -> None:
        self.count: int | None = None
        self.blocking = self.no_ack = False
        self.deadline: int | None = None
        self.group: bytes | None = None
        self.consumer = b""
        place, end = 1, len(argv)
        while place < end:
            option, left = argv[place].upper(), end - place - 1
            if option == b"BLOCK" and left:
                place += 1
                self.blocking = True
                self.deadline = _parse_block(argv[place], ctx.now)
            elif option == b"COUNT" and left:
                place += 1
                count = parse_integer(argv[place])
                self.count = count if count > 0 else None
            elif option == b"STREAMS" and left:
                break
            elif option == b"GROUP" and left >= 2:
                if not grouped:
                    raise CommandError(
                        "ERR The GROUP option is only supported by XREADGROUP."
                        " You called XREAD instead."
                    )
                self.group, self.consumer = argv[place + 1 : place + 3]
                place += 2
            elif option == b"NOACK":
                if not grouped:
                    raise CommandError(
                        "ERR The NOACK option is only supported by XREADGROUP."
                        " You called XREAD instead."
                    )
                self.no_ack = True
            else:
                raise CommandError(SYNTAX)
            place += 1
        count, odd = divmod(end - place - 1, 2)
        if odd:
            name, word = ("xreadgroup", ">") if grouped else ("xread", "$")
            raise CommandError(
                f"ERR Unbalanced '{name}' list of streams: for each stream key an ID or"
                f" '{word}' must be specified."
            )
        if place >= end:
            raise CommandError(SYNTAX)
        if grouped and self.group is None:
            raise CommandError("ERR Missing GROUP option for XREADGROUP")
        self.ids_at = place + 1 + count
        self.keys = argv[place + 1 : self.ids_at]


def _parse_block(text: bytes, now: int) -> int | None:
    """Parse a timeout in milliseconds and return its deadline; None blocks for ever."""
    timeout = parse_integer(text, TIMEOUT_NOT_AN_INTEGER)
    if timeout < 0:
        raise CommandError(TIMEOUT_NEGATIVE)
    if timeout > INT64_MAX - now:
        raise CommandError("ERR timeout is out of range")
    return now + timeout if timeout else None


def _read_arguments(*options: Argument) -> list[Argument]:
    streams = ArgumentGroup(
        "streams",
        Key("key", "RO access", multiple=True),
        String("id", multiple=True),
        token="STREAMS",
    )
    return [*options, streams]


# --- XREAD -------------------------------------------------------------------------------------


@command(
    "XREAD",
    group="stream",
    since="5.0.0",
    flags="readonly blocking",
    complexity="O(M) for M entries returned.",
    summary="Returns entries of streams after given IDs, optionally blocking for new ones.",
    arguments=_read_arguments(
        Integer("count", "COUNT", optional=True),
        Integer("milliseconds", "BLOCK", optional=True),
    ),
    keys=[KeySpec("RO access", keyword="STREAMS", start=1, last=-1, limit=2)],
)
def xread(ctx: Context, argv: list[bytes]) -> Outcome:
    request = _Request(ctx, argv, grouped=False)
    keys, ids_at = request.keys, request.ids_at
    wanted: list[int] = []
    for key, text in zip(keys, argv[ids_at:], strict=True):
        stream = ctx.db.read_as(key, Stream)
        if text == b"$":
            after = 0 if stream is None else stream.last_id
        elif text == b"+":
            # The last entry itself; in an empty stream, the entries added from now on.
            after = 0 if stream is None else (stream.last_entry_id or stream.last_id + 1) - 1
        elif text == b">":
            raise CommandError(_NEW_ONLY)
        else:
            after = parse_id(text)
        wanted.append(after)
    found = []
    for key, after in zip(keys, wanted, strict=True):
        # Redis, too, looks the key up again, and so counts (and reports) two hits or misses.
        stream = ctx.db.read_as(key, Stream)
        if stream is not None and stream.last_entry_id > after:
            entries = stream.range(after + 1, MAX_ID, request.count)
            found.append((key, entries_reply(entries)))
    if found:
        return Couples(found)
    if not request.blocking:
        return NULL_ARRAY
    return effects.BlockOn(
        keys,
        request.deadline,
        Stream,
        argv=[*argv[:ids_at], *map(format_id, wanted)],
    )


# --- XREADGROUP --------------------------------------------------------------------------------


@command(
    "XREADGROUP",
    group="stream",
    since="5.0.0",
    flags="write blocking",
    complexity="O(M) for M entries returned.",
    summary="Delivers entries to a consumer of a group, optionally blocking for new ones.",
    arguments=_read_arguments(
        ArgumentGroup("group-block", String("group"), String("consumer"), token="GROUP"),
        Integer("count", "COUNT", optional=True),
        Integer("milliseconds", "BLOCK", optional=True),
        Token("NOACK", optional=True),
    ),
    keys=[KeySpec("RO access", keyword="STREAMS", start=4, last=-1, limit=2)],
)
def xreadgroup(ctx: Context, argv: list[bytes]) -> Outcome:
    request = _Request(ctx, argv, grouped=True)
    assert request.group is not None
    wanted: list[tuple[bytes, Stream, Group, int | None]] = []
    for key, text in zip(request.keys, argv[request.ids_at :], strict=True):
        stream = ctx.db.read_as(key, Stream)
        group = None if stream is None else stream.groups.get(request.group)
        if stream is None or group is None:
            raise CommandError(
                b"NOGROUP No such key '%b' or consumer group '%b' in XREADGROUP with GROUP option"
                % (key, request.group)
            )
        if text in (b"$", b"+"):
            raise CommandError(_HISTORY_ONLY.format(text.decode()))
        entry_id = MAX_ID if text == b">" else parse_id(text)
        # As in Redis, the largest ID stands for new entries, too.
        wanted.append((key, stream, group, None if entry_id == MAX_ID else entry_id))
    logged: list[list[bytes]] = []
    found = []
    for key, stream, group, after in wanted:
        # As for XREAD, this is the second hit.
        ctx.db.read(key)
        ctx.db.will_change(key)
        consumer = find_or_add_consumer(ctx, key, request.group, group, request.consumer, logged)
        if after is not None:
            found.append((key, _history(ctx, stream, consumer, after, request.count)))
            ctx.db.changed_quietly(key)
        elif stream.last_entry_id > group.last_id:
            entries = stream.range(group.last_id + 1, MAX_ID, request.count)
            _deliver(ctx, request, key, stream, group, consumer, entries, logged)
            found.append((key, entries_reply(entries)))
        elif ctx.retrying:
            # A retry that finds no entries does not count as an attempt of the consumer.
            continue
        consumer.seen_time = ctx.now
    ctx.log_as(*logged)
    for key in request.keys:
        observe_group_read(ctx, key, request.group, request.consumer, received=bool(found))
    if found:
        return Couples(found)
    if not request.blocking:
        return NULL_ARRAY
    every = group_read_interval(ctx, request.keys)
    return effects.BlockOn(request.keys, request.deadline, Stream, on_loss=True, every=every)


def _history(
    ctx: Context, stream: Stream, consumer: Consumer, after: int, count: int | None
) -> Reply:
    """Deliver the pending entries of the consumer after an ID once more."""
    replies: list[Reply] = []
    for entry_id in consumer.pending.irange(after + 1):
        if len(replies) == count:
            break
        row = stream.get(entry_id)
        if row is not None:
            pending = consumer.pending[entry_id]
            pending.delivery_time = ctx.now
            pending.count_delivery()
        replies.append((format_id(entry_id), NULL_ARRAY if row is None else row))
    return replies


def _deliver(
    ctx: Context,
    request: _Request,
    key: bytes,
    stream: Stream,
    group: Group,
    consumer: Consumer,
    entries: Sequence[Entry],
    logged: list[list[bytes]],
) -> None:
    """Deliver entries to the consumer, and move the group past them."""
    assert request.group is not None
    now = ctx.now
    for entry_id, _ in entries:
        stream.advance(group, entry_id)
        if not request.no_ack:
            group.deliver(entry_id, consumer, now)
            logged.append(claim_request(key, request.group, group, entry_id))
            consumer.active_time = now
    ctx.db.changed_quietly(key)
    logged.append(group_id_request(key, request.group, group))
