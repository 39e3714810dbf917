"""JOB.*: reading and storing rows, cancelling, and waiting for the end of a job.

Jobs are submitted in `submitting`, claimed in `claims`; the reports of workers are in
`working`, lists and figures in `reports`. `rows` and `layout` say how jobs are stored, `table`
how they change.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.jobs.arguments import ID, POOL, POOL_READ, Named
from commands.domain.jobs.raw_rows import JobRows, delete_row, put_row
from commands.domain.jobs.table import JobTable
from commands.domain.raw_rows import declare_namespace
from commands.engine.containers import declare_family_help
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.values.hashes import Hash

declare_namespace("jobs", JobRows())


@dataclass(slots=True)
class Put:
    pool: bytes
    id: bytes
    json: bytes


# --- rows ---------------------------------------------------------------------------------


@command(
    "JOB.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a job as it is given.",
    arguments=[POOL, ID, String("json")],
    request=Put,
)
def job_put(ctx: Context, request: Put) -> Reply:
    """The row is a JSON object with all the members of a row; any other is a `BADRECORD`
    error. Further members are kept. Progress over 100 becomes 100. The row of a job that has
    ended cannot be changed (`TERMINAL`), but the same row can be stored again.

    A job whose row says `queued` can be claimed at once. A job whose row says `running` gets
    a lease that no worker holds, so it is queued again unless someone ends it in time.
    """
    put_row(ctx, request.pool, request.id, request.json)
    return OK


@command(
    "JOB.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns the row of a job.",
    arguments=[POOL_READ, ID],
    request=Named,
)
def job_get(ctx: Context, request: Named) -> Reply:
    """The row is one JSON object; the reply is nil if there is no such job. Times are in
    milliseconds since the epoch, and 0 for what has not happened yet.

        > JOB.GET gpu <job>
        "{...}"
        > JOB.GET gpu 00000000000000000000000000000000
        (nil)
    """
    job = JobTable(ctx, request.pool).find(request.id)
    return None if job is None else job.row.encode()


@command(
    "JOB.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Removes a job, whatever its status.",
    arguments=[POOL, ID],
    request=Named,
)
def job_del(ctx: Context, request: Named) -> Reply:
    """Returns 1, or 0 if there is no such job. Jobs that wait for it are cancelled."""
    return int(delete_row(ctx, request.pool, request.id))


# --- the end of a job -----------------------------------------------------------------------


@command(
    "JOB.CANCEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Cancels a job that has not ended.",
    arguments=[POOL, ID],
    request=Named,
)
def job_cancel(ctx: Context, request: Named) -> Reply:
    """Returns 1, or 0 if the job has ended or does not exist. A running job is cancelled at
    once; its worker learns of that from the reply to its next `JOB.PROGRESS`. Jobs that wait
    for it are cancelled as well.

        > JOB.CANCEL gpu <drift>
        (integer) 1
        > JOB.CANCEL gpu <drift>
        (integer) 0
    """
    table = JobTable(ctx, request.pool)
    job = table.open(request.id)
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
    arguments=[POOL_READ, ID, Milliseconds("timeout", low=0)],
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
