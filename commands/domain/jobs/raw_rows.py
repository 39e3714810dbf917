"""The rows of jobs as raw rows: JOB.PUT, JOB.GET and JOB.DEL, and the namespace `jobs` of ML.*."""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.jobs.arguments import job_id
from commands.domain.jobs.listing import JobFilter, list_jobs
from commands.domain.jobs.rows import Job, decode_row, is_job_id
from commands.domain.jobs.table import JobTable, forget_expired
from commands.domain.pages import read_place
from commands.domain.raw_rows import RowPage
from commands.engine.errors import CommandError
from commands.instance.context import Context


class JobRows:
    """The rows of the jobs in a pool, by id."""

    def put(self, ctx: Context, pool: bytes, key: bytes, row: bytes) -> None:
        """Store the row of a job; BADRECORD or TERMINAL if that cannot be done."""
        table = JobTable(ctx, pool)
        ident = job_id(key)
        try:
            given = decode_row(row, table.kinds)
            if given.id.encode() != ident:
                raise ValueError("id is that of another job")
        except ValueError as reason:
            raise failure(
                "BADRECORD", "invalid row for job {} in pool {}: {}", ident, pool, str(reason)
            ) from None
        before = ""
        try:
            job = table.open(ident)
        except CommandError:
            # Nothing is known about the job, so not that it has ended: it may be replaced.
            job = Job(ident, given)
            table.replace_unreadable(job)
        else:
            if job is None:
                forget_expired(ctx, pool, ident)
                job = Job(ident, given)
                table.add(job)
            elif job.row == given:
                return
            elif job.row.terminal:
                raise failure("TERMINAL", "job {} in pool {} is {}", ident, pool, job.row.status)
            else:
                before = job.row.status
                job.row = given
        _follow_row(ctx, table, job, before)
        table.commit()

    def get(self, ctx: Context, pool: bytes, key: bytes) -> bytes | None:
        table = JobTable(ctx, pool)
        job = table.find(key) if is_job_id(key) else None
        return None if job is None else job.row.encode()

    def delete(self, ctx: Context, pool: bytes, key: bytes) -> bool:
        table = JobTable(ctx, pool)
        if not is_job_id(key):
            return False
        try:
            job = table.open(key)
        except CommandError:
            table.remove_unreadable(key)
        else:
            if job is None:
                return False
            table.remove(job)
        table.commit()
        return True

    def list(self, ctx: Context, pool: bytes, cursor: bytes, count: int) -> RowPage:
        wanted = JobFilter(pool, cursor=read_place(cursor), count=count)
        following, jobs = list_jobs(JobTable(ctx, pool), wanted)
        return following, [(job.id, job.row.encode()) for job in jobs]


def _follow_row(ctx: Context, table: JobTable, job: Job, before: str) -> None:
    """Bring the scheduling facts of a job into line with the status of a row that was put."""
    row = job.row
    if row.terminal:
        table.clean_up(job)
    elif row.status == before:
        return
    elif row.status == "queued":
        given = (row.progress, row.started_at, row.finished_at)
        table.enqueue(job)
        row.progress, row.started_at, row.finished_at = given
    else:
        started, progress = row.started_at, row.progress
        table.start(job, b"", ctx.instance.settings.job_lease_ms)
        row.started_at, row.progress = started, progress
