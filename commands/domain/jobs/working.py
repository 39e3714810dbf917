"""JOB.*: the reports of workers on the jobs that they hold, and the ends of jobs."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import MOST, Milliseconds, utf8_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import ID, POOL, TOKEN, WORKER, worker_name
from commands.domain.jobs.rows import Job
from commands.domain.jobs.table import JobTable
from commands.engine.grammar import Integer, String, Token
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context

_LONGEST_BACKOFF_MS = 24 * 3600 * 1000


# --- running ----------------------------------------------------------------------------------


def check_owner(table: JobTable, job: Job, worker: bytes | None, token: bytes | None) -> None:
    """Raise NOTOWNER if a worker or token is given that does not hold the job, or lost it."""
    lost = job.row.status == "running" and not job.holds_lease(table.ctx.now)
    if token is not None and (lost or job.token != token or job.row.status == "queued"):
        # The token itself is not shown: it is a secret of the holder, if a mistyped one.
        raise failure(
            "NOTOWNER",
            "the token is not of the present claim of job {} in pool {}",
            job.id,
            table.pool,
        )
    if worker is not None and (lost or job.worker != worker):
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
    token: bytes | None = None


@command(
    "JOB.PROGRESS",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Reports the progress of a job, renews its lease, and returns its status.",
    arguments=[POOL, ID, Integer("percent", low=0), WORKER, TOKEN],
    request=Progress,
)
def job_progress(ctx: Context, request: Progress) -> Reply:
    """Any status but `running` tells the worker that it no longer has the job; nothing was
    changed then. A percentage over 100 becomes 100, and progress may go back. With `WORKER` or
    with the `TOKEN` of its claim, a worker that has lost its lease gets a `NOTOWNER` error.

        > JOB.PROGRESS gpu <job> 40 WORKER w1
        "running"
        > JOB.PROGRESS gpu <job> 40 WORKER w2
        (error) NOTOWNER worker w2 does not hold job <job> in pool gpu
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    check_owner(table, job, request.worker, request.token)
    if job.row.status != "running":
        return job.row.status.encode()
    if not job.holds_lease(ctx.now):
        # The status that the job gets when its lease is found expired.
        return b"failed" if job.on_last_attempt else b"queued"
    job.row.progress = min(100, request.percent)
    job.lease_until = max(job.lease_until, ctx.now + job.lease)
    table.add_event(job, "progress", progress=job.row.progress)
    table.commit()
    return b"running"


@dataclass(slots=True)
class Extend:
    pool: bytes
    id: bytes
    worker: bytes
    lease: int
    token: bytes | None = None


@command(
    "JOB.EXTEND",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Sets the lease of a worker to end a given time from now.",
    arguments=[
        POOL,
        ID,
        String("worker", convert=worker_name),
        Milliseconds("lease"),
        TOKEN,
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
    check_owner(table, job, request.worker, request.token)
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
    result: bytes | None = None
    worker: bytes | None = None
    token: bytes | None = None


@command(
    "JOB.COMPLETE",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Completes a job.",
    arguments=[
        POOL,
        ID,
        String("metrics", "METRICS", optional=True, convert=utf8_text("METRICS")),
        String("result", "RESULT", optional=True),
        WORKER,
        TOKEN,
    ],
    request=Complete,
)
def job_complete(ctx: Context, request: Complete) -> Reply:
    """The progress of the job becomes 100, and jobs that only wait for this one become ready.
    `METRICS` is a text, usually JSON, stored as it is. A job can be completed again with the same
    metrics; one that has ended in another way is a `TERMINAL` error. `RESULT` is any bytes,
    which `JOB.RESULT` returns as long as the job is kept.

        > JOB.COMPLETE gpu <job> METRICS '{"auc": 0.91}' WORKER w1
        OK
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    check_owner(table, job, request.worker, request.token)
    if job.row.status == "completed" and request.metrics in (None, job.row.metrics):
        return OK
    _check_not_ended(table, job)
    table.finish(job, "completed", metrics=request.metrics)
    if request.result is not None:
        table.store_result(job, request.result)
    table.commit()
    return OK


@dataclass(slots=True)
class Fail:
    pool: bytes
    id: bytes
    message: str
    retry: bool = False
    worker: bytes | None = None
    token: bytes | None = None


@command(
    "JOB.FAIL",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Ends an attempt that failed: for good, or to be tried again.",
    arguments=[
        POOL,
        ID,
        String("message", convert=utf8_text("message")),
        Token("RETRY", optional=True),
        WORKER,
        TOKEN,
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
    check_owner(table, job, request.worker, request.token)
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
        and request.token in (None, job.token)
    )


def _pause(ctx: Context, job: Job) -> int:
    """Return the pause before the next attempt.

    The random part spreads out jobs that failed together.
    """
    doubled = job.backoff << min(max(0, job.attempts - 1), 32)
    pause = min(doubled, max(job.backoff, _LONGEST_BACKOFF_MS))
    return pause + ctx.rng.randrange(pause // 4 + 1)
