"""Taking over entries that another consumer of a group was given and did not confirm."""

from __future__ import annotations

from itertools import islice

from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String, Token, UnixTime
from commands.engine.numbers import INT64_MAX, parse_integer, read_integer
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.streams.groups import (
    claim_request,
    find_or_add_consumer,
    group_id_request,
    unknown_group,
)
from commands.streams.ids import format_id, parse_id, parse_start, read_id
from storage.values.consumer_groups import Consumer, Group, Pending
from storage.values.streams import Row, Stream

_CLAIMED_AT_ONCE = 100
# XAUTOCLAIM looks at so many pending entries for each one it may claim.
_ATTEMPTS_PER_CLAIM = 10
_MOST_CLAIMED = INT64_MAX // 16


def _find_group(ctx: Context, key: bytes, name: bytes) -> tuple[Stream, Group]:
    stream = ctx.db.fetch_as(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise unknown_group(key, name)
    return stream, group


class _Claims:
    """The work of one request: claims for a consumer, its replies, and what is logged."""

    def __init__(
        self, ctx: Context, argv: list[bytes], stream: Stream, group: Group, *, just_ids: bool
    ) -> None:
        self._ctx = ctx
        self._key, self._name = argv[1:3]
        self._stream = stream
        self._group = group
        self._just_ids = just_ids
        self.replies: list[Reply] = []
        self.logged: list[list[bytes]] = []
        self.consumer: Consumer = find_or_add_consumer(
            ctx, self._key, self._name, group, argv[3], self.logged
        )
        self.consumer.seen_time = ctx.now

    def forget(self, entry_id: int) -> None:
        """The entry was deleted from the stream, so it cannot be pending any longer."""
        if self._group.acknowledge(entry_id):
            self._ctx.db.changed_quietly(self._key)
            self.logged.append([b"XACK", self._key, self._name, format_id(entry_id)])

    def take(
        self, entry_id: int, row: Row, pending: Pending, time: int, deliveries: int | None = None
    ) -> None:
        self._group.hand_over(entry_id, pending, self.consumer)
        pending.delivery_time = time
        if deliveries is not None:
            pending.deliveries = deliveries
        elif not self._just_ids:
            pending.deliveries += 1
        self.consumer.active_time = self._ctx.now
        written = format_id(entry_id)
        self.replies.append(written if self._just_ids else (written, row))
        self._ctx.db.changed_quietly(self._key)
        self.logged.append(claim_request(self._key, self._name, self._group, entry_id))


# --- XCLAIM ------------------------------------------------------------------------------------


class _ClaimOptions:
    __slots__ = ("deliveries", "force", "ids", "just_ids", "last_id", "least_idle", "time")

    def __init__(self, argv: list[bytes], now: int) -> None:
        self.least_idle = max(
            0, parse_integer(argv[4], "ERR Invalid min-idle-time argument for XCLAIM")
        )
        self.deliveries: int | None = None
        self.force = self.just_ids = False
        self.last_id = 0
        time = -1
        self.ids: list[int] = []
        place, end = 5, len(argv)
        while place < end:
            entry_id = read_id(argv[place])
            if entry_id is None:
                break
            self.ids.append(entry_id)
            place += 1
        while place < end:
            option, more = argv[place].upper(), place + 1 < end
            if option == b"FORCE":
                self.force = True
            elif option == b"JUSTID":
                self.just_ids = True
            elif option == b"IDLE" and more:
                place += 1
                time = now - _parse_option(argv[place], "IDLE")
            elif option == b"TIME" and more:
                place += 1
                time = _parse_option(argv[place], "TIME")
            elif option == b"RETRYCOUNT" and more:
                place += 1
                deliveries = _parse_option(argv[place], "RETRYCOUNT")
                self.deliveries = deliveries if deliveries >= 0 else None
            elif option == b"LASTID" and more:
                place += 1
                self.last_id = parse_id(argv[place])
            else:
                raise CommandError(b"ERR Unrecognized XCLAIM option '%b'" % argv[place])
            place += 1
        # Clients may compute with a clock that is not ours: what makes no sense means now.
        self.time = time if 0 <= time <= now else now


def _parse_option(text: bytes, name: str) -> int:
    return parse_integer(text, f"ERR Invalid {name} option argument for XCLAIM")


@command(
    "XCLAIM",
    group="stream",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)) for each ID, with N pending entries.",
    summary="Makes pending entries that have idled long enough those of another consumer.",
    arguments=[
        Key("key", "RW update"),
        String("group"),
        String("consumer"),
        String("min-idle-time"),
        String("id", multiple=True),
        Integer("ms", "IDLE", optional=True),
        UnixTime("unix-time-milliseconds", "TIME", optional=True),
        Integer("count", "RETRYCOUNT", optional=True),
        Token("FORCE", optional=True),
        Token("JUSTID", optional=True),
        String("lastid", "LASTID", optional=True),
    ],
    tips=["nondeterministic_output"],
)
def xclaim(ctx: Context, argv: list[bytes]) -> Reply:
    stream, group = _find_group(ctx, argv[1], argv[2])
    options = _ClaimOptions(argv, ctx.now)
    now = ctx.now
    moved = options.last_id > group.last_id
    if moved:
        group.last_id = options.last_id
    claims = _Claims(ctx, argv, stream, group, just_ids=options.just_ids)
    for entry_id in options.ids:
        row = stream.get(entry_id)
        if row is None:
            claims.forget(entry_id)
            continue
        pending = group.pending.get(entry_id)
        if pending is None:
            if not options.force:
                continue
            group.deliver(entry_id, claims.consumer, now)
            pending = group.pending[entry_id]
        elif pending.idle(now) < options.least_idle:
            continue
        claims.take(entry_id, row, pending, options.time, options.deliveries)
    if moved:
        ctx.db.changed_quietly(argv[1])
        claims.logged.append(group_id_request(argv[1], argv[2], group))
    ctx.log_as(*claims.logged)
    return claims.replies


# --- XAUTOCLAIM --------------------------------------------------------------------------------


@command(
    "XAUTOCLAIM",
    group="stream",
    since="6.2.0",
    flags="write fast",
    complexity="O(log(N)) for each entry claimed, with N pending entries.",
    summary="Walks the pending entries of a group and claims those that have idled long enough.",
    arguments=[
        Key("key", "RW delete"),
        String("group"),
        String("consumer"),
        String("min-idle-time"),
        String("start"),
        Integer("count", "COUNT", optional=True),
        Token("JUSTID", optional=True),
    ],
    tips=["nondeterministic_output"],
    history=[("7.0.0", "A third part of the reply: the IDs that were found to be deleted.")],
)
def xautoclaim(ctx: Context, argv: list[bytes]) -> Reply:
    least_idle = max(0, parse_integer(argv[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM"))
    start = parse_start(argv[5])
    count, just_ids = _CLAIMED_AT_ONCE, False
    place, end = 6, len(argv)
    while place < end:
        option = argv[place].upper()
        if option == b"COUNT" and place + 1 < end:
            place += 1
            count = read_integer(argv[place]) or 0
            if not 0 < count <= _MOST_CLAIMED:
                raise CommandError("ERR COUNT must be > 0")
        elif option == b"JUSTID":
            just_ids = True
        else:
            raise CommandError(SYNTAX)
        place += 1
    stream, group = _find_group(ctx, argv[1], argv[2])
    claims = _Claims(ctx, argv, stream, group, just_ids=just_ids)
    deleted: list[bytes] = []
    now = ctx.now
    # One more than may be looked at: where the next call goes on.
    within_reach = list(islice(group.pending.irange(start), count * _ATTEMPTS_PER_CLAIM + 1))
    looked_at = 0
    for entry_id in within_reach[: count * _ATTEMPTS_PER_CLAIM]:
        if len(claims.replies) + len(deleted) == count:
            break
        looked_at += 1
        row = stream.get(entry_id)
        if row is None:
            claims.forget(entry_id)
            deleted.append(format_id(entry_id))
            continue
        pending = group.pending[entry_id]
        if pending.idle(now) >= least_idle:
            claims.take(entry_id, row, pending, now)
    goes_on_at = within_reach[looked_at] if looked_at < len(within_reach) else 0
    ctx.log_as(*claims.logged)
    return [format_id(goes_on_at), claims.replies, deleted]
