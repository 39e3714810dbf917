"""Jobs that are due: delays that end, leases that expire, TTLs that are over, and dependents
that still have to be told of the end of a job.

`JOB.CLAIM` runs what is due in its own pool first; a sweep does it for all pools.
"""

from __future__ import annotations

from commands.domain.arguments import is_pool
from commands.domain.calls import call_scores, call_texts
from commands.domain.jobs.rows import AGENDA, CANCEL, LATEST, UNBLOCK
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import whole
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, RETRY_AFTER_MS, sweep
from storage.errors import WrongType


def run_due_jobs(ctx: Context, pool: bytes, limit: int) -> bool:
    """Do what is due in a pool, for about `limit` jobs; return whether there is more."""
    due_key = JobTable(ctx, pool).keys.due
    now = b"%d" % ctx.now
    due = call_texts(
        ctx, b"ZRANGE", due_key, b"-inf", now, b"BYSCORE", b"LIMIT", b"0", b"%d" % limit
    )
    left = limit
    for member in due:
        if left <= 0:
            return True
        # A table for each job, so that an error in one does not stop the others.
        table = JobTable(ctx, pool)
        try:
            _run_due(table, member)
            table.commit()
        except (CommandError, WrongType):
            count_poison(ctx)
            ctx.call(b"ZADD", due_key, b"%d" % (ctx.now + RETRY_AFTER_MS), member)
        left -= 1 + table.followed
    return len(due) == limit or left <= 0


def _run_due(table: JobTable, member: bytes) -> None:
    due_key, now = table.keys.due, table.ctx.now
    what, _, ident = member.partition(b":")
    if what in (CANCEL, UNBLOCK):
        table.follow_on(ident, member)
        return
    job = table.open(ident, expired=True)
    entries = {} if job is None else table.keys.index_entries(job)
    if job is None or entries.get((due_key, member), now + 1) > now:
        table.ctx.call(b"ZREM", due_key, member)
    elif what == b"start":
        job.delayed = 0
        table.unblock(job)
    elif what == b"lease":
        table.expire_lease(job)
    else:
        table.remove(job)


def _next_due(ctx: Context, pool: bytes) -> int | None:
    due = JobTable(ctx, pool).keys.due
    head = call_scores(ctx, b"ZRANGE", due, b"0", b"0", b"WITHSCORES")
    return whole(head[0][1], 0, LATEST) if head else None


@sweep(AGENDA.prefix, until=AGENDA.until)
def run_due_pool(ctx: Context, key: bytes) -> bool:
    """Do a batch of what is due in the pool of this key; return whether there is more."""
    pool = AGENDA.tag_in(key)
    if pool is None or not is_pool(pool):
        return False
    run_due_jobs(ctx, pool, BATCH)
    following = _next_due(ctx, pool)
    AGENDA.entry(ctx, pool, JobTable(ctx, pool).keys.next).replan(ctx, key, following)
    return following is not None and following <= ctx.now
