"""JOB.*: reading and storing rows, cancelling, and waiting for the end of a job.

Jobs are submitted in `submitting`, claimed in `claims`; the reports of workers are in
`working`, lists and figures in `reports`. `rows` and `layout` say how jobs are stored, `table`
how they change.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Milliseconds
from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import ID, POOL, POOL_READ, Named
from commands.domain.jobs.footprint import FAMILY, pool_footprint
from commands.domain.jobs.raw_rows import JobRows, delete_row, put_row
from commands.domain.jobs.rows import RESULT
from commands.domain.jobs.table import JobTable
from commands.domain.pages import PAGE, PAGE_SIZE, PLACE, Place, SortedPage
from commands.domain.raw_rows import declare_namespace
from commands.engine.containers import declare_family_help
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.values.hashes import Hash

declare_namespace("jobs", JobRows(), pool_footprint, FAMILY)

# How many children a page has at most: reading these takes about 10 ms.
_MOST_CHILDREN = 500


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


@command(
    "JOB.RETRY",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Queues a job again that has ended.",
    arguments=[POOL, ID],
    request=Named,
)
def job_retry(ctx: Context, request: Named) -> Reply:
    """Returns 1, or 0 if the job has not ended. It can be claimed at once, for at least one more
    attempt; its error, metrics and result are gone. Jobs that were cancelled because of it stay
    cancelled.

        > JOB.RETRY gpu <drift>
        (integer) 1
        > JOB.CANCEL gpu <drift>
        (integer) 1
    """
    table = JobTable(ctx, request.pool)
    job = table.require(request.id)
    if not job.row.terminal:
        return 0
    holder = table.live_holder(job.unique) if job.unique else None
    if holder not in (None, job.id):
        raise failure("ERR", "job {} has the unique key of job {}", holder or b"", job.id)
    table.reopen(job)
    job.row.error = job.row.metrics = None
    table.enqueue(job)
    table.commit()
    return 1


@command(
    "JOB.RESULT",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns what a completed job has made.",
    arguments=[POOL_READ, ID],
    request=Named,
)
def job_result(ctx: Context, request: Named) -> Reply:
    """Returns the `RESULT` that was given to `JOB.COMPLETE`; nil if there is none.

    > JOB.RESULT gpu <drift>
    (nil)
    """
    table = JobTable(ctx, request.pool)
    if table.find(request.id) is None:
        return None
    return call_text(ctx, b"HGET", table.keys.job + request.id, RESULT)


@dataclass(slots=True)
class Children:
    pool: bytes
    id: bytes
    cursor: Place = None
    count: int = PAGE_SIZE


@command(
    "JOB.CHILDREN",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M returned jobs out of N.",
    summary="Returns the children of a job with their results, a page at a time.",
    arguments=[POOL_READ, ID, PLACE, PAGE],
    request=Children,
)
def job_children(ctx: Context, request: Children) -> Reply:
    """Returns a cursor and an array of maps, each of the `row` of a child and its `result`, in
    the order of their creation. Pass the cursor to the next call until it is 0.

        > JOB.CHILDREN gpu <job>
        1) "0"
        2) (empty array)
    """
    table = JobTable(ctx, request.pool)
    page = SortedPage(ctx, table.keys.children(request.id), request.cursor)
    children: list[Reply] = []
    for ident in page.take(min(request.count, _MOST_CHILDREN)):
        job = table.find_readable(ident)
        if job is not None:
            result = call_text(ctx, b"HGET", table.keys.job + ident, RESULT)
            children.append({b"row": job.row.encode(), b"result": result})
    return [page.cursor(), children]


declare_family_help("JOB", group="job", since="0.1.0")
