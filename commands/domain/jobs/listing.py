"""Pages of jobs in the order of their creation, for JOB.LIST."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_integer
from commands.domain.jobs.rows import Job
from commands.domain.jobs.table import JobTable
from commands.domain.pages import LARGEST_PAGE, PAGE_SIZE, Place, SortedPage


@dataclass(slots=True)
class JobFilter:
    """Which jobs of a pool to list: the request of JOB.LIST."""

    pool: bytes
    status: str | None = None
    kind: bytes | None = None
    target: str | None = None
    worker: bytes | None = None
    since: int | None = None
    until: int | None = None
    desc: bool = False
    cursor: Place = None
    count: int = PAGE_SIZE

    def indexes(self, table: JobTable) -> list[bytes]:
        """Return the index of each filter that is given."""
        filters = (
            (b"status", self.status),
            (b"kind", self.kind),
            (b"target", self.target),
            (b"worker", self.worker),
        )
        return [
            table.keys.by(what, value if isinstance(value, bytes) else value.encode())
            for what, value in filters
            if value is not None
        ]

    def matches(self, job: Job) -> bool:
        row = job.row
        return (
            self.status in (None, row.status)
            and self.kind in (None, row.kind.encode())
            and self.target in (None, row.target)
            and self.worker in (None, job.worker)
        )


def list_jobs(table: JobTable, wanted: JobFilter) -> tuple[bytes, list[Job]]:
    """Return the cursor of the next page, and up to `count` jobs that match.

    The index with the fewest jobs is read; its jobs are checked against the other filters.
    """
    ctx = table.ctx
    indexes = wanted.indexes(table)
    key = table.keys.all
    if indexes:
        key = min(indexes, key=lambda index: call_integer(ctx, b"ZCARD", index))
    page = SortedPage(
        ctx, key, wanted.cursor, desc=wanted.desc, since=wanted.since, until=wanted.until
    )
    # With several filters, jobs are read that do not match: a page may have fewer rows.
    left = LARGEST_PAGE if len(indexes) > 1 else min(wanted.count, LARGEST_PAGE)
    jobs: list[Job] = []
    while left > 0 and len(jobs) < wanted.count:
        idents = page.take(min(left, wanted.count - len(jobs)))
        if not idents:
            break
        left -= len(idents)
        for ident in idents:
            job = table.find_readable(ident)
            if job is not None and wanted.matches(job):
                jobs.append(job)
    return page.cursor(), jobs
