"""XCLAIM and XAUTOCLAIM: giving pending entries of one consumer to another."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, Key, String, Token, UnixTime
from commands.engine.numbers import INT64_MAX, parse_integer
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

_DEFAULT_AUTOCLAIM_COUNT = 100
_MAX_AUTOCLAIM_COUNT = INT64_MAX // 16
# XAUTOCLAIM examines up to this many pending entries for each one that it may claim.
_ATTEMPTS_PER_CLAIM = 10


def _parse_min_idle_time(text: bytes, command: str) -> int:
    return max(0, parse_integer(text, f"ERR Invalid min-idle-time argument for {command}"))


def _find_group(ctx: Context, key: bytes, name: bytes) -> tuple[Stream, Group]:
    stream = ctx.db.read_as(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise unknown_group(key, name)
    ctx.db.will_change(key)
    return stream, group


class _Claims:
    """The claims of one request, the replies to it, and the requests to log for it."""

    def __init__(
        self,
        ctx: Context,
        key: bytes,
        name: bytes,
        group: Group,
        consumer_name: bytes,
        *,
        just_ids: bool,
    ) -> None:
        self._ctx = ctx
        self._key = key
        self._name = name
        self._group = group
        self._just_ids = just_ids
        self.replies: list[Reply] = []
        self.logged: list[list[bytes]] = []
        self.consumer: Consumer = find_or_add_consumer(
            ctx, key, name, group, consumer_name, self.logged
        )
        self.consumer.seen_time = ctx.now

    def forget(self, entry_id: int) -> None:
        """Stop an entry from being pending because it was deleted from the stream."""
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
            pending.count_delivery()
        self.consumer.active_time = self._ctx.now
        written = format_id(entry_id)
        self.replies.append(written if self._just_ids else (written, row))
        self._ctx.db.changed_quietly(self._key)
        self.logged.append(claim_request(self._key, self._name, self._group, entry_id))


# --- XCLAIM ------------------------------------------------------------------------------------


class _ClaimOptions:
    __slots__ = ("deliveries", "force", "ids", "just_ids", "last_id", "min_idle_time", "time")

    def __init__(self, argv: list[bytes], now: int) -> None:
        self.min_idle_time = _parse_min_idle_time(argv[4], "XCLAIM")
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
        # The clock of a client may differ from ours: an impossible time is replaced by now.
        self.time = time if 0 <= time <= now else now


def _parse_option(text: bytes, name: str) -> int:
    return parse_integer(text, f"ERR Invalid {name} option argument for XCLAIM")


@command(
    "XCLAIM",
    group="stream",
    since="5.0.0",
    flags="write fast",
    complexity="O(log(N)) for each ID, for N pending entries.",
    summary="Transfers idle pending entries to another consumer of the group.",
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
    claims = _Claims(ctx, argv[1], argv[2], group, argv[3], just_ids=options.just_ids)
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
        elif pending.idle(now) < options.min_idle_time:
            continue
        claims.take(entry_id, row, pending, options.time, options.deliveries)
    if moved:
        ctx.db.changed_quietly(argv[1])
        claims.logged.append(group_id_request(argv[1], argv[2], group))
    ctx.log_as(*claims.logged)
    return claims.replies


# --- XAUTOCLAIM --------------------------------------------------------------------------------


@dataclass(slots=True)
class Autoclaim:
    key: bytes
    group: bytes
    consumer: bytes
    min_idle_time: int
    start: int
    count: int = _DEFAULT_AUTOCLAIM_COUNT
    justid: bool = False


@command(
    "XAUTOCLAIM",
    group="stream",
    since="6.2.0",
    flags="write fast",
    complexity="O(log(N)) for each entry claimed, for N pending entries.",
    summary="Iterates over the pending entries of a group and claims those idle long enough.",
    arguments=[
        Key("key", "RW delete"),
        String("group"),
        String("consumer"),
        String("min-idle-time", convert=lambda text: _parse_min_idle_time(text, "XAUTOCLAIM")),
        String("start", convert=parse_start),
        Integer(
            "count",
            "COUNT",
            optional=True,
            low=1,
            high=_MAX_AUTOCLAIM_COUNT,
            message="ERR COUNT must be > 0",
        ),
        Token("JUSTID", optional=True),
    ],
    request=Autoclaim,
    tips=["nondeterministic_output"],
    history=[("7.0.0", "Returns the IDs of deleted entries as a third part of the reply.")],
)
def xautoclaim(ctx: Context, request: Autoclaim) -> Reply:
    key, name, count = request.key, request.group, request.count
    stream, group = _find_group(ctx, key, name)
    claims = _Claims(ctx, key, name, group, request.consumer, just_ids=request.justid)
    deleted: list[bytes] = []
    now = ctx.now
    # One more than may be examined: the next call continues there.
    attempts = count * _ATTEMPTS_PER_CLAIM
    candidates = list(islice(group.pending.irange(request.start), attempts + 1))
    examined = 0
    for entry_id in candidates[:attempts]:
        if len(claims.replies) + len(deleted) == count:
            break
        examined += 1
        row = stream.get(entry_id)
        if row is None:
            claims.forget(entry_id)
            deleted.append(format_id(entry_id))
            continue
        pending = group.pending[entry_id]
        if pending.idle(now) >= request.min_idle_time:
            claims.take(entry_id, row, pending, now)
    next_start = candidates[examined] if examined < len(candidates) else 0
    ctx.log_as(*claims.logged)
    return [format_id(next_start), claims.replies, deleted]
