"""Waking claims that wait although jobs are ready, because a pool was paused or at a limit.

A claim waits for the indexes of ready jobs to change. When it could get a job that has been in
them all the while, one entry of each is taken out and put in again.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from commands.domain.calls import call_scores
from commands.domain.jobs.layout import Keys, ready_id
from commands.engine.numbers import format_float
from commands.instance.context import Context

# For how many kinds of jobs waiting claims are woken; a claim for another kind is woken by the
# next job of its kind.
_MOST_KINDS = 100


def waking_calls(
    ctx: Context, keys: Keys, changed: Collection[bytes] = ()
) -> list[tuple[bytes, ...]]:
    """Return the calls that wake claims, without touching the entries of jobs that change too."""
    indexes = [keys.ready, *islice(ctx.db.ordered.range(keys.ready_of(b"")), _MOST_KINDS)]
    last = b"%d" % len(changed)
    calls: list[tuple[bytes, ...]] = []
    for index in indexes:
        for member, score in call_scores(ctx, b"ZRANGE", index, b"0", last, b"WITHSCORES"):
            if ready_id(member) not in changed:
                calls.append((b"ZREM", index, member))
                calls.append((b"ZADD", index, format_float(score), member))
                break
    return calls
