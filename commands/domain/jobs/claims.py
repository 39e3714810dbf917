"""JOB.*: the commands of workers, which claim jobs, report on them and end them."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import MOST, Count, Milliseconds, json_text, utf8_text
from commands.domain.calls import call_integer, call_scores
from commands.domain.errors import failure
from commands.domain.jobs.arguments import POOL, WORKER, checked_kind, worker_name
from commands.domain.jobs.due import run_due_jobs
from commands.domain.jobs.rows import Job, ready_id, ready_member
from commands.domain.jobs.table import JobTable
from commands.domain.pages import LARGEST_PAGE
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import ArgumentGroup, Integer, String, Token
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from commands.instance.sweeps import BATCH
from storage.values.sorted_sets import SortedSet

_LONGEST_BACKOFF_MS = 24 * 3600 * 1000
# How many members of the indexes that are of no ready job one claim removes.
_MOST_STALE = 200


# --- claiming ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Claim:
    pool: bytes
    worker: bytes
    kinds: list[bytes] | None = None
    count: int | None = None
    lease: int | None = None
    block: int | None = None


@command(
    "JOB.CLAIM",
    group="job",
    since="0.1.0",
    flags="write blocking denyoom",
    complexity="O(K+C*log(N)) for C claimed jobs out of N, of K kinds.",
    summary="Leases the oldest ready jobs of the highest priority to a worker.",
    arguments=[
        POOL,
        String("worker", convert=worker_name),
        ArgumentGroup(
            "kinds",
            Count("numkinds"),
            String("kind", multiple=True),
            token="KINDS",
            optional=True,
        ),
        Count("count", "COUNT"),
        Milliseconds("lease", "LEASE"),
        Milliseconds("block", "BLOCK", low=0),
    ],
    request=Claim,
)
def job_claim(ctx: Context, request: Claim) -> Outcome:
    """Returns the row of the job, which is now running; with `COUNT`, an array of up to that
    many rows, and never more than 1000. Without a ready job the reply is nil. `BLOCK` waits for
    one, for a time in milliseconds (0 is for ever); the worker that has waited longest is served
    first.

    The worker holds the job for `LEASE` milliseconds (default: the setting `job-lease-ms`),
    and longer with `JOB.PROGRESS` and `JOB.EXTEND`. A job whose lease expires is queued
    again, or has failed if no attempts are left.

        > JOB.CLAIM gpu w1 KINDS 2 train backfill LEASE 60000
        "{...}"
        > JOB.CLAIM gpu w2
        (nil)
    """
    table = JobTable(ctx, request.pool)
    kinds = table.kinds
    if request.kinds is not None:
        kinds = tuple(dict.fromkeys(checked_kind(table, word) for word in request.kinds))
    run_due_jobs(ctx, request.pool, BATCH)
    jobs, more = _ready_jobs(table, kinds, min(request.count or 1, LARGEST_PAGE))
    if not jobs:
        nothing = None if request.count is None else NULL_ARRAY
        if request.block is None or more:
            return nothing
        return BlockOn(
            [table.keys.ready(kind) for kind in kinds],
            ctx.now + request.block if request.block else None,
            SortedSet,
            otherwise=nothing,
            timed_out=nothing,
        )
    for job in jobs:
        table.start(job, request.worker, request.lease or ctx.instance.settings.job_lease_ms)
    table.commit()
    rows = [job.row.encode() for job in jobs]
    return rows[0] if request.count is None else rows


def _ready_jobs(table: JobTable, kinds: tuple[str, ...], count: int) -> tuple[list[Job], bool]:
    """Return the jobs to be claimed next, in their order, and whether more may be ready.

    Members of the indexes that are of no ready job are removed, up to a limit.
    """
    ctx = table.ctx
    removed = 0
    while True:
        heads = []
        for kind in kinds:
            key = table.keys.ready(kind)
            pairs = call_scores(ctx, b"ZRANGE", key, b"0", b"%d" % (count - 1), b"WITHSCORES")
            heads += [(score, member, kind) for member, score in pairs]
        if len(kinds) > 1:
            heads.sort()
        jobs: list[Job] = []
        stale: dict[bytes, list[bytes]] = {}
        for _, member, kind in heads[:count]:
            job = table.open_readable(ready_id(member))
            if job is not None and _is_ready(job, member, kind):
                jobs.append(job)
            else:
                # The job was removed or edited by other commands, or cannot be read.
                stale.setdefault(table.keys.ready(kind), []).append(member)
        for key, members in stale.items():
            removed += call_integer(ctx, b"ZREM", key, *members)
        if not stale or removed >= _MOST_STALE:
            return jobs, bool(stale)


def _is_ready(job: Job, member: bytes, kind: str) -> bool:
    return (
        job.row.status == "queued"
        and not job.delayed
        and not job.waiting_for
        and job.row.kind == kind
        and ready_member(job) == member
    )


# --- running ----------------------------------------------------------------------------------


def _check_owner(table: JobTable, job: Job, worker: bytes | None) -> None:
    """Raise NOTOWNER if a worker is given that does not hold the job, or no longer does."""
    if worker is None:
        return
    if job.worker != worker or (job.row.status == "running" and not job.holds_lease(table.ctx.now)):
        raise failure(
            "NOTOWNER", "worker {} does not hold job {} in pool {}", worker, job.id, table.pool
        )


def _check_not_ended(table: JobTable, job: Job) -> None:
    if job.row.terminal:
        raise failure("TERMINAL", "job {} in pool {} is {}", job.id, table.pool, job.row.status)


@dataclass(slots=True)
class Progress:
    pool: bytes
    id: bytes
    percent: int
    worker: bytes | None = None


@command(
    "JOB.PROGRESS",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Reports the progress of a job, renews its lease, and returns its status.",
    arguments=[POOL, String("id"), Integer("percent", low=0), WORKER],
    request=Progress,
)
def job_progress(ctx: Context, request: Progress) -> Reply:
    """Any status but `running` tells the worker that it no longer has the job; nothing was
    changed then. A percentage over 100 becomes 100, and progress may go back. With `WORKER`,
    a worker that has lost its lease gets a `NOTOWNER` error.

        > JOB.PROGRESS gpu <job> 40 WORKER w1
        "running"
        > JOB.PROGRESS gpu <job> 40 WORKER w2
        (error) NOTOWNER worker w2 does not hold job <job> in pool gpu
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    _check_owner(table, job, request.worker)
    if job.row.status != "running":
        return job.row.status.encode()
    if not job.holds_lease(ctx.now):
        # The status that the job gets when its lease is found expired.
        return b"failed" if job.on_last_attempt else b"queued"
    job.row.progress = min(100, request.percent)
    job.lease_until = max(job.lease_until, ctx.now + job.lease)
    table.commit()
    return b"running"


@dataclass(slots=True)
class Extend:
    pool: bytes
    id: bytes
    worker: bytes
    lease: int


@command(
    "JOB.EXTEND",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Sets the lease of a worker to end a given time from now.",
    arguments=[
        POOL,
        String("id"),
        String("worker", convert=worker_name),
        Milliseconds("lease"),
    ],
    request=Extend,
)
def job_extend(ctx: Context, request: Extend) -> Reply:
    """Returns when the lease now ends, in milliseconds since the epoch.

    > JOB.EXTEND gpu <job> w1 3600000
    (integer) <deadline>
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    _check_owner(table, job, request.worker)
    _check_not_ended(table, job)
    job.lease_until = ctx.now + request.lease
    table.commit()
    return job.lease_until


# --- ending -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Complete:
    pool: bytes
    id: bytes
    metrics: str | None = None
    worker: bytes | None = None


@command(
    "JOB.COMPLETE",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Completes a job.",
    arguments=[
        POOL,
        String("id"),
        String("metrics", "METRICS", optional=True, convert=json_text("METRICS")),
        WORKER,
    ],
    request=Complete,
)
def job_complete(ctx: Context, request: Complete) -> Reply:
    """The progress of the job becomes 100, and jobs that only wait for this one become ready.
    `METRICS` is JSON, stored as the text it is. A job can be completed again with the same
    metrics; one that has ended in another way is a `TERMINAL` error.

        > JOB.COMPLETE gpu <job> METRICS '{"auc": 0.91}' WORKER w1
        OK
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    _check_owner(table, job, request.worker)
    if job.row.status == "completed" and request.metrics in (None, job.row.metrics):
        return OK
    _check_not_ended(table, job)
    table.finish(job, "completed", metrics=request.metrics)
    table.commit()
    return OK


@dataclass(slots=True)
class Fail:
    pool: bytes
    id: bytes
    message: str
    retry: bool = False
    worker: bytes | None = None


@command(
    "JOB.FAIL",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Ends an attempt that failed: for good, or to be tried again.",
    arguments=[
        POOL,
        String("id"),
        String("message", convert=utf8_text("message")),
        Token("RETRY", optional=True),
        WORKER,
    ],
    request=Fail,
)
def job_fail(ctx: Context, request: Fail) -> Reply:
    """With `RETRY`, a job that has attempts left is queued again. The reply is then `retry`
    and the time from which it is ready, in milliseconds since the epoch. The pause is its
    `BACKOFF`, doubled for each attempt after the first, plus a random extra of up to a
    quarter. Otherwise the reply is `failed`, and the row has the message as its `error`.

        > JOB.SUBMIT gpu train ham '{}' ATTEMPTS 2
        "<other>"
        > JOB.CLAIM gpu w1
        "{...}"
        > JOB.FAIL gpu <other> 'out of memory' RETRY WORKER w1
        "retry <ready>"
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    if _is_repeated(job, request):
        return b"retry %d" % job.ready_at
    _check_owner(table, job, request.worker)
    if job.row.status == "failed" and job.row.error == request.message:
        return b"failed"
    _check_not_ended(table, job)
    if job.row.status == "queued":
        # An attempt was made without a claim.
        job.attempts = min(job.attempts + 1, MOST)
    if request.retry and not job.on_last_attempt:
        table.retry(job, request.message.encode(), _pause(ctx, job))
        reply = b"retry %d" % job.ready_at
    else:
        table.finish(job, "failed", error=request.message)
        reply = b"failed"
    table.commit()
    return reply


def _is_repeated(job: Job, request: Fail) -> bool:
    """Whether this failure was reported before: the reply to it may have been lost."""
    return (
        request.retry
        and job.row.status == "queued"
        and job.last_error == request.message.encode()
        and request.worker in (None, job.failed_by)
    )


def _pause(ctx: Context, job: Job) -> int:
    """Return the pause before the next attempt.

    The random part spreads out jobs that failed together.
    """
    doubled = job.backoff << min(max(0, job.attempts - 1), 32)
    pause = min(doubled, max(job.backoff, _LONGEST_BACKOFF_MS))
    return pause + ctx.rng.randrange(pause // 4 + 1)
