"""JOB.CLAIM: which jobs a worker gets, and what it is told about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from commands.domain.arguments import Count, Milliseconds
from commands.domain.calls import call_scores
from commands.domain.jobs.arguments import MOST_KINDS, POOL, kind_word, worker_name
from commands.domain.jobs.config import read_config
from commands.domain.jobs.due import open_due_jobs
from commands.domain.jobs.layout import WAKE, Keys, ready_id, ready_member
from commands.domain.jobs.limits import Allowance
from commands.domain.jobs.rows import Job
from commands.domain.jobs.table import JobTable
from commands.engine.effects import BlockOn, Outcome
from commands.engine.grammar import ArgumentGroup, String, Token
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, Reply
from commands.instance.context import Context
from storage.values.sorted_sets import SortedSet

# How many jobs one claim hands out at most: these take about 10 ms.
MOST_CLAIMED = 100
# How many kinds a claim for any kind chooses from, if some kinds of the pool have limits.
_MOST_KINDS = 500
# How many members of the indexes that are of no ready job one claim looks at.
_MOST_STALE = 200


@dataclass(slots=True)
class Claim:
    pool: bytes
    worker: bytes
    kinds: list[bytes] | None = None
    count: int | None = None
    lease: int | None = None
    block: int | None = None
    withtoken: bool = False


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
            Count("numkinds", high=MOST_KINDS),
            String("kind", multiple=True, convert=kind_word),
            token="KINDS",
            optional=True,
        ),
        Count("count", "COUNT"),
        Milliseconds("lease", "LEASE"),
        Milliseconds("block", "BLOCK", low=0),
        Token("WITHTOKEN", optional=True),
    ],
    request=Claim,
)
def job_claim(ctx: Context, request: Claim) -> Outcome:
    """Returns the row of the job, which is now running; with `COUNT`, an array of up to that
    many rows, and never more than 100. Without a ready job the reply is nil. `BLOCK` waits for
    one, for a time in milliseconds (0 is for ever); the worker that has waited longest is served
    first. `KINDS` takes the number of kinds, then the kinds.

    The worker holds the job for `LEASE` milliseconds (default: the setting `job-lease-ms`),
    and longer with `JOB.PROGRESS` and `JOB.EXTEND`. A job whose lease expires is queued
    again, or has failed if no attempts are left.

    With `WITHTOKEN` each job is a map of its `row`, the `token` of this claim, the number of
    the `attempt` and the end of the lease, `lease_until`, in milliseconds since the epoch. A
    report that names the token is refused once the job is no longer held under this claim.

        > JOB.CLAIM gpu w1 KINDS 2 train backfill LEASE 60000
        "{...}"
        > JOB.CLAIM gpu w2
        (nil)
    """
    nothing = None if request.count is None else NULL_ARRAY
    config = read_config(ctx, Keys(request.pool))
    table = open_due_jobs(ctx, request.pool)
    allowance = Allowance(table, config)
    kinds = None if request.kinds is None else list(dict.fromkeys(request.kinds))
    picked = _Picked([])
    if not config.paused:
        picked = _ready_jobs(table, kinds, allowance, min(request.count or 1, MOST_CLAIMED))
    lease = request.lease or ctx.instance.settings.job_lease_ms
    for job in picked.jobs:
        table.start(job, request.worker, lease)
    allowance.count_starts(table.keys)
    if request.block is not None and not picked.jobs and not config.paused:
        _plan_wake(table, allowance.more_at())
    table.commit()
    if picked.jobs:
        claimed = [_reply(job, request) for job in picked.jobs]
        return claimed[0] if request.count is None else claimed
    if request.block is None or picked.more:
        return nothing
    keys = table.keys
    return BlockOn(
        [keys.ready] if kinds is None else [keys.ready_of(kind) for kind in kinds],
        ctx.now + request.block if request.block else None,
        SortedSet,
        otherwise=nothing,
        timed_out=nothing,
        by_arrival=True,
    )


def _plan_wake(table: JobTable, moment: int | None) -> None:
    """Have claims that wait run again when the window of a rate ends."""
    if moment is not None:
        due = table.keys.due
        table.link((b"ZADD", due, b"%d" % moment, WAKE), (b"ZREM", due, WAKE))


def _reply(job: Job, request: Claim) -> Reply:
    row = job.row.encode()
    if not request.withtoken:
        return row
    return {
        b"row": row,
        b"token": job.token,
        b"attempt": job.attempts,
        b"lease_until": job.lease_until,
    }


# --- choosing -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Picked:
    jobs: list[Job]
    # Whether others may be ready, behind members that are of no ready job.
    more: bool = False


def _ready_jobs(
    table: JobTable, kinds: list[bytes] | None, allowance: Allowance, count: int
) -> _Picked:
    """Return the jobs to be claimed next, in their order, as far as the limits allow.

    Members of the indexes that are of no ready job are removed with the next commit.
    """
    count = min(count, allowance.starts())
    indexes = _indexes(table, kinds, allowance)
    if not count or not indexes:
        return _Picked([])
    # What was due is done in the table alone, so these jobs are not in the indexes yet.
    ready = [
        (-job.priority, ready_member(job), job)
        for job in table.opened()
        if _is_ready(job) and (kinds is None or job.row.kind.encode() in kinds)
    ]
    known = {job.id for _, _, job in ready}
    examined = count + len(known) + _MOST_STALE
    stale: dict[bytes, list[bytes]] = {}
    stored = 0
    for _, member, index in _heads(table, indexes, count + len(known)):
        if stored >= count:
            break
        examined -= 1
        if ready_id(member) in known:
            continue
        job = table.open_readable(ready_id(member))
        if job is not None and _is_ready(job) and _is_of(table, job, index, member):
            ready.append((-job.priority, member, job))
            known.add(job.id)
            stored += 1
        else:
            # The job was removed or edited by other commands, or cannot be read.
            stale.setdefault(index, []).append(member)
    for index, members in stale.items():
        undo = [word for member in members for word in (b"0", member)]
        table.link((b"ZREM", index, *members), (b"ZADD", index, *undo))
    ready.sort(key=lambda one: one[:2])
    jobs: list[Job] = []
    for _, _, job in ready:
        if len(jobs) < count and allowance.take(job.row.kind.encode()):
            jobs.append(job)
    return _Picked(jobs, more=examined <= 0)


def _indexes(table: JobTable, kinds: list[bytes] | None, allowance: Allowance) -> dict[bytes, int]:
    """The indexes of ready jobs to choose from, with how many may be started of each."""
    keys = table.keys
    if kinds is None and allowance.any_kind:
        return {keys.ready: allowance.starts()}
    if kinds is None:
        prefix = keys.ready_of(b"")
        in_use = islice(table.ctx.db.ordered.range(prefix), _MOST_KINDS)
        kinds = [index[len(prefix) :] for index in in_use]
        # Kinds of jobs that were due, and are in no index yet.
        kinds += [job.row.kind.encode() for job in table.opened() if _is_ready(job)]
    return {keys.ready_of(kind): starts for kind in kinds if (starts := allowance.starts(kind))}


def _heads(
    table: JobTable, indexes: dict[bytes, int], count: int
) -> Iterator[tuple[float, bytes, bytes]]:
    """The first members of all these indexes, in their order; usually `count` are enough."""
    seen: set[tuple[bytes, bytes]] = set()
    for more in (0, _MOST_STALE):
        heads: list[tuple[float, bytes, bytes]] = []
        complete = True
        for index, starts in indexes.items():
            most = min(count, starts) + more // len(indexes)
            words = (b"0", b"%d" % (most - 1), b"WITHSCORES")
            found = call_scores(table.ctx, b"ZRANGE", index, *words)
            complete = complete and len(found) < most
            heads += [(score, member, index) for member, score in found]
        if len(indexes) > 1:
            heads.sort()
        for head in heads[: count + more]:
            if head[1:] not in seen:
                seen.add(head[1:])
                yield head
        if complete:
            return


def _is_ready(job: Job) -> bool:
    return job.row.status == "queued" and not job.delayed and not job.waiting_for


def _is_of(table: JobTable, job: Job, index: bytes, member: bytes) -> bool:
    """Whether a job belongs into an index of ready jobs as this member."""
    keys = table.keys
    return ready_member(job) == member and index in (
        keys.ready,
        keys.ready_of(job.row.kind.encode()),
    )
