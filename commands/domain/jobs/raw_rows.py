"""The rows of jobs as they are: JOB.PUT and JOB.DEL, and the namespace `jobs` of ML.*.

JOB.PUT takes the row of a job. ML.* is the raw layer below: any JSON can be stored under an id,
and is served as the text it is. What is not the row of a job is in no index.
"""

from __future__ import annotations

from itertools import islice

from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import check_kind, job_id, known_id
from commands.domain.jobs.layout import Keys
from commands.domain.jobs.rows import Job, Row, decode_row, is_job_id
from commands.domain.jobs.table import JobTable
from commands.domain.pages import END, LARGEST_PAGE, name_cursor, read_name
from commands.domain.raw_rows import RowPage, check_row, is_row, stored_row
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.instance.context import Context
from storage.errors import WrongType


def _parsed(ident: bytes, text: bytes) -> Row:
    """The row of a job with this id; ValueError if the text is not one."""
    row = decode_row(text)
    if row.id.encode() != ident:
        raise ValueError("id is that of another job")
    return row


# --- rows of jobs -------------------------------------------------------------------------------


def put_row(ctx: Context, pool: bytes, key: bytes, text: bytes) -> None:
    """Store the row of a job; BADRECORD or TERMINAL if that cannot be done."""
    table = JobTable(ctx, pool)
    ident = job_id(key)
    try:
        given = _parsed(ident, text)
    except ValueError as reason:
        raise failure(
            "BADRECORD", "invalid row for job {} in pool {}: {}", ident, pool, str(reason)
        ) from None
    job, before = _opened(table, ident, given)
    if before is not None:
        if before == given:
            return
        if before.terminal:
            raise failure("TERMINAL", "job {} in pool {} is {}", ident, pool, before.status)
    if before is None or before.kind != given.kind:
        check_kind(ctx, given.kind.encode())
    _follow_row(table, job, before)
    table.commit()


def delete_row(ctx: Context, pool: bytes, ident: bytes) -> bool:
    """Remove a job, or a record that is none; return whether there was one."""
    table = JobTable(ctx, pool)
    if not is_job_id(ident):
        return False
    try:
        job = table.open(ident)
    except CommandError:
        table.remove_unreadable(ident)
    else:
        if job is None:
            return False
        table.remove(job)
    table.commit()
    return True


def _opened(table: JobTable, ident: bytes, given: Row) -> tuple[Job, Row | None]:
    """Open a job and give it this row; return it with the row that it had."""
    try:
        job = table.open(ident)
    except CommandError:
        # Nothing is known about the job, so not that it has ended: it may be replaced.
        job = Job(ident, given)
        table.replace_unreadable(job)
        return job, None
    if job is None:
        table.remove_expired(ident)
        job = Job(ident, given)
        table.add(job)
        return job, None
    before, job.row = job.row, given
    return job, before


def _follow_row(table: JobTable, job: Job, before: Row | None) -> None:
    """Bring the scheduling facts of a job into line with the status of a row that was put."""
    row, status = job.row, before.status if before is not None else ""
    if row.terminal:
        table.clean_up(job)
        return
    if before is not None and before.terminal:
        table.reopen(job)
    if row.status == status:
        table.add_event(job, "stored")
        return
    if row.status == "queued":
        given = (row.progress, row.started_at, row.finished_at)
        table.enqueue(job)
        row.progress, row.started_at, row.finished_at = given
    else:
        started, progress = row.started_at, row.progress
        table.start(job, b"", table.ctx.instance.settings.job_lease_ms)
        row.started_at, row.progress = started, progress


# --- raw rows -----------------------------------------------------------------------------------


class JobRows:
    """The rows of the jobs in a pool, by id, and whatever else was stored under an id."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        table = JobTable(ctx, pool)
        ident = job_id(key)
        check_row("jobs", ident, row)
        try:
            given = _parsed(ident, row)
        except ValueError:
            _put_foreign(table, ident, row)
        else:
            job, before = _opened(table, ident, given)
            if before != given:
                _follow_row(table, job, before)
            else:
                table.add_event(job, "stored")
            table.keep_text(ident, row)
        table.commit()

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        keys, ident = Keys(pool), known_id(key)
        text = call_text(ctx, b"HGET", keys.job + ident, b"row") if is_job_id(ident) else None
        return stored_row("jobs", ident, text)

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        return delete_row(ctx, pool, known_id(key))

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        prefix, after = Keys(pool).job, read_name(cursor)
        start = prefix if after is None else prefix + after + b"\0"
        most = min(count, LARGEST_PAGE)
        stored = list(islice(ctx.db.ordered.range(prefix, start=start), most + 1))
        rows = []
        for key in stored[:most]:
            ident = key[len(prefix) :]
            text = _readable(ctx, key) if is_job_id(ident) else None
            if text is None:
                count_poison(ctx)
            else:
                rows.append((ident, text))
        more = len(stored) > most
        return name_cursor(stored[most - 1][len(prefix) :]) if more else END, rows


def _readable(ctx: Context, key: bytes) -> bytes | None:
    try:
        text = call_text(ctx, b"HGET", key, b"row")
    except WrongType:
        return None
    return text if text is not None and is_row(text) else None


def _put_foreign(table: JobTable, ident: bytes, text: bytes) -> None:
    """Store a text that is no job; a job that was there is gone."""
    try:
        job = table.open(ident, expired=True)
    except CommandError:
        job = None
        table.remove_unreadable(ident)
    else:
        if job is not None:
            table.remove(job)
        job = Job(ident, Row(ident.decode(), "", "", ""))
        table.add(job)
        table.add_event(job, "stored")
    table.keep_text(ident, text, foreign=True)
