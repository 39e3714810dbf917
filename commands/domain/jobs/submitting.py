"""JOB.SUBMIT and JOB.MSUBMIT: new jobs, given in words or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.domain.arguments import Count, Milliseconds, utf8_text
from commands.domain.errors import failure
from commands.domain.jobs.arguments import POOL, check_kind, job_id, kind_word, known_id
from commands.domain.jobs.rows import ATTEMPTS, BACKOFF_MS, Job, Row
from commands.domain.jobs.table import JobTable
from commands.domain.records import checked_json, write_json
from commands.engine.errors import CommandError
from commands.engine.grammar import ArgumentGroup, Integer, String
from commands.engine.numbers import INT32_MAX, INT32_MIN
from commands.engine.options import ArgumentParser
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_MOST_DEPENDENCIES = 1024
# How many jobs one command submits: these take about 10 ms.
_MOST_AT_ONCE = 100


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
    parent: bytes = b""


WHAT = [
    String("kind", convert=kind_word),
    String("target", convert=utf8_text("target")),
    String("spec", convert=utf8_text("spec")),
]
# How the job is run: what a schedule says of its jobs, too.
OPTIONS = [
    Integer("priority", "PRIORITY", optional=True, low=INT32_MIN, high=INT32_MAX),
    Milliseconds("delay", "DELAY", low=0),
    Count("attempts", "ATTEMPTS"),
    Milliseconds("backoff", "BACKOFF", low=0),
    Milliseconds("ttl", "TTL"),
    String("unique", "UNIQUE", optional=True, convert=_unique_key),
]
_ARGUMENTS = [
    POOL,
    *WHAT,
    String("id", "ID", optional=True, convert=job_id),
    *OPTIONS,
    ArgumentGroup(
        "after",
        Count("numids", high=_MOST_DEPENDENCIES),
        String("after-id", multiple=True, convert=known_id),
        token="AFTER",
        optional=True,
    ),
    String("parent", "PARENT", optional=True, convert=known_id),
]
parser = ArgumentParser("JOB.SUBMIT", Submit, _ARGUMENTS, own=True)


@command(
    "JOB.SUBMIT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(log(N)+D) with N jobs in the pool and D ids after AFTER.",
    summary="Submits a job and returns its id.",
    arguments=_ARGUMENTS,
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
    after it has ended. `PARENT` makes the job a child of another one, which is not claimed before
    all its children are completed; `JOB.CHILDREN` returns their results.

        > JOB.SUBMIT gpu train spam '{"rounds": 3}' PRIORITY 5
        "<job>"
        > JOB.SUBMIT gpu drift_compute spam '{}' AFTER 1 <job> UNIQUE nightly
        "<drift>"
    """
    table = JobTable(ctx, request.pool)
    ident = submit(table, request)
    table.commit()
    return ident


@dataclass(slots=True)
class SubmitMany:
    pool: bytes
    json: list[bytes]


@command(
    "JOB.MSUBMIT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    complexity="O(M*log(N)) for M jobs, with N jobs in the pool.",
    summary="Submits several jobs and returns their ids.",
    arguments=[POOL, String("json", multiple=True)],
    request=SubmitMany,
)
def job_msubmit(ctx: Context, request: SubmitMany) -> Reply:
    """Each JSON is an object of what `JOB.SUBMIT` takes: `kind`, `target` and `spec`, and its
    options in lower case, such as `priority` and `unique`; `after` is an array of ids. A `spec`
    that is an object or an array is stored as compact JSON. A job may name the id of one that
    stands before it in the same call. Either all jobs are submitted, up to 100, or none.

        > JOB.MSUBMIT mail '{"kind": "email", "target": "bob", "spec": {"n": 1}}'
        1) "<mail>"
    """
    if len(request.json) > _MOST_AT_ONCE:
        raise CommandError(f"ERR only {_MOST_AT_ONCE} jobs can be submitted at once")
    table = JobTable(ctx, request.pool)
    idents: list[Reply] = []
    for number, text in enumerate(request.json, 1):
        given = checked_json(text, f"job {number}")
        idents.append(submit(table, from_object(request.pool, given, f"job {number}")))
    table.commit()
    return idents


def from_object(pool: bytes, given: object, what: str) -> Submit:
    """Make a request of an object whose members are the arguments of JOB.SUBMIT."""
    if not isinstance(given, dict):
        raise failure("BADRECORD", "{} is not a JSON object", what)
    members = dict(given)
    argv = [b"JOB.SUBMIT", pool]
    argv += [_word(members.pop(name, None), name, what) for name in ("kind", "target", "spec")]
    after = members.pop("after", [])
    if not isinstance(after, list):
        raise failure("ERR", "{}: after must be an array of ids", what)
    if after:
        argv += [b"AFTER", b"%d" % len(after), *(_word(one, "after", what) for one in after)]
    for name, value in members.items():
        argv += [name.upper().encode(), _word(value, name, what)]
    try:
        return parser.parse(argv)
    except CommandError as error:
        code, _, reason = error.text.partition(b" ")
        raise CommandError(b"%b %b: %b" % (code, what.encode(), reason)) from None


def _word(value: object, name: str, what: str) -> bytes:
    """The word of a request that a member of an object stands for."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    if name == "spec" and isinstance(value, (dict, list)):
        return write_json(value)
    raise failure("ERR", "{}: {} is missing or of the wrong type", what, name)


def submit(table: JobTable, request: Submit, *, accepted: bool = False) -> bytes:
    """Add a job to a table, or find the one that this request was answered with before.

    The kind may be any if it was `accepted` before.
    """
    ctx = table.ctx
    ident, unique = request.id, request.unique
    if ident is not None and table.find(ident) is not None:
        return ident
    if unique:
        holder = table.live_holder(unique)
        if holder is not None:
            return holder
    if not accepted:
        check_kind(ctx, request.kind)
    dependencies = tuple(dict.fromkeys(request.after))
    awaited, failed = _awaited(table, dependencies)
    parent = _open_parent(table, request.parent) if request.parent else None
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
        parent=request.parent,
    )
    if failed is None:
        job.unique, job.waiting_for = unique, b" ".join(awaited)
        table.add(job)
        table.enqueue(job, request.delay)
        if parent is not None:
            table.wait_for_child(parent, ident)
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


def _open_parent(table: JobTable, ident: bytes) -> Job:
    """Open the parent of a new job, which must still be able to wait for it."""
    parent = table.open(ident)
    if parent is None:
        raise failure("NOTFOUND", "parent {} does not exist in pool {}", ident, table.pool)
    if parent.row.terminal:
        raise failure(
            "TERMINAL", "parent {} in pool {} is {}", ident, table.pool, parent.row.status
        )
    if parent.waiting_for.count(b" ") + 1 >= _MOST_DEPENDENCIES:
        raise failure("ERR", "parent {} waits for {} jobs already", ident, str(_MOST_DEPENDENCIES))
    return parent
