"""JOB.*: lists, figures, all the facts of one job, and removing old jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from commands.domain.arguments import LONGEST_MS, Count, Milliseconds, utf8_text
from commands.domain.calls import call_integer, call_scores
from commands.domain.errors import failure
from commands.domain.jobs.arguments import ID, POOL_READ, WORKER, Named, job_status, kind_word
from commands.domain.jobs.config import read_config
from commands.domain.jobs.layout import Keys
from commands.domain.jobs.listing import JobFilter, list_jobs
from commands.domain.jobs.retention import ENDED, MOST_PRUNED, remove_ended
from commands.domain.jobs.rows import STATUSES, TERMINAL
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import whole
from commands.domain.pages import PAGE, PLACE
from commands.engine.grammar import Argument, Integer, Key, String, Token
from commands.engine.numbers import INT64_MAX
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_PERCENTILES = (50, 95, 99)
# How many kinds have a count of their own in JOB.STATS.
_MOST_KINDS = 1000


# --- lists ------------------------------------------------------------------------------------


def _moment(name: str, token: str) -> Argument:
    return Integer(
        name, token, optional=True, low=0, high=LONGEST_MS, unit="unix-time-milliseconds"
    )


@command(
    "JOB.LIST",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(log(N)+M) for M returned jobs out of N, with one filter or none.",
    summary="Lists jobs in the order of their creation, a page at a time.",
    arguments=[
        POOL_READ,
        String("status", "STATUS", optional=True, convert=job_status),
        String("kind", "KIND", optional=True, convert=kind_word),
        String("target", "TARGET", optional=True, convert=utf8_text("TARGET")),
        WORKER,
        _moment("since", "SINCE"),
        _moment("until", "UNTIL"),
        Token("DESC", optional=True),
        PLACE,
        PAGE,
    ],
    request=JobFilter,
)
def job_list(ctx: Context, request: JobFilter) -> Reply:
    """Returns a cursor and an array of rows. Pass the cursor to the next call, with the same
    filters, until it is 0. A page has at most `COUNT` rows (default 100, never more than
    1000), but can have fewer, or none, before the end. `SINCE` and `UNTIL` limit the time of
    creation; both are inclusive. `WORKER` is the worker that runs the job or has ended it.

    Each filter has an index. With several filters, the index with the fewest jobs is read,
    and its jobs are checked against the others.

        > JOB.LIST gpu STATUS completed
        1) "0"
        2) 1) "{...}"
    """
    table = JobTable(ctx, request.pool)
    cursor, jobs = list_jobs(table, request)
    return [cursor, [job.row.encode() for job in jobs]]


# --- figures ----------------------------------------------------------------------------------


@command(
    "JOB.STATS",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(K+log(N)) with K kinds and N jobs in the pool.",
    summary="Returns counts of the jobs in a pool, and how long they wait and run.",
    arguments=[POOL_READ],
)
def job_stats(ctx: Context, argv: list[bytes]) -> Reply:
    """Returns a map: `total`; `status` and `kind`, each a map of counts, with
    the kinds that jobs of the pool have (1000 at most); `ready`, how many
    jobs can be claimed now; `oldest_queued_ms`, the age of the oldest queued job, or nil;
    `duration_ms`, the percentiles p50, p95 and p99 of how long ended jobs ran, nil if there
    are none; `paused`, 1 or 0; `limits`, a map of what `JOB.LIMIT` has set for kinds and, under
    an empty name, for the pool.

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
         6) 1) "drift_compute"
            2) (integer) 1
            3) "train"
            4) (integer) 2
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
        13) "paused"
        14) (integer) 0
        15) "limits"
        16) (empty array)
    """
    keys = Keys(argv[1])
    kind_prefix = keys.by(b"kind", b"")
    kinds = [
        key[len(kind_prefix) :] for key in islice(ctx.db.ordered.range(kind_prefix), _MOST_KINDS)
    ]

    def count(key: bytes) -> int:
        return call_integer(ctx, b"ZCARD", key)

    def counts(what: bytes, names: Sequence[bytes]) -> dict[bytes, Reply]:
        return {name: count(keys.by(what, name)) for name in names}

    queued = keys.by(b"status", b"queued")
    config = read_config(ctx, keys)
    oldest = call_scores(ctx, b"ZRANGE", queued, b"0", b"0", b"WITHSCORES")
    return {
        b"total": count(keys.all),
        b"status": counts(b"status", [status.encode() for status in STATUSES]),
        b"kind": counts(b"kind", kinds),
        b"ready": count(keys.ready),
        b"oldest_queued_ms": ctx.now - whole(oldest[0][1], 0, ctx.now) if oldest else None,
        b"duration_ms": {
            b"p%d" % percent: _percentile(ctx, keys.durations, percent) for percent in _PERCENTILES
        },
        b"paused": int(config.paused),
        b"limits": {
            kind: {
                b"rate": limit.rate,
                b"per_ms": limit.per,
                b"concurrency": limit.concurrency,
            }
            for kind, limit in sorted(config.limits.items())
        },
    }


def _percentile(ctx: Context, key: bytes, percent: int) -> int | None:
    """Return the smallest duration that this percentage of all does not exceed."""
    total = call_integer(ctx, b"ZCARD", key)
    rank = b"%d" % max(0, -(-total * percent // 100) - 1)
    found = call_scores(ctx, b"ZRANGE", key, rank, rank, b"WITHSCORES")
    return whole(found[0][1], 0) if found else None


@command(
    "JOB.INFO",
    group="job",
    since="0.1.0",
    flags="readonly fast",
    summary="Returns all facts about a job.",
    arguments=[POOL_READ, ID],
    request=Named,
)
def job_info(ctx: Context, request: Named) -> Reply:
    """Returns a map with the members of its row, its duration and its scheduling facts; nil
    if there is no such job. A fact that is not set is nil.
    """
    job = JobTable(ctx, request.pool).find(request.id)
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
        b"parent": job.parent or None,
        b"after": job.after.split(),
        b"waiting_for": job.waiting_for.split(),
        b"last_error": job.last_error or None,
    }


# --- removing old jobs --------------------------------------------------------------------------


def _ended_status(word: bytes) -> str:
    status = word.lower().decode("utf-8", "replace")
    if status not in TERMINAL:
        raise failure("ERR", "STATUS must be one of {}, not '{}'", " ".join(ENDED), word)
    return status


@dataclass(slots=True)
class Prune:
    pool: bytes
    older: int
    status: str | None = None
    limit: int = MOST_PRUNED


@command(
    "JOB.PRUNE",
    group="job",
    since="0.1.0",
    flags="write",
    complexity="O(M*log(N)) for M removed jobs out of N.",
    summary="Removes jobs that ended at least a given time ago.",
    arguments=[
        Key("pool", "RW access delete"),
        Milliseconds("older", "OLDER", low=0, optional=False),
        String("status", "STATUS", optional=True, convert=_ended_status),
        Count("limit", "LIMIT", high=INT64_MAX),
    ],
    request=Prune,
)
def job_prune(ctx: Context, request: Prune) -> Reply:
    """Returns how many jobs were removed: up to `LIMIT`, and never more than 200, so that other
    clients need not wait long. Call it again until it returns 0. `STATUS` restricts it to
    `completed`, `failed` or `cancelled` jobs.

        > JOB.PRUNE gpu OLDER 0 STATUS cancelled
        (integer) 1
    """
    table = JobTable(ctx, request.pool)
    statuses = ENDED if request.status is None else (request.status,)
    removed = remove_ended(
        table, statuses, ctx.now - request.older, min(request.limit, MOST_PRUNED)
    )
    table.commit()
    return removed
