"""What becomes due in queues: delayed messages, leases, consumers and groups that are gone.

Each part of the work at a queue is done by itself, with what it needs read first. When all parts
are done, another look says when the next of them is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from commands.domain.calls import call_integer, call_scores_of, call_text, call_texts, write
from commands.domain.numbers import whole
from commands.domain.queues.config import read_config
from commands.domain.queues.confirming import Settling, clean, wake_readers
from commands.domain.queues.delayed import Promotion
from commands.domain.queues.events import announce, text
from commands.domain.queues.layout import AGENDA, AT_ONCE, Queue, queue_of_due, with_scores
from commands.domain.queues.messages import read_message_id
from commands.domain.queues.presence_rows import kept_for, next_prune, not_seen_for, prune
from commands.domain.queues.removal import drop_groups
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, RETRY_AFTER_MS, sweep
from storage.errors import WrongType

_BATCH = b"%d" % BATCH
_GROUPS_AT_ONCE = 20
# The latest moment that is planned.
_LATEST = 2**62
# How long a group that was not read for IDLEGROUP is still kept: after a long time without the
# server, or a jump of the clock, its consumers need a moment to come back.
GRACE_MS = 10 * 60 * 1000


def _due_in(ctx: Context, key: bytes, low: bytes) -> list[bytes]:
    """A batch of what is due in a sorted set of times, above a limit."""
    return call_texts(ctx, b"ZRANGE", key, low, b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", _BATCH)


# --- the parts of the work ----------------------------------------------------------------------


def _promote(ctx: Context, queue: Queue) -> None:
    """Move a batch of delayed messages that are due into their streams."""
    promotion = Promotion(ctx, queue)
    if promotion.found:
        promotion.write()
        wake_readers(ctx, queue)


def _end_leases(ctx: Context, queue: Queue, group: bytes) -> None:
    """End leases, and the delays of returned messages: these can be read, or are dead letters."""
    expired = _due_in(ctx, queue.leases(group), b"(0")
    returned = _due_in(ctx, queue.returned(group), b"-inf")
    if not expired and not returned:
        return
    settling, limit = Settling(ctx, queue, group), read_config(ctx, queue).max_deliveries
    entry = queue.agenda(ctx)
    ready = []
    for member in expired + returned:
        message = read_message_id(member)
        pending = None if message is None else settling.pending(message)
        if message is None:
            count_poison(ctx)
        if message is None or pending is None:
            settling.forget(member)
        elif pending.used_up(limit):
            settling.bury(message)
        else:
            ready.append(member)
    settling.write(entry)
    if ready:
        words = [word for member in ready for word in (b"0", member)]
        write(ctx, b"ZADD", queue.leases(group), *words)
        write(ctx, b"ZREM", queue.returned(group), *ready)
        for member in expired:
            if member in ready:
                announce(ctx, queue, "lease-ended", group=text(group), id=text(member))
    wake_readers(ctx, queue)


def _excess(ctx: Context, queue: Queue, group: bytes) -> int:
    """How many dead letters a group has too many."""
    most = ctx.instance.settings.queue_max_dead_letters
    return max(0, call_integer(ctx, b"ZCARD", queue.dead(group)) - most) if most else 0


def _discard_dead(ctx: Context, queue: Queue, group: bytes) -> None:
    """Discard a batch of the oldest dead letters, if there are too many."""
    excess = _excess(ctx, queue, group)
    if not excess:
        return
    last = b"%d" % (min(excess, BATCH) - 1)
    settling, entry = Settling(ctx, queue, group), queue.agenda(ctx)
    for member in call_texts(ctx, b"ZRANGE", queue.dead(group), b"0", last):
        message = read_message_id(member)
        if message is None or settling.pending(message) is None:
            settling.forget(member)
        else:
            settling.confirm(message)
    settling.write(entry)
    discarded = [text(message.text) for message in settling.confirmed]
    announce(ctx, queue, "discarded", group=text(group), ids=discarded)


def _prune(ctx: Context, queue: Queue) -> None:
    members = not_seen_for(ctx, queue, kept_for(ctx), BATCH)
    if members:
        prune(ctx, queue, members)


def _note_idle(ctx: Context, queue: Queue) -> None:
    """Note which groups were not read for too long, and when they are dropped."""
    idle_after = read_config(ctx, queue).idle_after(ctx)
    if idle_after is None:
        return
    names = call_texts(
        ctx, b"ZRANGE", queue.groups, b"-inf", b"%d" % (ctx.now - idle_after), b"BYSCORE",
        b"LIMIT", b"0", _BATCH,
    )  # fmt: skip
    if names:
        call_integer(ctx, b"ZCARD", queue.idle)  # raises WrongType before any write
        moment = b"%d" % (ctx.now + min(GRACE_MS, idle_after))
        write(ctx, b"ZREM", queue.groups, *names)
        write(ctx, b"ZADD", queue.idle, *(word for name in names for word in (moment, name)))


def _drop_idle(ctx: Context, queue: Queue) -> None:
    """Drop groups that still were not read; their next read creates them anew."""
    names = _due_in(ctx, queue.idle, b"-inf")[:_GROUPS_AT_ONCE]
    if not names:
        return
    scores = call_scores_of(ctx, queue.groups, *names)
    # Those that were read with XREADGROUP since are in both.
    back = [name for name, score in zip(names, scores, strict=True) if score is not None]
    gone = [name for name in names if name not in back]
    entry = queue.agenda(ctx)
    dropped = drop_groups(ctx, queue, gone, entry) if gone else []
    if back:
        write(ctx, b"ZREM", queue.idle, *back)
    for name in dropped:
        announce(ctx, queue, "group-dropped", group=text(name))


def _clean(ctx: Context, queue: Queue) -> None:
    clean(ctx, queue, BATCH)


# --- when the next of it is due -----------------------------------------------------------------


def first_after(ctx: Context, key: bytes, low: bytes = b"-inf") -> int | None:
    """The lowest score above a limit, a time, rounded up; None if there is none."""
    head = with_scores(ctx, key, low, b"+inf", b"BYSCORE", b"LIMIT", b"0", b"1")
    if not head:
        return None
    score = head[0][1]
    moment = whole(score, 0, _LATEST)
    return moment + 1 if moment < score < _LATEST else moment


def _next_idle(ctx: Context, queue: Queue) -> int | None:
    idle_after = read_config(ctx, queue).idle_after(ctx)
    oldest = None if idle_after is None else first_after(ctx, queue.groups)
    return None if oldest is None or idle_after is None else min(oldest + idle_after, _LATEST)


def _next_excess(ctx: Context, queue: Queue, group: bytes) -> int | None:
    return AT_ONCE if _excess(ctx, queue, group) else None


def _next_clean(ctx: Context, queue: Queue) -> int | None:
    return None if call_text(ctx, b"GET", queue.clean) is None else AT_ONCE


_Work = Callable[[], None]
_When = Callable[[], "int | None"]


def _parts(ctx: Context, queue: Queue) -> Iterator[tuple[_Work, _When]]:
    """The parts of the work at a queue, and when each is next due."""
    yield partial(_promote, ctx, queue), partial(first_after, ctx, queue.delayed)
    for group in queue.groups_with(ctx, b"leases", b"returned"):
        work = partial(_end_leases, ctx, queue, group)
        yield work, partial(first_after, ctx, queue.leases(group), b"(0")
        yield _nothing, partial(first_after, ctx, queue.returned(group))
    for group in queue.groups_with(ctx, b"dead"):
        work = partial(_discard_dead, ctx, queue, group)
        yield work, partial(_next_excess, ctx, queue, group)
    yield partial(_prune, ctx, queue), partial(next_prune, ctx, queue)
    yield partial(_note_idle, ctx, queue), partial(_next_idle, ctx, queue)
    yield partial(_drop_idle, ctx, queue), partial(first_after, ctx, queue.idle)
    yield partial(_clean, ctx, queue), partial(_next_clean, ctx, queue)


def _nothing() -> None:
    """For a part whose work another one does."""


def upcoming(ctx: Context, queue: Queue) -> Iterator[int]:
    """When each part of the work at a queue is next due. Unreadable keys are passed over."""
    for _, when in _parts(ctx, queue):
        try:
            moment = when()
        except (WrongType, CommandError):
            continue
        if moment is not None:
            yield moment


@sweep(AGENDA.prefix, until=AGENDA.until)
def run_due_queue(ctx: Context, key: bytes) -> bool:
    """Do a batch of what is due in a queue; return whether there is more."""
    queue = queue_of_due(key)
    if queue is None:
        return False
    failed = False
    for work, _ in _parts(ctx, queue):
        ctx.begin("")
        try:
            work()
        except (WrongType, CommandError):
            # Keys of this part were overwritten with something else.
            count_poison(ctx)
            failed = True
    ctx.begin("")
    moments = list(upcoming(ctx, queue))
    if failed:
        # What is due now may be what cannot be done: trying again at once would not help.
        retry = ctx.now + RETRY_AFTER_MS
        moments = [moment if moment > ctx.now else retry for moment in moments] or [retry]
    following = min(moments, default=None)
    queue.agenda(ctx).replan(ctx, key, following)
    return following is not None and following <= ctx.now
