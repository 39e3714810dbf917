"""What mends a pool after other commands have deleted or edited its keys.

Any client can delete the key of a job, or an index. Three patrols look at the jobs, at the keys
beside them, and at what is due: an entry without its job is removed, a job without its entries
gets them, and what is due is planned. A record that cannot be read keeps its entries: it may be
repaired.
"""

from __future__ import annotations

import re
from typing import cast

from commands.domain.arguments import is_pool
from commands.domain.calls import (
    call_integer,
    call_score,
    call_scores,
    write,
)
from commands.domain.events import forget_events
from commands.domain.jobs.layout import (
    AGENDA,
    CANCEL,
    DUE_PREFIX,
    INDEX_PREFIX,
    JOB_PREFIX,
    RETAIN,
    SCHEDULE,
    UNBLOCK,
    WAKE,
    ready_id,
)
from commands.domain.jobs.moments import decode_schedule
from commands.domain.jobs.retention import ENDED
from commands.domain.jobs.rows import LATEST, Job, is_job_id
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import stored_integer, whole
from commands.domain.pages import END, SortedPage, read_place
from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.patrols import PATROL_BATCH, patrol
from storage.errors import WrongType

_in_pool = re.compile(rb"\{([^{}]+)\}:?(.*)", re.DOTALL).fullmatch
# The sorted sets of a pool whose members are ids, or end with them.
_BY_ID = (b"all", b"durations", b"ready")
_BY_ID_OF = (
    b"status",
    b"kind",
    b"target",
    b"worker",
    b"running",
    b"ready",
    b"finished",
    b"children",
)


def _split(key: bytes, prefix: bytes) -> tuple[bytes, bytes] | None:
    """The pool in a key behind this prefix, and what follows it."""
    match = _in_pool(key[len(prefix) :])
    return (match[1], match[2]) if match is not None and is_pool(match[1]) else None


# --- jobs ---------------------------------------------------------------------------------------


@patrol(JOB_PREFIX[:-1])
def look_at_job(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Give a job the entries that its pool lacks; see to what it waits for in vain."""
    found = _split(key, JOB_PREFIX[:-1])
    if found is None or not is_job_id(found[1]):
        return None
    table = JobTable(ctx, found[0])
    job = table.open(found[1], expired=True)
    if job is None:
        return None
    if not position:
        _add_missing_entries(table, job)
    awaited = job.waiting_for.split()
    start = stored_integer(position or b"0", 0, len(awaited)) or 0
    for ident in awaited[start : start + PATROL_BATCH]:
        _check_dependency(table, job, ident)
    table.commit()
    following = start + PATROL_BATCH
    return b"%d" % following if following < len(awaited) else None


def _add_missing_entries(table: JobTable, job: Job) -> None:
    ctx = table.ctx
    for (index, member), score in table.keys.index_entries(job).items():
        if call_score(ctx, b"ZSCORE", index, member) != score:
            table.link((b"ZADD", index, b"%d" % score, member), (b"ZREM", index, member))
    unique = table.keys.unique
    if job.unique and not job.row.terminal and table.unique_holder(job.unique) is None:
        table.link((b"HSET", unique, job.unique, job.id), (b"HDEL", unique, job.unique))


def _check_dependency(table: JobTable, job: Job, ident: bytes) -> None:
    """Have a job told of the end of another one that it waits for, if nothing else will."""
    ctx, keys = table.ctx, table.keys
    key = keys.dependents(ident)
    if not call_integer(ctx, b"SISMEMBER", key, job.id):
        table.wait_for(job, ident)
    awaited = table.find_readable(ident)
    if awaited is not None and not awaited.row.terminal:
        return
    if awaited is None and call_integer(ctx, b"EXISTS", keys.job + ident):
        return
    completed = awaited is not None and awaited.row.status == "completed"
    due = b"%b:%b" % (UNBLOCK if completed else CANCEL, ident)
    if call_score(ctx, b"ZSCORE", keys.due, due) is None:
        table.link((b"ZADD", keys.due, b"%d" % ctx.now, due), (b"ZREM", keys.due, due))


# --- the keys beside them -------------------------------------------------------------------------


@patrol(INDEX_PREFIX[:-1])
def look_at_index(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove what an index, a set or the hash of unique keys says of jobs that are not so."""
    found = _split(key, INDEX_PREFIX[:-1])
    if found is None:
        return None
    table, name = JobTable(ctx, found[0]), found[1]
    what, _, rest = name.partition(b":")
    if name in _BY_ID or (what in _BY_ID_OF and rest):
        return _look_at_sorted_set(table, key, position)
    if what == b"dependents":
        return _look_at_dependents(table, key, rest, position)
    if name == b"unique":
        return _look_at_unique_keys(table, key, position)
    if name == b"schedules":
        return _look_at_schedules(table, key, position)
    if what == b"log" and rest:
        _look_at_log(table, key, rest)
    return None


def _look_at_sorted_set(table: JobTable, key: bytes, position: bytes) -> bytes | None:
    ctx, keys = table.ctx, table.keys
    page = SortedPage(ctx, key, read_place(position or END))
    members = page.take(PATROL_BATCH)
    stale = [member for member in members if not _has_entry(table, key, member)]
    following = page.cursor()
    emptied = key == keys.all and len(stale) == call_integer(ctx, b"ZCARD", key) > 0
    if stale:
        undo = [word for member in stale for word in (b"0", member)]
        table.link((b"ZREM", key, *stale), (b"ZADD", key, *undo))
    elif key in map(keys.finished, ENDED):
        table.plan_retention()
    table.commit()
    if emptied:
        write(ctx, b"DEL", keys.last, keys.rates)
        forget_events(ctx, "job", table.pool)
    return None if following == END else following


def _has_entry(table: JobTable, key: bytes, member: bytes) -> bool:
    job, readable = _look_up(table, ready_id(member))
    if not readable:
        return True
    return job is not None and (key, member) in table.keys.index_entries(job)


def _look_up(table: JobTable, ident: bytes) -> tuple[Job | None, bool]:
    """Return a job, expired or not, and whether there is nothing that cannot be read."""
    try:
        return table.open(ident, expired=True), True
    except (CommandError, WrongType):
        return None, False


def _look_at_dependents(table: JobTable, key: bytes, ident: bytes, position: bytes) -> bytes | None:
    following, members = _scan(table.ctx, b"SSCAN", key, position)
    stale = []
    for member in members:
        job, readable = _look_up(table, member)
        if readable and (job is None or ident not in job.waiting_for.split()):
            stale.append(member)
    if stale:
        write(table.ctx, b"SREM", key, *stale)
    return following


def _look_at_unique_keys(table: JobTable, key: bytes, position: bytes) -> bytes | None:
    following, items = _scan(table.ctx, b"HSCAN", key, position)
    stale = []
    for unique, holder in zip(items[::2], items[1::2], strict=True):
        job, readable = _look_up(table, holder)
        if readable and (job is None or job.row.terminal or job.unique != unique):
            stale.append(unique)
    if stale:
        write(table.ctx, b"HDEL", key, *stale)
    return following


def _look_at_schedules(table: JobTable, key: bytes, position: bytes) -> bytes | None:
    """Have each schedule be due at its next moment."""
    following, items = _scan(table.ctx, b"HSCAN", key, position)
    due_key = table.keys.due
    for name, text in zip(items[::2], items[1::2], strict=True):
        schedule, due = decode_schedule(text), b"%b:%b" % (SCHEDULE, name)
        if schedule is None or call_score(table.ctx, b"ZSCORE", due_key, due) is not None:
            continue
        table.link((b"ZADD", due_key, b"%d" % schedule.next_at, due), (b"ZREM", due_key, due))
    table.commit()
    return following


def _look_at_log(table: JobTable, key: bytes, ident: bytes) -> None:
    """Remove the log of a job that is gone."""
    if not call_integer(table.ctx, b"EXISTS", table.keys.job + ident):
        write(table.ctx, b"DEL", key)


def _scan(
    ctx: Context, command: bytes, key: bytes, position: bytes
) -> tuple[bytes | None, list[bytes]]:
    """One step through a set or a hash: where the next one begins, and some items."""
    count = b"%d" % PATROL_BATCH
    reply = cast(
        tuple[bytes | int, list[bytes]],
        ctx.call(command, key, position or b"0", b"COUNT", count),
    )
    cursor = b"%d" % int(reply[0])
    return None if cursor == b"0" else cursor, list(reply[1])


# --- what is due ----------------------------------------------------------------------------------


@patrol(DUE_PREFIX)
def look_at_due(ctx: Context, key: bytes, position: bytes) -> bytes | None:
    """Remove what is not due at all, and have the sweep visit the pool in time."""
    found = _split(key, DUE_PREFIX)
    if found is None or found[1]:
        return None
    table = JobTable(ctx, found[0])
    page = SortedPage(ctx, key, read_place(position or END))
    stale = [member for member in page.take(PATROL_BATCH) if not _is_due(table, key, member)]
    following = page.cursor()
    entry = AGENDA.entry(ctx, table.pool, table.keys.next)
    if entry.planned is not None and not call_integer(
        ctx, b"EXISTS", AGENDA.key(entry.planned, table.pool)
    ):
        entry.planned = None
    head = call_scores(ctx, b"ZRANGE", key, b"0", b"0", b"WITHSCORES")
    if stale:
        write(ctx, b"ZREM", key, *stale)
    if head:
        entry.plan(ctx, whole(head[0][1], 0, LATEST))
    return None if following == END else following


def _is_due(table: JobTable, key: bytes, member: bytes) -> bool:
    what, _, ident = member.partition(b":")
    if member in (RETAIN, WAKE):
        return True
    if what == SCHEDULE:
        return bool(call_integer(table.ctx, b"HEXISTS", table.keys.schedules, ident))
    if what in (CANCEL, UNBLOCK):
        return is_job_id(ident) is not None
    return is_job_id(ident) is not None and _has_entry(table, key, member)
