"""Presence: which consumers of a queue are alive, as stored rows.

Presence follows heartbeats alone, and is never guessed from what a consumer has pending: an
idle consumer that sends heartbeats is alive; one that holds five messages and sends none is
not. Up to an age of the TTL a consumer is *active*, up to twice the TTL *stale*, and beyond
that *expired*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from commands.domain.agenda import Entry
from commands.domain.calls import (
    call_integer,
    call_score,
    call_scores_of,
    call_text,
    call_texts,
    call_values,
    write,
)
from commands.domain.namespaces import escape, unescape_valid
from commands.domain.numbers import stored_integer, whole
from commands.domain.queues.events import announce, text
from commands.domain.queues.layout import (
    QUEUE_PREFIX,
    Queue,
    queue_of_stream,
    with_scores,
)
from commands.domain.records import count_poison, read_json, write_json
from commands.engine.numbers import INT64_MAX
from commands.instance.context import Context
from commands.instance.group_reads import group_read_observer
from storage.errors import WrongType

_NS_PER_MS = 1_000_000
# The latest heartbeat that a reply can show, in nanoseconds.
_LATEST_MS = INT64_MAX // _NS_PER_MS
# The command that records its heartbeats itself.
READ_COMMAND = "QUEUE.READ"
_MEMBER = re.compile(rb"((?:[^:\\]|\\[:\\])*+):((?:[^:\\]|\\[:\\])*+)").fullmatch
_SHORTEST_INTERVAL_MS = 100


@dataclass(slots=True)
class Row:
    """A consumer and its last heartbeat."""

    queue: bytes
    group: bytes
    consumer: bytes
    registered_at_ns: int
    last_heartbeat_ms: int
    lease_count: int

    def age(self, now: int) -> int:
        """Milliseconds since the last heartbeat; 0 if the clock was set back before it."""
        return max(0, now - self.last_heartbeat_ms)


def state(age: int, ttl: int) -> bytes:
    if age <= ttl:
        return b"active"
    return b"stale" if age <= 2 * ttl else b"expired"


def default_ttl(ctx: Context) -> int:
    return ctx.instance.settings.presence_ttl_ms


# --- heartbeats ---------------------------------------------------------------------------------


def _member(group: bytes, consumer: bytes) -> bytes:
    return b"%b:%b" % (escape(group), escape(consumer))


class Heartbeat:
    """A heartbeat of a consumer: what is stored about it is read first, then written."""

    def __init__(self, ctx: Context, queue: Queue, group: bytes, consumer: bytes) -> None:
        self._ctx = ctx
        self._queue = queue
        self._names = group, consumer
        self._member = _member(group, consumer)
        self._seen = call_score(ctx, b"ZSCORE", queue.seen, self._member)
        known = call_text(ctx, b"HGET", queue.consumers, self._member)
        self._facts = None if known is None else _read_facts(known)

    @property
    def is_recent(self) -> bool:
        """Whether the last one was so recent that a consumer that waits needs no other."""
        ctx = self._ctx
        return self._seen is not None and ctx.now - self._seen < waiting_interval(ctx) // 2

    def write(self, entry: Entry, leases: int | None = None) -> None:
        """Record it. Without `leases`, the last number that was given is kept."""
        ctx, queue = self._ctx, self._queue
        write(ctx, b"ZADD", queue.seen, b"%d" % ctx.now, self._member)
        if self._facts is None:
            _write_facts(ctx, queue, self._member, ctx.now * _NS_PER_MS, leases or 0)
            _announce(ctx, queue, "registered", *self._names)
        elif leases is not None and leases != self._facts[1]:
            _write_facts(ctx, queue, self._member, self._facts[0], leases)
        entry.plan(ctx, ctx.now + kept_for(ctx))


def waiting_interval(ctx: Context) -> int:
    """How often a consumer that waits for messages sends a heartbeat, in milliseconds."""
    return max(_SHORTEST_INTERVAL_MS, default_ttl(ctx) // 3)


def kept_for(ctx: Context) -> int:
    """How long a row is kept without a heartbeat, in milliseconds."""
    return ctx.instance.settings.presence_keep_ms


@group_read_observer(QUEUE_PREFIX, waiting_interval)
def note_reader(ctx: Context, stream: bytes, group: bytes, consumer: bytes, received: bool) -> None:
    """Record that a consumer reads a stream with XREADGROUP, if the stream is of a queue.

    A read that waits runs again when a message comes, too, even if others get it. Most
    consumers may be waiting, so that is a heartbeat only if the last one is not recent.
    QUEUE.READ records its own heartbeat, before it reads the streams.
    """
    if ctx.command == READ_COMMAND:
        return
    queue = queue_of_stream(stream)
    if queue is not None:
        # XREADGROUP is no command of a family: nothing was begun for it.
        ctx.begin("")
        try:
            beat = Heartbeat(ctx, queue, group, consumer)
            entry = queue.agenda(ctx)
            call_integer(ctx, b"ZCARD", queue.groups)
            if received or not ctx.retrying or not beat.is_recent:
                beat.write(entry)
                write(ctx, b"ZADD", queue.groups, b"%d" % ctx.now, group)
        except WrongType:
            # A key of presence was overwritten; that must not prevent reading.
            count_poison(ctx)


def _write_facts(
    ctx: Context, queue: Queue, member: bytes, registered_at_ns: int, leases: int
) -> None:
    facts = {"registered_at_ns": registered_at_ns, "lease_count": leases}
    write(ctx, b"HSET", queue.consumers, member, write_json(facts))


def _read_facts(stored: bytes) -> tuple[int, int] | None:
    try:
        facts = read_json(stored)
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    registered_at_ns = stored_integer(facts.get("registered_at_ns"), 0, INT64_MAX)
    leases = stored_integer(facts.get("lease_count"), 0, INT64_MAX)
    return None if registered_at_ns is None or leases is None else (registered_at_ns, leases)


def forget(ctx: Context, queue: Queue, group: bytes, consumer: bytes) -> bool:
    """Remove a consumer that shuts down; return whether it was known."""
    member = _member(group, consumer)
    known = call_score(ctx, b"ZSCORE", queue.seen, member) is not None
    call_integer(ctx, b"HLEN", queue.consumers)  # raises WrongType before anything is removed
    drop(ctx, queue, [member])
    if known:
        _announce(ctx, queue, "deregistered", group, consumer)
    return known


def drop(ctx: Context, queue: Queue, members: Sequence[bytes]) -> None:
    """Remove rows."""
    write(ctx, b"ZREM", queue.seen, *members)
    write(ctx, b"HDEL", queue.consumers, *members)


def _announce(ctx: Context, queue: Queue, event: str, group: bytes, consumer: bytes) -> None:
    announce(ctx, queue, event, group=text(group), consumer=text(consumer))


# --- reading ---------------------------------------------------------------------------------


def name_of(member: bytes) -> tuple[bytes, bytes] | None:
    """The group and the name of a consumer in its stored member; None if it is not one."""
    found = _MEMBER(member)
    return None if found is None else (unescape_valid(found[1]), unescape_valid(found[2]))


def members_by_name(ctx: Context, queue: Queue) -> list[tuple[bytes, bytes, bytes]]:
    """The group, the name and the stored member of all consumers of a queue, in this order."""
    try:
        members = call_texts(ctx, b"ZRANGE", queue.seen, b"0", b"-1")
    except WrongType:
        count_poison(ctx)
        return []
    found = []
    for member in members:
        name = name_of(member)
        if name is None:
            count_poison(ctx)
        else:
            found.append((*name, member))
    return sorted(found)


def rows(
    ctx: Context, queue: Queue, names: Sequence[tuple[bytes, bytes, bytes]] | None = None
) -> list[Row]:
    """Consumers of a queue, by group and name: these, or all. Unreadable rows are skipped."""
    if names is None:
        names = members_by_name(ctx, queue)
    try:
        return list(_read_rows(ctx, queue, names))
    except WrongType:
        count_poison(ctx)
        return []


def _read_rows(
    ctx: Context, queue: Queue, names: Sequence[tuple[bytes, bytes, bytes]]
) -> Iterator[Row]:
    members = [member for _, _, member in names]
    if not members:
        return
    beats = call_scores_of(ctx, queue.seen, *members)
    stored = call_values(ctx, b"HMGET", queue.consumers, *members)
    for (group, consumer, _), beat, value in zip(names, beats, stored, strict=True):
        facts = None if value is None else _read_facts(value)
        if facts is None or beat is None or not 0 <= beat <= _LATEST_MS:
            count_poison(ctx)
            continue
        yield Row(queue.name, group, consumer, facts[0], whole(beat), facts[1])


def not_seen_for(ctx: Context, queue: Queue, age: int, count: int) -> list[bytes]:
    """The members of consumers that are older than this; WrongType if they cannot be removed."""
    call_integer(ctx, b"HLEN", queue.consumers)
    return call_texts(
        ctx, b"ZRANGE", queue.seen, b"-inf", b"(%d" % (ctx.now - age), b"BYSCORE",
        b"LIMIT", b"0", b"%d" % count,
    )  # fmt: skip


def prune(ctx: Context, queue: Queue, members: Sequence[bytes]) -> None:
    """Remove consumers that have expired."""
    drop(ctx, queue, members)
    for member in members:
        name = name_of(member)
        if name is not None:
            _announce(ctx, queue, "expired", *name)


def next_prune(ctx: Context, queue: Queue) -> int | None:
    """When the sweep should prune this queue; None if it has no consumers."""
    oldest = with_scores(ctx, queue.seen, b"0", b"0")
    if not oldest:
        return None
    return whole(oldest[0][1], 0, _LATEST_MS) + kept_for(ctx) + 1
