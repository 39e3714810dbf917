"""Presence: which consumers of a queue are alive, as stored rows.

Presence follows heartbeats alone, and is never guessed from what a consumer has pending: an
idle consumer that sends heartbeats is alive; one that holds five messages and sends none is
not. Up to an age of the TTL a consumer is *active*, up to twice the TTL *stale*, and beyond
that *expired*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from commands.domain.calls import call_integer, call_score, call_text, call_texts, call_values
from commands.domain.namespaces import escape, unescape_valid
from commands.domain.numbers import stored_integer, whole
from commands.domain.queues.events import announce, text
from commands.domain.queues.layout import (
    QUEUE_PREFIX,
    Queue,
    queue_of_stream,
    schedule,
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
_MEMBER = re.compile(rb"((?:[^:\\]|\\[:\\])*+):((?:[^:\\]|\\[:\\])*+)").fullmatch
# The sweep prunes a queue when its oldest row is this many TTLs old, so that expired
# consumers can be seen for a while.
_TTLS_UNTIL_PRUNED = 4
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


def heartbeat(
    ctx: Context, queue: Queue, group: bytes, consumer: bytes, leases: int | None = None
) -> None:
    """Record a heartbeat. Without `leases`, the last number that was given is kept."""
    member = _member(group, consumer)
    known = call_text(ctx, b"HGET", queue.consumers, member)
    ctx.call(b"ZADD", queue.seen, b"%d" % ctx.now, member)
    if known is not None and leases is None:
        return
    facts = None if known is None else _read_facts(known)
    if facts is None:
        _write_facts(ctx, queue, member, ctx.now * _NS_PER_MS, leases or 0)
        schedule(ctx, queue, ctx.now + _TTLS_UNTIL_PRUNED * default_ttl(ctx))
        _announce(ctx, queue, "registered", group, consumer)
    elif leases is not None and leases != facts[1]:
        _write_facts(ctx, queue, member, facts[0], leases)


def waiting_interval(ctx: Context) -> int:
    """How often a consumer that waits for messages sends a heartbeat, in milliseconds."""
    return max(_SHORTEST_INTERVAL_MS, default_ttl(ctx) // 3)


@group_read_observer(QUEUE_PREFIX, waiting_interval)
def note_reader(ctx: Context, stream: bytes, group: bytes, consumer: bytes, received: bool) -> None:
    """Record a heartbeat of a consumer that reads a stream, if the stream is of a queue.

    A read that waits runs again when a message comes, too, even if others get it. Most
    consumers may be waiting, so that is a heartbeat only if the last one is not recent.
    """
    queue = queue_of_stream(stream)
    if queue is not None:
        try:
            if received or not ctx.retrying or not _is_recent(ctx, queue, group, consumer):
                heartbeat(ctx, queue, group, consumer)
        except WrongType:
            # A key of presence was overwritten; that must not prevent reading.
            count_poison(ctx)


def _is_recent(ctx: Context, queue: Queue, group: bytes, consumer: bytes) -> bool:
    seen = call_score(ctx, b"ZSCORE", queue.seen, _member(group, consumer))
    return seen is not None and ctx.now - seen < waiting_interval(ctx) // 2


def _write_facts(
    ctx: Context, queue: Queue, member: bytes, registered_at_ns: int, leases: int
) -> None:
    facts = {"registered_at_ns": registered_at_ns, "lease_count": leases}
    ctx.call(b"HSET", queue.consumers, member, write_json(facts))


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
    removed = _drop(ctx, queue, [_member(group, consumer)])
    if removed:
        _announce(ctx, queue, "deregistered", group, consumer)
    return bool(removed)


def _drop(ctx: Context, queue: Queue, members: list[bytes]) -> int:
    ctx.call(b"HLEN", queue.consumers)  # raises WRONGTYPE before anything is removed
    removed = call_integer(ctx, b"ZREM", queue.seen, *members)
    ctx.call(b"HDEL", queue.consumers, *members)
    return removed


def _announce(ctx: Context, queue: Queue, event: str, group: bytes, consumer: bytes) -> None:
    announce(ctx, queue, event, group=text(group), consumer=text(consumer))


# --- reading ---------------------------------------------------------------------------------


def rows(ctx: Context, queue: Queue) -> list[Row]:
    """All consumers of a queue, by group and name. Rows that cannot be read are skipped."""
    try:
        return sorted(_read_rows(ctx, queue), key=lambda row: (row.group, row.consumer))
    except WrongType:
        count_poison(ctx)
        return []


def _read_rows(ctx: Context, queue: Queue) -> Iterator[Row]:
    beats = with_scores(ctx, queue.seen, b"0", b"-1")
    if not beats:
        return
    stored = call_values(ctx, b"HMGET", queue.consumers, *(member for member, _ in beats))
    for (member, beat), value in zip(beats, stored, strict=True):
        facts = None if value is None else _read_facts(value)
        named = _MEMBER(member)
        if facts is None or named is None or not 0 <= beat <= _LATEST_MS:
            count_poison(ctx)
            continue
        group, consumer = map(unescape_valid, named.groups())
        yield Row(queue.name, group, consumer, facts[0], whole(beat), facts[1])


def prune(ctx: Context, queue: Queue, ttl: int) -> int:
    """Remove expired consumers; return how many. A queue that cannot be read is skipped."""
    horizon = b"(%d" % (ctx.now - 2 * ttl)
    try:
        members = call_texts(ctx, b"ZRANGE", queue.seen, b"-inf", horizon, b"BYSCORE")
        removed = _drop(ctx, queue, members) if members else 0
    except WrongType:
        count_poison(ctx)
        return 0
    for member in members:
        named = _MEMBER(member)
        if named is not None:
            group, consumer = map(unescape_valid, named.groups())
            _announce(ctx, queue, "expired", group, consumer)
    return removed


def next_prune(ctx: Context, queue: Queue) -> int | None:
    """When the sweep should prune this queue; None if it has no consumers."""
    oldest = with_scores(ctx, queue.seen, b"0", b"0")
    if not oldest:
        return None
    return whole(oldest[0][1], 0, _LATEST_MS) + _TTLS_UNTIL_PRUNED * default_ttl(ctx)
