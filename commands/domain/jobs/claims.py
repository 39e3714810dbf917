"""Jobs: what workers send, from the claim to the end, and what time does to claims."""

from __future__ import annotations

from commands.domain.errors import failure
from commands.domain.jobs.arguments import (
    count_from,
    json_text,
    kind_of,
    milliseconds,
    text,
    worker_of,
)
from commands.domain.jobs.rows import DUE_PREFIX, Job, ready_id, ready_member
from commands.domain.jobs.table import JobTable
from commands.domain.records import count_poison
from commands.engine.arguments import Arguments, parse_duration
from commands.engine.effects import BlockOn, Outcome
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Integer, Key, String, Token
from commands.engine.numbers import parse_integer
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, OK, Reply
from commands.instance.context import Context
from commands.instance.sweeps import BATCH, sweep
from storage.errors import WrongType
from storage.values.sorted_sets import SortedSet

_POOL = Key("pool", "RW access update")
_WORKER = String("worker", token="WORKER", optional=True)
_LONGEST_BACKOFF_MS = 24 * 3600 * 1000
# When to look again at what is due and cannot be done.
_POSTPONED_MS = 60_000


# --- what time does -------------------------------------------------------------------------


def settle_due(ctx: Context, pool: bytes, limit: int) -> int:
    """Do what is due in a pool: delays that are over, leases that ran out, jobs to forget.

    At most `limit` jobs; the number of those looked at.
    """
    due_key = JobTable(ctx, pool).keys.due
    due = ctx.call(
        b"ZRANGE", due_key, b"-inf", b"%d" % ctx.now, b"BYSCORE", b"LIMIT", b"0", b"%d" % limit
    )
    for member in due:
        # Each on its own: one that cannot be done must not keep back the others.
        table = JobTable(ctx, pool)
        what, _, ident = member.partition(b":")
        try:
            job = table.take(ident, expired=True)
            if job is None or table.keys.places(job).get((due_key, member), ctx.now + 1) > ctx.now:
                ctx.call(b"ZREM", due_key, member)
            elif what == b"start":
                job.delayed = 0
                table.release(job)
            elif what == b"lease":
                table.lose_lease(job)
            else:
                table.remove(job)
            table.commit()
        except (CommandError, WrongType):
            count_poison(ctx)
            ctx.call(b"ZADD", due_key, b"%d" % (ctx.now + _POSTPONED_MS), member)
    return len(due)


@sweep(DUE_PREFIX)
def settle_pools(ctx: Context) -> bool:
    """`settle_due` for every pool that waits for a moment."""
    left = BATCH
    for key in list(ctx.db.ordered.range(DUE_PREFIX)):
        pool = key[len(DUE_PREFIX) + 1 : -1]
        try:
            left -= settle_due(ctx, pool, left)
        except (CommandError, WrongType):
            # Somebody else's key, or one that holds something else.
            count_poison(ctx)
        if left <= 0:
            return True
    return False


# --- claiming ---------------------------------------------------------------------------------


@command(
    "JOB.CLAIM",
    group="job",
    since="0.1.0",
    flags="write blocking denyoom",
    complexity="O(K+C*log(N)) for C claimed jobs out of N, of K kinds.",
    summary="Takes jobs to run: the oldest ready ones of the highest priority.",
    arguments=[
        _POOL,
        String("worker"),
        ArgumentGroup(
            "kinds",
            Integer("numkinds"),
            String("kind", multiple=True),
            token="KINDS",
            optional=True,
        ),
        Integer("count", token="COUNT", optional=True),
        Integer("lease", token="LEASE", optional=True),
        Integer("block", token="BLOCK", optional=True),
    ],
)
def job_claim(ctx: Context, argv: list[bytes]) -> Outcome:
    """The answer is the row of the job, now running; with COUNT, an array of up to so many.
    Nil when no job is ready. BLOCK waits up to so many milliseconds (0 is for ever) for one;
    who waits longest is served first.

    The worker holds a job for LEASE milliseconds (`job-lease-ms` where that is not given),
    and longer with JOB.PROGRESS and JOB.EXTEND. A job whose lease runs out is queued again,
    or failed if all its attempts are used up.

        > JOB.CLAIM gpu w1 KINDS 2 train backfill LEASE 60000
        "{...}"
        > JOB.CLAIM gpu w2
        (nil)
    """
    table = JobTable(ctx, argv[1])
    worker = worker_of(argv[2])
    kinds: tuple[str, ...] = table.kinds
    count = lease = timeout = None
    arguments = Arguments(argv, 3)
    while arguments:
        match arguments.option():
            case b"KINDS":
                words = arguments.words(count_from(arguments.word(), 1))
                kinds = tuple(dict.fromkeys(kind_of(table, word) for word in words))
            case b"COUNT":
                count = count_from(arguments.word(), 1)
            case b"LEASE":
                lease = milliseconds(arguments.word(), 1)
            case b"BLOCK":
                timeout = parse_duration(arguments.word(), ctx.now)
            case _:
                raise CommandError(SYNTAX)
    settle_due(ctx, argv[1], BATCH)
    jobs = _ready_jobs(table, kinds, count or 1)
    if not jobs:
        nothing = None if count is None else NULL_ARRAY
        if timeout is None:
            return nothing
        return BlockOn(
            [table.keys.ready(kind) for kind in kinds],
            ctx.now + timeout if timeout else None,
            SortedSet,
            otherwise=nothing,
            timed_out=nothing,
        )
    if lease is None:
        lease = ctx.instance.settings.job_lease_ms
    for job in jobs:
        table.start(job, worker, lease)
    table.commit()
    rows = [job.row.encode() for job in jobs]
    return rows[0] if count is None else rows


def _ready_jobs(table: JobTable, kinds: tuple[str, ...], count: int) -> list[Job]:
    """The next jobs in the order in which they are to be claimed."""
    ctx = table.ctx
    while True:
        heads = []
        for kind in kinds:
            key = table.keys.ready(kind)
            pairs = ctx.call(b"ZRANGE", key, b"0", b"%d" % (count - 1), b"WITHSCORES")
            if pairs:
                heads += [(score, member, kind) for member, score in pairs.items]
        if len(kinds) > 1:
            heads.sort()
        jobs, stale = [], False
        for _, member, kind in heads[:count]:
            job = table.take_sound(ready_id(member))
            if job is not None and _is_ready(job, member, kind):
                jobs.append(job)
            else:
                # Its record was removed or edited by other means, or cannot be read.
                ctx.call(b"ZREM", table.keys.ready(kind), member)
                stale = True
        if not stale:
            return jobs


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
    """NOTOWNER for a worker that does not hold the job, or not any more."""
    if worker is None:
        return
    if job.worker != worker or (job.row.status == "running" and not job.holds_lease(table.ctx.now)):
        raise failure(
            "NOTOWNER", "worker {} does not hold job {} in pool {}", worker, job.id, table.pool
        )


def _check_alive(table: JobTable, job: Job) -> None:
    if job.row.terminal:
        raise failure("TERMINAL", f"job {{}} in pool {{}} is {job.row.status}", job.id, table.pool)


def _worker_option(argv: list[bytes], at: int) -> bytes | None:
    """The worker behind WORKER, where that is the only option."""
    arguments = Arguments(argv, at)
    worker = worker_of(arguments.word()) if arguments.flag(b"WORKER") else None
    arguments.finish()
    return worker


@command(
    "JOB.PROGRESS",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Says how far a running job is, renews its lease, and answers its status.",
    arguments=[_POOL, String("id"), Integer("percent"), _WORKER],
)
def job_progress(ctx: Context, argv: list[bytes]) -> Reply:
    """The status tells the worker whether to go on: anything but `running` means that the job
    is not its own any more, and nothing was changed. Over 100 is 100, and progress may go
    back. A worker that gives its name gets a NOTOWNER error when it has lost its lease.

        > JOB.PROGRESS gpu <job> 40 WORKER w1
        "running"
        > JOB.PROGRESS gpu <job> 40 WORKER w2
        (error) NOTOWNER worker w2 does not hold job <job> in pool gpu
    """
    table = JobTable(ctx, argv[1])
    percent = parse_integer(argv[3])
    if percent < 0:
        raise CommandError("ERR value is out of range, must be positive")
    worker = _worker_option(argv, 4)
    job = table.require(argv[2])
    _check_owner(table, job, worker)
    if job.row.status != "running":
        return job.row.status.encode()
    if not job.holds_lease(ctx.now):
        # What the sweep, which has not come to it yet, will make of it.
        return b"failed" if job.used_up else b"queued"
    job.row.progress = min(100, percent)
    job.lease_until = max(job.lease_until, ctx.now + job.lease)
    table.commit()
    return b"running"


@command(
    "JOB.EXTEND",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Has a worker hold its job for so many milliseconds from now.",
    arguments=[_POOL, String("id"), String("worker"), Integer("milliseconds")],
)
def job_extend(ctx: Context, argv: list[bytes]) -> Reply:
    """The answer is when the lease now runs out, in epoch milliseconds.

    > JOB.EXTEND gpu <job> w1 3600000
    (integer) <deadline>
    """
    table = JobTable(ctx, argv[1])
    worker, lease = worker_of(argv[3]), milliseconds(argv[4], 1)
    job = table.require(argv[2])
    _check_owner(table, job, worker)
    _check_alive(table, job)
    job.lease_until = ctx.now + lease
    table.commit()
    return job.lease_until


@command(
    "JOB.COMPLETE",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Ends a job that was done.",
    arguments=[_POOL, String("id"), String("metrics", token="METRICS", optional=True), _WORKER],
)
def job_complete(ctx: Context, argv: list[bytes]) -> Reply:
    """Its progress is 100 then. METRICS is JSON, kept as the text that it is. Jobs that wait
    for this one become ready. To complete it again is fine; a job that has ended otherwise
    is a TERMINAL error.

        > JOB.COMPLETE gpu <job> METRICS '{"auc": 0.91}' WORKER w1
        OK
    """
    table = JobTable(ctx, argv[1])
    metrics = worker = None
    arguments = Arguments(argv, 3)
    while arguments:
        match arguments.option():
            case b"METRICS":
                metrics = json_text(arguments.word(), "metrics")
            case b"WORKER":
                worker = worker_of(arguments.word())
            case _:
                raise CommandError(SYNTAX)
    job = table.require(argv[2])
    _check_owner(table, job, worker)
    if job.row.status == "completed" and metrics in (None, job.row.metrics):
        return OK
    _check_alive(table, job)
    table.finish(job, "completed", metrics=metrics)
    table.commit()
    return OK


@command(
    "JOB.FAIL",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Ends an attempt that failed: for good, or to try again.",
    arguments=[_POOL, String("id"), String("message"), Token("RETRY", optional=True), _WORKER],
)
def job_fail(ctx: Context, argv: list[bytes]) -> Reply:
    """With RETRY the job is queued again as long as it has attempts left, and the answer is
    `retry` and when it will be ready. The pause is its BACKOFF, doubled for each attempt
    after the first, and up to a quarter more by chance. Otherwise the answer is `failed`,
    with the message in the row.

        > JOB.SUBMIT gpu train ham '{}' ATTEMPTS 2
        "<other>"
        > JOB.CLAIM gpu w1
        "{...}"
        > JOB.FAIL gpu <other> 'out of memory' RETRY WORKER w1
        "retry <ready>"
    """
    table = JobTable(ctx, argv[1])
    message = text(argv[3], "message")
    retry, worker = False, None
    arguments = Arguments(argv, 4)
    while arguments:
        match arguments.option():
            case b"RETRY":
                retry = True
            case b"WORKER":
                worker = worker_of(arguments.word())
            case _:
                raise CommandError(SYNTAX)
    job = table.require(argv[2])
    if _is_repeated(job, argv[3], retry, worker):
        return b"retry %d" % job.ready_at
    _check_owner(table, job, worker)
    if job.row.status == "failed" and job.row.error == message:
        return b"failed"
    _check_alive(table, job)
    if job.row.status == "queued":
        # Nobody claimed it, but somebody tried.
        job.attempts += 1
    if retry and not job.used_up:
        table.retry(job, argv[3], _pause(ctx, job))
        answer = b"retry %d" % job.ready_at
    else:
        table.finish(job, "failed", error=message)
        answer = b"failed"
    table.commit()
    return answer


def _is_repeated(job: Job, message: bytes, retry: bool, worker: bytes | None) -> bool:
    """Whether this failure has been told before: the reply to it may have been lost."""
    return (
        retry
        and job.row.status == "queued"
        and job.last_error == message
        and (worker is None or worker == job.failed_by)
    )


def _pause(ctx: Context, job: Job) -> int:
    """How long to wait before the next attempt; not all of a crowd at the same moment."""
    doubled = job.backoff << min(max(0, job.attempts - 1), 32)
    pause = min(doubled, max(job.backoff, _LONGEST_BACKOFF_MS))
    return pause + ctx.rng.randrange(pause // 4 + 1)
