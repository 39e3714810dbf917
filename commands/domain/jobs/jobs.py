"""JOB.*: submitting jobs, reading and storing their rows, cancelling, waiting for the end.

The commands of workers are in `claims`, lists and figures in `reports`. `rows` says how jobs
are stored, `table` how they change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.domain.arguments import Count, Milliseconds, utf8_text
from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import POOL, POOL_READ, checked_kind, job_id
from commands.domain.jobs.raw_rows import JobRows
from commands.domain.jobs.rows import ATTEMPTS, BACKOFF_MS, Job, Row
from commands.domain.jobs.table import JobTable, forget_expired
from commands.domain.raw_rows import declare_namespace
from commands.engine.containers import declare_family_help
from commands.engine.effects import BlockOn, Outcome
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.numbers import INT32_MAX, INT32_MIN
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.values.hashes import Hash

_MOST_DEPENDENCIES = 1024
_ROWS = JobRows()

declare_namespace("jobs", _ROWS)


# --- submitting ---------------------------------------------------------------------------


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
        String("kind"),
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
            String("after-id", multiple=True),
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
    kind = checked_kind(table, request.kind)
    ident, unique = request.id, request.unique
    dependencies = tuple(dict.fromkeys(request.after))
    if ident is not None and table.find(ident) is not None:
        return ident
    if unique:
        holder = call_text(ctx, b"HGET", table.keys.unique, unique)
        if holder is not None:
            live = table.find_readable(holder)
            if live is not None and not live.row.terminal:
                return holder
    awaited, failed = _awaited(table, dependencies)
    if ident is None:
        ident = table.next_id()
    else:
        forget_expired(ctx, request.pool, ident)
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
    table.commit()
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


# --- rows ---------------------------------------------------------------------------------


@command(
    "JOB.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a job as it is given.",
    arguments=[POOL, String("id"), String("json")],
)
def job_put(ctx: Context, argv: list[bytes]) -> Reply:
    """The row is a JSON object with all the members of a row; any other is a `BADRECORD`
    error. Progress over 100 becomes 100. The row of a job that has ended cannot be changed
    (`TERMINAL`), but the same row can be stored again.

    A job whose row says `queued` can be claimed at once. A job whose row says `running` gets
    a lease that no worker holds, so it is queued again unless someone ends it in time.
    """
    _ROWS.put(ctx, argv[1], argv[2], argv[3])
    return OK


@command(
    "JOB.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns the row of a job.",
    arguments=[POOL_READ, String("id")],
)
def job_get(ctx: Context, argv: list[bytes]) -> Reply:
    """The row is one JSON object; the reply is nil if there is no such job. Times are in
    milliseconds since the epoch, and 0 for what has not happened yet.

        > JOB.GET gpu <job>
        "{...}"
        > JOB.GET gpu 00000000000000000000000000000000
        (nil)
    """
    return _ROWS.get(ctx, argv[1], argv[2])


@command(
    "JOB.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Removes a job, whatever its status.",
    arguments=[POOL, String("id")],
)
def job_del(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if there is no such job. Jobs that wait for it are cancelled."""
    return int(_ROWS.delete(ctx, argv[1], argv[2]))


# --- the end of a job -----------------------------------------------------------------------


@command(
    "JOB.CANCEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Cancels a job that has not ended.",
    arguments=[POOL, String("id")],
)
def job_cancel(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns 1, or 0 if the job has ended or does not exist. A running job is cancelled at
    once; its worker learns of that from the reply to its next `JOB.PROGRESS`. Jobs that wait
    for it are cancelled as well.

        > JOB.CANCEL gpu <drift>
        (integer) 1
        > JOB.CANCEL gpu <drift>
        (integer) 0
    """
    table = JobTable(ctx, argv[1])
    job = table.open(argv[2])
    if job is None or job.row.terminal:
        return 0
    table.finish(job, "cancelled")
    table.commit()
    return 1


@dataclass(slots=True)
class Wait:
    pool: bytes
    id: bytes
    timeout: int


@command(
    "JOB.WAIT",
    group="job",
    since="0.1.0",
    flags="readonly blocking",
    summary="Blocks until a job has ended, and returns its row.",
    arguments=[POOL_READ, String("id"), Milliseconds("timeout", low=0)],
    request=Wait,
)
def job_wait(ctx: Context, request: Wait) -> Outcome:
    """Returns nil if the job has not ended when the time is over (0 blocks for ever), if
    there is no such job, or if it is removed meanwhile.

        > JOB.WAIT gpu <drift> 5000
        "{...}"
    """
    table = JobTable(ctx, request.pool)
    job = table.find(request.id)
    if job is None:
        return None
    if job.row.terminal:
        return job.row.encode()
    return BlockOn(
        [table.keys.job + request.id],
        ctx.now + request.timeout if request.timeout else None,
        Hash,
        otherwise=None,
        timed_out=None,
        on_loss=True,
    )


declare_family_help("JOB", group="job", since="0.1.0")
