"""Pages of jobs in the order of their creation, for JOB.LIST and the raw rows of jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.arguments import LARGEST_PAGE
from commands.domain.calls import call_integer, call_score, call_texts
from commands.domain.errors import failure
from commands.domain.jobs.rows import Job
from commands.domain.jobs.table import JobTable
from commands.engine.numbers import format_float, read_float

PAGE_SIZE = 100

# Other commands may add members to an index, so scores and members may be any.
_read_cursor = re.compile(
    rb"(-?(?:inf|[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?))-(.*)", re.DOTALL
).fullmatch

# The score of the last member of a page, as text, and the member; None before the first page.
# For jobs these are the time of creation and the id.
Cursor = tuple[bytes, bytes] | None


def read_cursor(word: bytes) -> Cursor:
    if word == b"0":
        return None
    match = _read_cursor(word)
    if match is None or read_float(match[1]) is None:
        raise failure("ERR", "invalid cursor '{}'", word)
    return match[1], match[2]


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
    cursor: Cursor = None
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
    low, high = _bounds(table, key, wanted)
    # With several filters, jobs are read that do not match: a page may have fewer rows.
    left = LARGEST_PAGE if len(indexes) > 1 else min(wanted.count, LARGEST_PAGE)
    jobs: list[Job] = []
    last = b""
    while low < high and left > 0 and len(jobs) < wanted.count:
        size = min(left, wanted.count - len(jobs), high - low)
        if wanted.desc:
            idents = _members(table, key, high - size, high)[::-1]
            high -= size
        else:
            idents = _members(table, key, low, low + size)
            low += size
        left -= size
        last = idents[-1]
        for ident in idents:
            job = table.find_readable(ident)
            if job is not None and wanted.matches(job):
                jobs.append(job)
    if low >= high:
        return b"0", jobs
    score = call_score(ctx, b"ZSCORE", key, last)
    assert score is not None
    return b"%b-%b" % (format_float(score), last), jobs


def _members(table: JobTable, key: bytes, low: int, high: int) -> list[bytes]:
    """Return the members from one rank up to, but not including, another."""
    return call_texts(table.ctx, b"ZRANGE", key, b"%d" % low, b"%d" % (high - 1))


def _bounds(table: JobTable, key: bytes, wanted: JobFilter) -> tuple[int, int]:
    """Return the ranks that are still to be read, the second one excluded."""
    ctx = table.ctx
    low = 0
    if wanted.since is not None:
        low = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"(%d" % wanted.since)
    if wanted.until is None:
        high = call_integer(ctx, b"ZCARD", key)
    else:
        high = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"%d" % wanted.until)
    if wanted.cursor is not None:
        rank = _rank(table, key, *wanted.cursor, including=not wanted.desc)
        if wanted.desc:
            high = min(high, rank)
        else:
            low = max(low, rank)
    return low, high


def _rank(table: JobTable, key: bytes, score: bytes, last: bytes, *, including: bool) -> int:
    """Return how many members sort before this one (and this one too, if `including`).

    It may have been removed from the index since its cursor was returned, so ZRANK will not
    do: its place is searched for among the members with the same score.
    """
    ctx = table.ctx
    low = call_integer(ctx, b"ZCOUNT", key, b"-inf", b"(" + score)
    high = call_integer(ctx, b"ZCOUNT", key, b"-inf", score)
    while low < high:
        middle = (low + high) // 2
        (member,) = _members(table, key, middle, middle + 1)
        if member < last or (including and member == last):
            low = middle + 1
        else:
            high = middle
    return low
