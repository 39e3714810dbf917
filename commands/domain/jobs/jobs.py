"""Jobs: submitting them, their rows as they are, waiting for their end.

`job_rows` says what a job is and which keys it stands in, `job_table` how it changes;
workers have their commands in `job_claims`, observers in `job_reports`.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.calls import call_text
from commands.domain.errors import failure
from commands.domain.ids import time_ordered_hex
from commands.domain.jobs.arguments import count_from, kind_of, milliseconds, new_id, text
from commands.domain.jobs.rows import ATTEMPTS, BACKOFF_MS, Job, Row, decode_row, is_job_id
from commands.domain.jobs.table import JobTable
from commands.engine.arguments import Arguments, parse_duration
from commands.engine.containers import declare_family_help
from commands.engine.effects import BlockOn, Outcome
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Integer, Key, String
from commands.engine.numbers import parse_int32
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context
from storage.values.hashes import Hash

_MOST_AWAITED = 1024
_POOL = Key("pool", "RW access update")
_POOL_READ = Key("pool", "RO access")


# --- submitting ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Options:
    """What stands behind the spec of a submission."""

    ident: bytes = b""
    priority: int = 0
    delay: int = 0
    attempts: int = ATTEMPTS
    backoff: int = BACKOFF_MS
    ttl: int = 0
    unique: bytes = b""
    after: tuple[bytes, ...] = ()


def _parse_options(argv: list[bytes]) -> _Options:
    options = _Options()
    arguments = Arguments(argv, 5)
    while arguments:
        match arguments.option():
            case b"ID":
                options.ident = new_id(arguments.word())
            case b"PRIORITY":
                options.priority = parse_int32(arguments.word(), "ERR value is out of range")
            case b"DELAY":
                options.delay = milliseconds(arguments.word())
            case b"ATTEMPTS":
                options.attempts = count_from(arguments.word(), 1)
            case b"BACKOFF":
                options.backoff = milliseconds(arguments.word())
            case b"TTL":
                options.ttl = milliseconds(arguments.word(), 1)
            case b"UNIQUE":
                options.unique = arguments.word()
                if not options.unique:
                    raise CommandError("ERR a unique key cannot be empty")
            case b"AFTER":
                count = count_from(arguments.word(), 1, _MOST_AWAITED)
                options.after = tuple(dict.fromkeys(arguments.words(count)))
            case _:
                raise CommandError(SYNTAX)
    return options


@command(
    "JOB.SUBMIT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D ids after AFTER.",
    summary="Submits a job, and answers its id.",
    arguments=[
        _POOL,
        String("kind"),
        String("target"),
        String("spec"),
        String("id", token="ID", optional=True),
        Integer("priority", token="PRIORITY", optional=True),
        Integer("delay", token="DELAY", optional=True),
        Integer("attempts", token="ATTEMPTS", optional=True),
        Integer("backoff", token="BACKOFF", optional=True),
        Integer("ttl", token="TTL", optional=True),
        String("unique", token="UNIQUE", optional=True),
        ArgumentGroup(
            "after",
            Integer("numids"),
            String("after-id", multiple=True),
            token="AFTER",
            optional=True,
        ),
    ],
)
def job_submit(ctx: Context, argv: list[bytes]) -> Reply:
    """The id is 32 hex digits that sort by time. A job that has the ID already, or that is
    alive and holds the UNIQUE key, is left as it is, and its id is the answer: so a
    submission can be repeated.

    Jobs of higher PRIORITY are claimed first, and among equals the oldest. DELAY holds a
    job back for so many milliseconds, AFTER until all jobs named there are completed; if
    one of them fails, or is cancelled or removed, the job is cancelled. ATTEMPTS (3) is how
    often it may be started in all, BACKOFF (1000) the pause before the second attempt,
    doubled for each one after it. With TTL a job is forgotten when it was ready for so long
    and nobody claimed it, and so long after it has ended.

        > JOB.SUBMIT gpu train spam '{"rounds": 3}' PRIORITY 5
        "<job>"
        > JOB.SUBMIT gpu drift_compute spam '{}' AFTER 1 <job> UNIQUE nightly
        "<drift>"
    """
    pool, spec = argv[1], text(argv[4], "spec")
    table = JobTable(ctx, pool)
    kind, target = kind_of(table, argv[2]), text(argv[3], "target")
    options = _parse_options(argv)
    ident, unique = options.ident, options.unique
    if ident and table.find(ident) is not None:
        return ident
    if unique:
        holder = call_text(ctx, b"HGET", table.keys.unique, unique)
        if holder is not None:
            alive = table.find_sound(holder)
            if alive is not None and not alive.row.terminal:
                return holder
    awaited, broken = _awaited(table, options.after)
    if ident:
        _forget_expired(ctx, pool, ident)
    else:
        ident = _next_id(ctx, table)
    job = Job(
        ident,
        Row(ident.decode(), kind, target, "queued", created_at=ctx.now, spec=spec),
        priority=options.priority,
        max_attempts=options.attempts,
        backoff=options.backoff,
        ttl=options.ttl,
        after=b" ".join(options.after),
    )
    if broken is None:
        job.unique, job.waiting_for = unique, b" ".join(awaited)
        table.add(job)
        table.enqueue(job, options.delay)
    else:
        table.add(job)
        table.cancel_after(job, broken.id, broken.row.status)
        table.finished(job)
    table.commit()
    return ident


def _awaited(table: JobTable, idents: tuple[bytes, ...]) -> tuple[list[bytes], Job | None]:
    """Which of the jobs are still to come, and one that will never be completed."""
    awaited, broken = [], None
    for ident in idents:
        job = table.find(ident)
        if job is None:
            raise failure("NOTFOUND", "no job {} in pool {} to wait for", ident, table.pool)
        if not job.row.terminal:
            awaited.append(ident)
        elif job.row.status != "completed" and broken is None:
            broken = job
    return awaited, broken


def _forget_expired(ctx: Context, pool: bytes, ident: bytes) -> None:
    """Make room for a job with the id of one whose time is over."""
    table = JobTable(ctx, pool)
    expired = table.take(ident, expired=True)
    if expired is not None:
        table.remove(expired)
        table.commit()


def _next_id(ctx: Context, table: JobTable) -> bytes:
    """An id that sorts behind all that this pool has been given by now.

    Many jobs come in one millisecond, and those are to be claimed in their order, too.
    """
    last = ctx.call(b"ZRANGE", table.keys.all, b"-1", b"-1")
    if last and last[0][:12] == b"%012x" % ctx.now:
        following = b"%032x" % (int(last[0], 16) + 1 + ctx.rng.getrandbits(32))
        if following[:12] == last[0][:12]:
            return following
    return time_ordered_hex(ctx)


# --- rows ---------------------------------------------------------------------------------


@command(
    "JOB.PUT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)) with N jobs in the pool.",
    summary="Stores the row of a job as it is given.",
    arguments=[_POOL, String("id"), String("json")],
)
def job_put(ctx: Context, argv: list[bytes]) -> Reply:
    """The row is a JSON object with all members of one, or the answer is a BADRECORD error;
    progress over 100 becomes 100. A job that has ended cannot be changed (TERMINAL), but the
    same row again is fine. A row that says `queued` can be claimed at once, one that says
    `running` has a lease that nobody holds: if nobody ends the job in time, it is queued.
    """
    put_row(ctx, argv[1], argv[2], argv[3])
    return OK


def put_row(ctx: Context, pool: bytes, word: bytes, json: bytes) -> None:
    """Store a row; what JOB.PUT and ML.PUT have in common."""
    table = JobTable(ctx, pool)
    ident = new_id(word)
    try:
        row = decode_row(json, table.kinds)
        if row.id.encode() != ident:
            raise ValueError("its id is another")
    except ValueError as reason:
        raise failure(
            "BADRECORD", f"no row for job {{}} in pool {{}}: {reason}", ident, pool
        ) from None
    before = ""
    try:
        job = table.take(ident)
    except CommandError:
        # What cannot be read protects nothing.
        job = Job(ident, row)
        table.replace_unread(job)
    else:
        if job is None:
            _forget_expired(ctx, pool, ident)
            job = Job(ident, row)
            table.add(job)
        elif job.row == row:
            return
        elif job.row.terminal:
            raise failure("TERMINAL", f"job {{}} in pool {{}} is {job.row.status}", ident, pool)
        else:
            before = job.row.status
            job.row = row
    _follow_row(ctx, table, job, before)
    table.commit()


def _follow_row(ctx: Context, table: JobTable, job: Job, before: str) -> None:
    """Bring the facts beside a row that was given into line with it."""
    row = job.row
    if row.terminal:
        table.finished(job)
    elif row.status == before:
        return
    elif row.status == "queued":
        given = (row.progress, row.started_at, row.finished_at)
        table.enqueue(job)
        row.progress, row.started_at, row.finished_at = given
    else:
        started, progress = row.started_at, row.progress
        table.start(job, b"", ctx.instance.settings.job_lease_ms)
        row.started_at, row.progress = started, progress


@command(
    "JOB.GET",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Answers the row of a job.",
    arguments=[_POOL_READ, String("id")],
)
def job_get(ctx: Context, argv: list[bytes]) -> Reply:
    """One JSON object; nil if there is no such job. Times are in epoch milliseconds, 0 for
    what has not happened.

        > JOB.GET gpu <job>
        "{...}"
        > JOB.GET gpu 00000000000000000000000000000000
        (nil)
    """
    return get_row(ctx, argv[1], argv[2])


def get_row(ctx: Context, pool: bytes, ident: bytes) -> bytes | None:
    table = JobTable(ctx, pool)
    job = table.find(ident) if is_job_id(ident) else None
    return None if job is None else job.row.encode()


@command(
    "JOB.DEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Removes a job in whatever state it is.",
    arguments=[_POOL, String("id")],
)
def job_del(ctx: Context, argv: list[bytes]) -> Reply:
    """1 if it was there, else 0. Jobs that wait for it are cancelled."""
    return delete_row(ctx, argv[1], argv[2])


def delete_row(ctx: Context, pool: bytes, ident: bytes) -> int:
    table = JobTable(ctx, pool)
    if not is_job_id(ident):
        return 0
    try:
        job = table.take(ident)
    except CommandError:
        table.remove_unread(ident)
    else:
        if job is None:
            return 0
        table.remove(job)
    table.commit()
    return 1


# --- the end of a job -----------------------------------------------------------------------


@command(
    "JOB.CANCEL",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(log(N)+D) with N jobs in the pool and D jobs that wait for this one.",
    summary="Cancels a job that has not ended.",
    arguments=[_POOL, String("id")],
)
def job_cancel(ctx: Context, argv: list[bytes]) -> Reply:
    """1 if that was still possible, else 0. A running job is cancelled at once: its worker is
    told so by what JOB.PROGRESS answers. Jobs that wait for it are cancelled as well.

        > JOB.CANCEL gpu <drift>
        (integer) 1
        > JOB.CANCEL gpu <drift>
        (integer) 0
    """
    table = JobTable(ctx, argv[1])
    job = table.take(argv[2])
    if job is None or job.row.terminal:
        return 0
    table.finish(job, "cancelled")
    table.commit()
    return 1


@command(
    "JOB.WAIT",
    group="job",
    since="0.1.0",
    flags="readonly blocking",
    summary="Waits until a job has ended, and answers its row.",
    arguments=[_POOL_READ, String("id"), Integer("milliseconds")],
)
def job_wait(ctx: Context, argv: list[bytes]) -> Outcome:
    """Nil if it has not ended in so many milliseconds (0 is for ever), or if there is no such
    job (any more).

        > JOB.WAIT gpu <drift> 5000
        "{...}"
    """
    table = JobTable(ctx, argv[1])
    timeout = parse_duration(argv[3], ctx.now)
    job = table.find(argv[2])
    if job is None:
        return None
    if job.row.terminal:
        return job.row.encode()
    return BlockOn(
        [table.keys.job + argv[2]],
        ctx.now + timeout if timeout else None,
        Hash,
        otherwise=None,
        timed_out=None,
        on_loss=True,
    )


declare_family_help("JOB", group="job", since="0.1.0")
