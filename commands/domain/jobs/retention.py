"""Removing jobs that have ended: JOB.PRUNE, and what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.calls import call_texts
from commands.domain.jobs.table import JobTable
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from storage.errors import WrongType

# How many jobs one step removes: these take about 10 ms.
MOST_PRUNED = 250
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
            try:
                job = table.open(ident, expired=True)
            except (CommandError, WrongType):
                count_poison(ctx)
                continue
            if job is None or job.row.status != status:
                table.link((b"ZREM", index, ident), (b"ZADD", index, b"0", ident))
            else:
                table.remove(job)
                removed += 1
    return removed
