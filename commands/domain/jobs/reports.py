"""Jobs: what observers ask: lists, figures, the facts of one job, and clearing up."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.errors import failure
from commands.domain.jobs.arguments import (
    count_from,
    kind_of,
    milliseconds,
    status_of,
    text,
    worker_of,
)
from commands.domain.jobs.rows import STATUSES, TERMINAL, Job
from commands.domain.jobs.table import JobTable
from commands.domain.records import count_poison
from commands.engine.arguments import Arguments
from commands.engine.errors import INVALID_CURSOR, SYNTAX, CommandError
from commands.engine.grammar import Integer, Key, String, Token
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.errors import WrongType

_POOL_READ = Key("pool", "RO access")
_COUNT = 100
# How many jobs a page looks at for each one that is asked for, where filters are combined.
_LOOKED_AT = 10
_PERCENTILES = (50, 95, 99)

_read_cursor = re.compile(rb"([0-9]{1,16})-([0-9a-f]{32})").fullmatch


# --- lists ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Filter:
    """Which jobs are asked for."""

    status: str | None = None
    kind: str | None = None
    target: str | None = None
    worker: bytes | None = None
    since: int | None = None
    until: int | None = None
    descending: bool = False
    # Creation and id of the last job of the page before.
    behind: tuple[int, bytes] | None = None
    count: int = _COUNT

    def indexes(self, table: JobTable) -> list[bytes]:
        """The index of each filter there is."""
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

    def admits(self, job: Job) -> bool:
        row = job.row
        return (
            self.status in (None, row.status)
            and self.kind in (None, row.kind)
            and self.target in (None, row.target)
            and self.worker in (None, job.worker)
        )


def _parse_filter(table: JobTable, argv: list[bytes]) -> _Filter:
    wanted = _Filter()
    arguments = Arguments(argv, 2)
    while arguments:
        match arguments.option():
            case b"STATUS":
                wanted.status = status_of(arguments.word())
            case b"KIND":
                wanted.kind = kind_of(table, arguments.word())
            case b"TARGET":
                wanted.target = text(arguments.word(), "target")
            case b"WORKER":
                wanted.worker = worker_of(arguments.word())
            case b"SINCE":
                wanted.since = milliseconds(arguments.word())
            case b"UNTIL":
                wanted.until = milliseconds(arguments.word())
            case b"DESC":
                wanted.descending = True
            case b"CURSOR":
                wanted.behind = read_cursor(arguments.word())
            case b"COUNT":
                wanted.count = count_from(arguments.word(), 1)
            case _:
                raise CommandError(SYNTAX)
    return wanted


def read_cursor(word: bytes) -> tuple[int, bytes] | None:
    if word == b"0":
        return None
    match = _read_cursor(word)
    if match is None:
        raise CommandError(INVALID_CURSOR)
    return int(match[1]), match[2]


@command(
    "JOB.LIST",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M answered jobs out of N, with one filter or none.",
    summary="Lists jobs in the order of their creation, a page at a time.",
    arguments=[
        _POOL_READ,
        String("status", token="STATUS", optional=True),
        String("kind", token="KIND", optional=True),
        String("target", token="TARGET", optional=True),
        String("worker", token="WORKER", optional=True),
        Integer("since", token="SINCE", optional=True),
        Integer("until", token="UNTIL", optional=True),
        Token("DESC", optional=True),
        String("cursor", token="CURSOR", optional=True),
        Integer("count", token="COUNT", optional=True),
    ],
)
def job_list(ctx: Context, argv: list[bytes]) -> Reply:
    """The answer is a cursor and rows. The cursor goes into the next call with the same
    filters, until it is 0. COUNT (100) is how many rows a page has at most; it can have
    fewer, or none, before the end. SINCE and UNTIL bound the time of creation, both
    included. WORKER is who runs a job, or has ended it.

    Each filter has an index. Of several filters the index with the fewest jobs is read, and
    its jobs are held against the others.

        > JOB.LIST gpu STATUS completed
        1) "0"
        2) 1) "{...}"
    """
    table = JobTable(ctx, argv[1])
    wanted = _parse_filter(table, argv)
    cursor, jobs = page(table, wanted)
    return [cursor, [job.row.encode() for job in jobs]]


def list_rows(ctx: Context, pool: bytes, cursor: bytes, count: int) -> tuple[bytes, list[Job]]:
    """A page of all jobs in a pool; what ML.LIST asks for."""
    return page(JobTable(ctx, pool), _Filter(behind=read_cursor(cursor), count=count))


def page(table: JobTable, wanted: _Filter) -> tuple[bytes, list[Job]]:
    """Up to `count` jobs that the filter admits, and the cursor behind them."""
    call = table.ctx.call
    indexes = wanted.indexes(table)
    key = min(indexes, key=lambda index: call(b"ZCARD", index)) if indexes else table.keys.all
    low, high = _bounds(table, key, wanted)
    left = wanted.count if len(indexes) < 2 else max(1000, _LOOKED_AT * wanted.count)
    jobs: list[Job] = []
    last = b""
    while low < high and left > 0 and len(jobs) < wanted.count:
        size = min(left, wanted.count - len(jobs), high - low)
        if wanted.descending:
            idents = call(b"ZRANGE", key, b"%d" % (high - size), b"%d" % (high - 1))[::-1]
            high -= size
        else:
            idents = call(b"ZRANGE", key, b"%d" % low, b"%d" % (low + size - 1))
            low += size
        left -= size
        last = idents[-1]
        for ident in idents:
            job = table.find_sound(ident)
            if job is not None and wanted.admits(job):
                jobs.append(job)
    if low >= high:
        return b"0", jobs
    return b"%d-%b" % (int(call(b"ZSCORE", key, last)), last), jobs


def _bounds(table: JobTable, key: bytes, wanted: _Filter) -> tuple[int, int]:
    """The ranks, from the first up to and without the second, that are left to look at."""
    call = table.ctx.call
    low = 0 if wanted.since is None else call(b"ZCOUNT", key, b"-inf", b"(%d" % wanted.since)
    if wanted.until is None:
        high = call(b"ZCARD", key)
    else:
        high = call(b"ZCOUNT", key, b"-inf", b"%d" % wanted.until)
    if wanted.behind is not None:
        rank = _rank(table, key, *wanted.behind, including=not wanted.descending)
        if wanted.descending:
            high = min(high, rank)
        else:
            low = max(low, rank)
    return low, high


def _rank(table: JobTable, key: bytes, created: int, ident: bytes, *, including: bool) -> int:
    """How many members stand before the place of that job (and it, too, if `including`).

    The job itself may be gone from the index since the cursor was given out, so its place
    is looked for among those created in the same millisecond.
    """
    call = table.ctx.call
    low = call(b"ZCOUNT", key, b"-inf", b"(%d" % created)
    high = call(b"ZCOUNT", key, b"-inf", b"%d" % created)
    while low < high:
        middle = (low + high) // 2
        member = call(b"ZRANGE", key, b"%d" % middle, b"%d" % middle)[0]
        if member < ident or (including and member == ident):
            low = middle + 1
        else:
            high = middle
    return int(low)


# --- figures ----------------------------------------------------------------------------------


@command(
    "JOB.STATS",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(K+log(N)) with K kinds and N jobs in the pool.",
    summary="Counts the jobs of a pool, and says how long they wait and run.",
    arguments=[_POOL_READ],
)
def job_stats(ctx: Context, argv: list[bytes]) -> Reply:
    """A map: `total`; `status` and `kind`, each a map of counts; `ready`, how many could be
    claimed now; `oldest_queued_ms`, how long ago the oldest queued job was created, or nil;
    `duration_ms`, the percentiles p50, p95 and p99 of how long finished jobs ran, nil
    without any.

        > JOB.STATS gpu
         1) "total"
         2) (integer) 3
         3) "status"
         4)  1) "queued"
             2) (integer) 1
             3) "running"
             4) (integer) 0
             5) "completed"
             6) (integer) 1
             7) "failed"
             8) (integer) 0
             9) "cancelled"
            10) (integer) 1
         5) "kind"
         6) 1) "train"
            2) (integer) 2
            3) "backfill"
            4) (integer) 0
            5) "feature_refresh"
            6) (integer) 0
            7) "drift_compute"
            8) (integer) 1
         7) "ready"
         8) (integer) 0
         9) "oldest_queued_ms"
        10) (integer) 0
        11) "duration_ms"
        12) 1) "p50"
            2) (integer) 0
            3) "p95"
            4) (integer) 0
            5) "p99"
            6) (integer) 0
    """
    keys, call = JobTable(ctx, argv[1]).keys, ctx.call
    kinds = ctx.instance.settings.job_kinds.split()
    oldest = call(b"ZRANGE", keys.by(b"status", b"queued"), b"0", b"0", b"WITHSCORES")
    return {
        b"total": call(b"ZCARD", keys.all),
        b"status": {
            name.encode(): call(b"ZCARD", keys.by(b"status", name.encode())) for name in STATUSES
        },
        b"kind": {name.encode(): call(b"ZCARD", keys.by(b"kind", name.encode())) for name in kinds},
        b"ready": sum(call(b"ZCARD", keys.ready(name)) for name in kinds),
        b"oldest_queued_ms": ctx.now - int(oldest.items[0][1]) if oldest else None,
        b"duration_ms": {
            b"p%d" % percent: _percentile(ctx, keys.durations, percent) for percent in _PERCENTILES
        },
    }


def _percentile(ctx: Context, key: bytes, percent: int) -> int | None:
    """The smallest duration that so many percent of all do not exceed."""
    rank = b"%d" % max(0, -(-ctx.call(b"ZCARD", key) * percent // 100) - 1)
    found = ctx.call(b"ZRANGE", key, rank, rank, b"WITHSCORES")
    return int(found.items[0][1]) if found else None


@command(
    "JOB.INFO",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Answers all there is to know about a job.",
    arguments=[_POOL_READ, String("id")],
)
def job_info(ctx: Context, argv: list[bytes]) -> Reply:
    """A map of the members of its row, its duration and the facts that schedule it; nil if
    there is no such job. What is not set is nil, and so is a time that has not come.
    """
    job = JobTable(ctx, argv[1]).find(argv[2])
    if job is None:
        return None
    row = job.row
    return {
        b"id": job.id,
        b"kind": row.kind.encode(),
        b"target": row.target.encode(),
        b"status": row.status.encode(),
        b"progress": row.progress,
        b"created_at": row.created_at,
        b"started_at": row.started_at,
        b"finished_at": row.finished_at,
        b"error": None if row.error is None else row.error.encode(),
        b"spec": row.spec.encode(),
        b"metrics": None if row.metrics is None else row.metrics.encode(),
        b"duration_ms": row.duration_ms,
        b"priority": job.priority,
        b"attempts": job.attempts,
        b"max_attempts": job.max_attempts,
        b"backoff_ms": job.backoff,
        b"ready_at": job.ready_at or None,
        b"worker": job.worker or None,
        b"lease_ms": job.lease or None,
        b"lease_until": job.lease_until or None,
        b"ttl_ms": job.ttl or None,
        b"expires_at": job.expires_at or None,
        b"unique": job.unique or None,
        b"after": job.after.split(),
        b"waiting_for": job.waiting_for.split(),
        b"last_error": job.last_error or None,
    }


# --- clearing up --------------------------------------------------------------------------------


@command(
    "JOB.PRUNE",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M removed jobs out of N.",
    summary="Removes jobs that ended so many milliseconds ago, or longer.",
    arguments=[
        Key("pool", "RW access delete"),
        Integer("older", token="OLDER"),
        String("status", token="STATUS", optional=True),
    ],
)
def job_prune(ctx: Context, argv: list[bytes]) -> Reply:
    """The answer is how many. With STATUS only `completed`, `failed` or `cancelled` ones.

    > JOB.PRUNE gpu OLDER 0 STATUS cancelled
    (integer) 1
    """
    table = JobTable(ctx, argv[1])
    arguments = Arguments(argv, 2)
    older = None
    statuses = tuple(status for status in STATUSES if status in TERMINAL)
    while arguments:
        match arguments.option():
            case b"OLDER":
                older = milliseconds(arguments.word())
            case b"STATUS":
                word = arguments.word()
                statuses = (status_of(word),)
                if statuses[0] not in TERMINAL:
                    raise failure("ERR", "a job that is {} is not pruned", word)
            case _:
                raise CommandError(SYNTAX)
    if older is None:
        raise CommandError(SYNTAX)
    until = b"%d" % (ctx.now - older)
    idents: list[bytes] = []
    for status in statuses:
        idents += ctx.call(b"ZRANGE", table.keys.finished(status), b"-inf", until, b"BYSCORE")
    return sum(_prune(ctx, argv[1], ident) for ident in idents)


def _prune(ctx: Context, pool: bytes, ident: bytes) -> bool:
    """Remove one job, unless it cannot be read."""
    table = JobTable(ctx, pool)
    try:
        job = table.take(ident, expired=True)
        if job is None:
            return False
        table.remove(job)
        table.commit()
    except (CommandError, WrongType):
        count_poison(ctx)
        return False
    return True
