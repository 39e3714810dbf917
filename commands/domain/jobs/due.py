"""Jobs that are due: delays that end, leases that expire, TTLs that are over, and dependents
that still have to be told of the end of a job.

`JOB.CLAIM` runs what is due in its own pool first; a sweep does it for all pools.
"""

from __future__ import annotations

from commands.domain.arguments import is_pool
from commands.domain.calls import call_scores, call_texts, write
from commands.domain.jobs.layout import AGENDA, CANCEL, RETAIN, SCHEDULE, UNBLOCK, WAKE, Keys
from commands.domain.jobs.moments import run_schedule
from commands.domain.jobs.retention import retain
from commands.domain.jobs.rows import LATEST
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import whole
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.sweeps import RETRY_AFTER_MS, sweep
from storage.errors import WrongType

# How many jobs a step of the sweep changes: each has a transaction of its own.
_MOST_IN_A_STEP = 50
# How much of what is due a claim does itself; the sweep does the rest.
_MOST_IN_A_CLAIM = 50


def _due_members(ctx: Context, keys: Keys, limit: int) -> list[bytes]:
    now, most = b"%d" % ctx.now, b"%d" % limit
    return call_texts(ctx, b"ZRANGE", keys.due, b"-inf", now, b"BYSCORE", b"LIMIT", b"0", most)


def open_due_jobs(ctx: Context, pool: bytes) -> JobTable:
    """Return a table in which what is due in the pool is done, as far as a claim does it."""
    table = JobTable(ctx, pool)
    try:
        for member in _due_members(ctx, table.keys, _MOST_IN_A_CLAIM):
            if table.followed < _MOST_IN_A_CLAIM and member not in (RETAIN, WAKE):
                _run_due(table, member)
    except (CommandError, WrongType):
        # The sweep does each step by itself, and leaves aside the one that fails.
        count_poison(ctx)
        return JobTable(ctx, pool)
    return table


def run_due_jobs(ctx: Context, pool: bytes, limit: int) -> None:
    """Do what is due in a pool, for about `limit` jobs."""
    keys = Keys(pool)
    left = limit
    for member in _due_members(ctx, keys, limit):
        if left <= 0:
            return
        # A table for each job, so that an error in one does not stop the others.
        ctx.begin("")
        table = JobTable(ctx, pool)
        try:
            _run_due(table, member)
            table.commit()
        except (CommandError, WrongType):
            count_poison(ctx)
            write(ctx, b"ZADD", keys.due, b"%d" % (ctx.now + RETRY_AFTER_MS), member)
        left -= 1 + table.followed


def _run_due(table: JobTable, member: bytes) -> None:
    due_key, now = table.keys.due, table.ctx.now
    what, _, ident = member.partition(b":")
    if what in (CANCEL, UNBLOCK):
        table.follow_on(ident, member)
        return
    if member == RETAIN:
        retain(table)
        return
    if member == WAKE:
        table.wake(member)
        return
    if what == SCHEDULE:
        run_schedule(table, ident, member)
        return
    job = table.open(ident, expired=True)
    entries = {} if job is None else table.keys.index_entries(job)
    moment = entries.get((due_key, member))
    undo = (b"ZADD", due_key, b"0", member)
    if job is None or moment is None:
        table.link((b"ZREM", due_key, member), undo)
    elif moment > now:
        # Another client set an earlier time.
        table.link((b"ZADD", due_key, b"%d" % moment, member), undo)
    elif what == b"start":
        job.delayed = 0
        table.unblock(job)
    elif what == b"lease":
        table.expire_lease(job)
    else:
        table.remove(job)


def _next_due(ctx: Context, pool: bytes) -> int | None:
    head = call_scores(ctx, b"ZRANGE", Keys(pool).due, b"0", b"0", b"WITHSCORES")
    return whole(head[0][1], 0, LATEST) if head else None


@sweep(AGENDA.prefix, until=AGENDA.until)
def run_due_pool(ctx: Context, key: bytes) -> bool:
    """Do a batch of what is due in the pool of this key; return whether there is more."""
    pool = AGENDA.tag_in(key)
    if pool is None or not is_pool(pool):
        return False
    run_due_jobs(ctx, pool, _MOST_IN_A_STEP)
    ctx.begin("")
    following = _next_due(ctx, pool)
    AGENDA.entry(ctx, pool, Keys(pool).next).replan(ctx, key, following)
    return following is not None and following <= ctx.now
