"""Removing jobs that have ended: JOB.PRUNE, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.calls import call_integer, call_scores, call_texts
from commands.domain.jobs.config import read_retention
from commands.domain.jobs.layout import RETAIN
from commands.domain.jobs.rows import LATEST, STATUSES, TERMINAL
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import whole
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from storage.errors import WrongType

ENDED = tuple(status for status in STATUSES if status in TERMINAL)
# How many jobs one step removes: these take about 10 ms.
MOST_PRUNED = 150
# How many members of an index that are of no ended job one step passes over.
_MOST_SKIPPED = 200


def remove_ended(table: JobTable, statuses: Sequence[str], until: int, limit: int) -> int:
    """Remove up to so many jobs that ended by a moment, the oldest of each status first."""
    ctx, removed = table.ctx, 0
    for status in statuses:
        index = table.keys.finished(status)
        most = b"%d" % (limit - removed + _MOST_SKIPPED)
        words = (b"-inf", b"%d" % until, b"BYSCORE", b"LIMIT", b"0", most)
        for ident in call_texts(ctx, b"ZRANGE", index, *words):
            if removed >= limit:
                return removed
            removed += _remove_from(table, index, ident)
    return removed


def retain(table: JobTable) -> None:
    """Remove a bounded part of the ended jobs that a pool need not keep, and plan the rest."""
    ctx, keys = table.ctx, table.keys
    count, age = read_retention(ctx, keys)
    heads: list[tuple[float, bytes, bytes]] = []
    total = 0
    for status in ENDED:
        index = keys.finished(status)
        total += call_integer(ctx, b"ZCARD", index)
        words = (b"0", b"%d" % (MOST_PRUNED + _MOST_SKIPPED), b"WITHSCORES")
        heads += [
            (score, ident, index) for ident, score in call_scores(ctx, b"ZRANGE", index, *words)
        ]
    heads.sort()
    excess = max(0, total - count) if count else 0
    left, kept = MOST_PRUNED, None
    for at, (score, ident, index) in enumerate(heads):
        too_old = bool(age) and score + age <= ctx.now
        if not left or (at >= excess and not too_old):
            kept = score
            break
        left -= _remove_from(table, index, ident)
    due = keys.due
    undo = (b"ZADD", due, b"%d" % ctx.now, RETAIN)
    if kept is None or (left and not age):
        table.link((b"ZREM", due, RETAIN), undo)
    elif left:
        following = whole(kept + age, ctx.now + 1, LATEST)
        table.link((b"ZADD", due, b"%d" % following, RETAIN), undo)


def _remove_from(table: JobTable, index: bytes, ident: bytes) -> bool:
    """Remove an ended job, or at least its entry in an index if it has no such entry."""
    try:
        job = table.open(ident, expired=True)
    except (CommandError, WrongType):
        count_poison(table.ctx)
        return False
    if job is None or (index, ident) not in table.keys.index_entries(job):
        table.link((b"ZREM", index, ident), (b"ZADD", index, b"0", ident))
        return False
    table.remove(job)
    return True
