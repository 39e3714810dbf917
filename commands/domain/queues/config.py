"""What applies to one queue: QUEUE.CONFIG, and the settings of the server where it says nothing."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import LONGEST_MS, MOST, Count, Milliseconds
from commands.domain.calls import call_text, call_values, write
from commands.domain.numbers import stored_integer
from commands.domain.queues.layout import AT_ONCE, Queue
from commands.domain.queues.presence_rows import default_ttl
from commands.domain.records import count_poison
from commands.engine.grammar import Key
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_LEASE_MS = 30_000


@dataclass(slots=True)
class Config:
    """The limits of a queue. 0 is no limit, and for `idle_group` never."""

    max_deliveries: int
    lease: int
    idle_group: int
    max_length: int

    def idle_after(self, ctx: Context) -> int | None:
        """The age of its last read from which a group is idle; None for never.

        A consumer that waits reads again at an interval that follows from the TTL of presence,
        so a group with such a consumer must not be idle before that.
        """
        return max(self.idle_group, default_ttl(ctx)) if self.idle_group else None


def read_config(ctx: Context, queue: Queue) -> Config:
    """The configuration of a queue. A value that cannot be read counts as not set."""
    settings = ctx.instance.settings
    deliveries, lease, idle, length = call_values(
        ctx, b"HMGET", queue.config, b"maxdeliveries", b"lease", b"idlegroup", b"maxlen"
    )
    return Config(
        _number(ctx, deliveries, 0, MOST, settings.queue_max_deliveries),
        _number(ctx, lease, 1, LONGEST_MS, _LEASE_MS),
        _number(ctx, idle, 0, LONGEST_MS, settings.queue_idle_group_ms),
        _number(ctx, length, 0, MOST, 0),
    )


def read_max_length(ctx: Context, queue: Queue) -> int:
    """MAXLEN alone: pushes are many."""
    return _number(ctx, call_text(ctx, b"HGET", queue.config, b"maxlen"), 0, MOST, 0)


def _number(ctx: Context, stored: bytes | None, low: int, high: int, otherwise: int) -> int:
    if stored is None:
        return otherwise
    number = stored_integer(stored, low, high)
    if number is None:
        count_poison(ctx)
        return otherwise
    return number


@dataclass(slots=True)
class Configure:
    queue: bytes
    maxdeliveries: int | None = None
    lease: int | None = None
    idlegroup: int | None = None
    maxlen: int | None = None


@command(
    "QUEUE.CONFIG",
    group="queue",
    since="0.1.0",
    flags="write denyoom fast",
    complexity="O(1)",
    summary="Sets or shows the limits of a queue.",
    arguments=[
        Key("queue", "RW access update"),
        Count("deliveries", "MAXDELIVERIES", low=0),
        Milliseconds("milliseconds", "LEASE"),
        Milliseconds("milliseconds", "IDLEGROUP", low=0),
        Count("messages", "MAXLEN", low=0),
    ],
    request=Configure,
)
def queue_config(ctx: Context, request: Configure) -> Reply:
    """Returns a map of the limits that apply from now on.

    - `MAXDELIVERIES`: how often a message is delivered before it becomes a dead letter. 0 is
      no limit; without it the setting `queue-max-deliveries` applies.
    - `LEASE`: the lease of a QUEUE.READ that names none, in milliseconds (30000).
    - `IDLEGROUP`: a group that was not read for so many milliseconds is dropped, so that it no
      longer holds messages back. 0 is never; without it `queue-idle-group-ms` applies, a week
      by default. It counts as no less than `presence-ttl-ms`.
    - `MAXLEN`: a push that would make the queue hold more messages than this, delayed ones
      included, is refused with FULL. 0 is no limit, the default.

        > QUEUE.CONFIG parcels MAXDELIVERIES 3 LEASE 60000
        1) "maxdeliveries"
        2) (integer) 3
        3) "lease"
        4) (integer) 60000
        5) "idlegroup"
        6) (integer) 604800000
        7) "maxlen"
        8) (integer) 0
    """
    queue = Queue(request.queue)
    config = read_config(ctx, queue)
    changes: list[bytes] = []
    if request.maxdeliveries is not None:
        config.max_deliveries = request.maxdeliveries
        changes += (b"maxdeliveries", b"%d" % request.maxdeliveries)
    if request.lease is not None:
        config.lease = request.lease
        changes += (b"lease", b"%d" % request.lease)
    if request.idlegroup is not None:
        config.idle_group = request.idlegroup
        changes += (b"idlegroup", b"%d" % request.idlegroup)
    if request.maxlen is not None:
        config.max_length = request.maxlen
        changes += (b"maxlen", b"%d" % request.maxlen)
    if changes:
        # A shorter IDLEGROUP may make a group idle at once.
        entry = queue.agenda(ctx)
        write(ctx, b"HSET", queue.config, *changes)
        if request.idlegroup:
            entry.plan(ctx, AT_ONCE)
    return {
        b"maxdeliveries": config.max_deliveries,
        b"lease": config.lease,
        b"idlegroup": config.idle_group,
        b"maxlen": config.max_length,
    }
