"""Jobs that are due: delays that end, leases that expire, TTLs that are over.

`JOB.CLAIM` runs what is due in its own pool first; a sweep does it for all pools.
"""

from __future__ import annotations

from commands.domain.calls import call_texts
from commands.domain.jobs.rows import DUE_PREFIX
from commands.domain.jobs.table import JobTable
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, sweep
from storage.errors import WrongType

# When to try again after an error.
_RETRY_AFTER_MS = 60_000


def run_due_jobs(ctx: Context, pool: bytes, limit: int) -> int:
    """Do what is due in a pool, for at most `limit` jobs; return how many were looked at."""
    due_key = JobTable(ctx, pool).keys.due
    now = b"%d" % ctx.now
    due = call_texts(
        ctx, b"ZRANGE", due_key, b"-inf", now, b"BYSCORE", b"LIMIT", b"0", b"%d" % limit
    )
    for member in due:
        # A table for each job, so that an error in one does not stop the others.
        table = JobTable(ctx, pool)
        what, _, ident = member.partition(b":")
        try:
            job = table.open(ident, expired=True)
            entries = {} if job is None else table.keys.index_entries(job)
            if job is None or entries.get((due_key, member), ctx.now + 1) > ctx.now:
                ctx.call(b"ZREM", due_key, member)
            elif what == b"start":
                job.delayed = 0
                table.unblock(job)
            elif what == b"lease":
                table.expire_lease(job)
            else:
                table.remove(job)
            table.commit()
        except (CommandError, WrongType):
            count_poison(ctx)
            ctx.call(b"ZADD", due_key, b"%d" % (ctx.now + _RETRY_AFTER_MS), member)
    return len(due)


@sweep(DUE_PREFIX)
def run_due_pools(ctx: Context) -> bool:
    """Run `run_due_jobs` for every pool; return whether more may be due."""
    left = BATCH
    for key in list(ctx.db.ordered.range(DUE_PREFIX)):
        pool = key[len(DUE_PREFIX) + 1 : -1]
        try:
            left -= run_due_jobs(ctx, pool, left)
        except (CommandError, WrongType):
            # A key that only looks like one of ours, or that has another type.
            count_poison(ctx)
        if left <= 0:
            return True
    return False
