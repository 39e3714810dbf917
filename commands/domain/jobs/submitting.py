"""JOB.SUBMIT: new jobs."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.domain.arguments import Count, Milliseconds, utf8_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import POOL, check_kind, job_id, kind_word, known_id
from commands.domain.jobs.rows import ATTEMPTS, BACKOFF_MS, Job, Row
from commands.domain.jobs.table import JobTable
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.numbers import INT32_MAX, INT32_MIN
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_MOST_DEPENDENCIES = 1024


def _unique_key(word: bytes) -> bytes:
    if not word:
        raise CommandError("ERR UNIQUE must not be empty")
    return word


@dataclass(slots=True)
class Submit:
    pool: bytes
    kind: bytes
    target: str
    spec: str
    id: bytes | None = None
    priority: int = 0
    delay: int = 0
    attempts: int = ATTEMPTS
    backoff: int = BACKOFF_MS
    ttl: int = 0
    unique: bytes = b""
    after: list[bytes] = field(default_factory=list)


@command(
    "JOB.SUBMIT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D ids after AFTER.",
    summary="Submits a job and returns its id.",
    arguments=[
        POOL,
        String("kind", convert=kind_word),
        String("target", convert=utf8_text("target")),
        String("spec", convert=utf8_text("spec")),
        String("id", "ID", optional=True, convert=job_id),
        Integer("priority", "PRIORITY", optional=True, low=INT32_MIN, high=INT32_MAX),
        Milliseconds("delay", "DELAY", low=0),
        Count("attempts", "ATTEMPTS"),
        Milliseconds("backoff", "BACKOFF", low=0),
        Milliseconds("ttl", "TTL"),
        String("unique", "UNIQUE", optional=True, convert=_unique_key),
        ArgumentGroup(
            "after",
            Count("numids", high=_MOST_DEPENDENCIES),
            String("after-id", multiple=True, convert=known_id),
            token="AFTER",
            optional=True,
        ),
    ],
    request=Submit,
)
def job_submit(ctx: Context, request: Submit) -> Reply:
    """The id is 32 hex digits that sort by time. If a job with the given `ID` exists, or a
    job that has not ended holds the `UNIQUE` key, nothing is submitted and the id of that job
    is returned: so a submission can safely be repeated.

    Jobs with a higher `PRIORITY` are claimed first; among equals, the oldest. `DELAY` keeps
    a job from being claimed for a time in milliseconds, `AFTER` until all the jobs it names
    are completed. If one of them fails, is cancelled or is removed, the job is cancelled.

    `ATTEMPTS` (default 3) is how many times the job may be started. `BACKOFF` (default 1000)
    is the pause in milliseconds before the second attempt; it doubles with each further one.
    `TTL` is how long, in milliseconds, the job is kept while it is ready but unclaimed, and
    after it has ended.

        > JOB.SUBMIT gpu train spam '{"rounds": 3}' PRIORITY 5
        "<job>"
        > JOB.SUBMIT gpu drift_compute spam '{}' AFTER 1 <job> UNIQUE nightly
        "<drift>"
    """
    table = JobTable(ctx, request.pool)
    ident = submit(table, request)
    table.commit()
    return ident


def submit(table: JobTable, request: Submit) -> bytes:
    """Add a job to a table, or find the one that this request was answered with before."""
    ctx = table.ctx
    ident, unique = request.id, request.unique
    if ident is not None and table.find(ident) is not None:
        return ident
    if unique:
        holder = table.live_holder(unique)
        if holder is not None:
            return holder
    check_kind(ctx, request.kind)
    dependencies = tuple(dict.fromkeys(request.after))
    awaited, failed = _awaited(table, dependencies)
    if ident is None:
        ident = table.next_id()
    else:
        table.remove_expired(ident)
    kind = request.kind.decode()
    row = Row(ident.decode(), kind, request.target, "queued", created_at=ctx.now, spec=request.spec)
    job = Job(
        ident,
        row,
        priority=request.priority,
        max_attempts=request.attempts,
        backoff=request.backoff,
        ttl=request.ttl,
        after=b" ".join(dependencies),
    )
    if failed is None:
        job.unique, job.waiting_for = unique, b" ".join(awaited)
        table.add(job)
        table.enqueue(job, request.delay)
    else:
        table.add(job)
        table.cancel_row(job, failed.id, failed.row.status)
        table.clean_up(job)
    return ident


def _awaited(table: JobTable, idents: tuple[bytes, ...]) -> tuple[list[bytes], Job | None]:
    """Return the dependencies that have not ended, and the first that failed or was cancelled."""
    awaited, failed = [], None
    for ident in idents:
        job = table.find(ident)
        if job is None:
            raise failure("NOTFOUND", "dependency {} does not exist in pool {}", ident, table.pool)
        if not job.row.terminal:
            awaited.append(ident)
        elif job.row.status != "completed" and failed is None:
            failed = job
    return awaited, failed
