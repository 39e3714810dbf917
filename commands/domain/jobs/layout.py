"""Where the jobs of a pool are stored and indexed.

The sorted sets that index a pool, and what is due in it, can be computed from its jobs alone:
`Keys.index_entries` does.

| key | type | holds |
|---|---|---|
| `redkeep:job:{pool}:<id>` | hash | `row` and the scheduling facts |
| `redkeep:jobs:{pool}:all` | sorted set | every id, by time of creation |
| `redkeep:jobs:{pool}:status:<status>` | sorted set | the same, for one status |
| `redkeep:jobs:{pool}:kind:<kind>` | sorted set | the same, for one kind |
| `redkeep:jobs:{pool}:target:<target>` | sorted set | the same, for one target |
| `redkeep:jobs:{pool}:worker:<worker>` | sorted set | the same, for one worker |
| `redkeep:jobs:{pool}:running:<kind>` | sorted set | the same, for running jobs of one kind |
| `redkeep:jobs:{pool}:ready` | sorted set | jobs that can be claimed, by negated priority |
| `redkeep:jobs:{pool}:ready:<kind>` | sorted set | the same, for one kind |
| `redkeep:jobs:{pool}:finished:<status>` | sorted set | ended jobs, by the time they ended |
| `redkeep:jobs:{pool}:durations` | sorted set | ended jobs, by how long they ran |
| `redkeep:jobs:{pool}:dependents:<id>` | set | the jobs that wait for this one |
| `redkeep:jobs:{pool}:unique` | hash | unique key to the live job that holds it |
| `redkeep:jobs:{pool}:children:<id>` | sorted set | jobs with this parent, by time of creation |
| `redkeep:jobs:{pool}:log:<id>` | stream | the log lines of a job |
| `redkeep:jobs:{pool}:config` | hash | whether the pool is paused, its limits, what it keeps |
| `redkeep:jobs:{pool}:rates` | hash | starts of jobs in the present window of each rate limit |
| `redkeep:jobs:{pool}:schedules` | hash | name of a schedule to what it submits, as JSON |
| `redkeep:jobs:{pool}:last` | string | the last id that was generated |
| `redkeep:jobs-due:{pool}` | sorted set | `start:<id>`, `lease:<id>`, `gone:<id>`, by time |
| `redkeep:jobs:{pool}:next` | string | when something in the pool is next due |
| `redkeep:jobs:due:<ms>:{pool}` | string | the same, in the agenda of all pools |

Members with equal scores sort by their bytes. Ids sort by time, and a member of `ready` is the
time of creation followed by the id. In the set of due jobs, `start` is the end of a delay,
`lease` the end of a lease, and `gone` the end of a TTL. A job with many dependents is in it as
`unblock:<id>` or `cancel:<id>` from its end until all of them know of it. `retain` is when ended
jobs are looked at that need not be kept, `schedule:<name>` when one is next submitted, and
`wake` when the window of a rate ends and claims wait.
"""

from __future__ import annotations

from commands.domain.agenda import Agenda
from commands.domain.arguments import check_pool
from commands.domain.jobs.rows import Job

JOB_PREFIX = b"redkeep:job:{"
INDEX_PREFIX = b"redkeep:jobs:{"
DUE_PREFIX = b"redkeep:jobs-due:"
AGENDA = Agenda(b"redkeep:jobs:due:")
# What is to be done to the dependents of a job that has ended.
UNBLOCK, CANCEL = b"unblock", b"cancel"
# Other work on a pool, among what is due.
RETAIN, SCHEDULE, WAKE = b"retain", b"schedule", b"wake"

IndexEntry = tuple[bytes, bytes]  # key of a sorted set, member


class Keys:
    """The keys of one pool. All have the pool as their hash tag, so they share a slot."""

    __slots__ = (
        *("all", "config", "due", "durations", "index", "job", "last", "next", "rates", "ready"),
        *("schedules", "unique"),
    )

    def __init__(self, pool: bytes) -> None:
        check_pool(pool)
        self.job = b"redkeep:job:{%b}:" % pool
        self.index = b"redkeep:jobs:{%b}:" % pool
        self.due = b"%b{%b}" % (DUE_PREFIX, pool)
        self.all = self.index + b"all"
        self.durations = self.index + b"durations"
        self.unique = self.index + b"unique"
        self.last = self.index + b"last"
        self.next = self.index + b"next"
        self.ready = self.index + b"ready"
        self.config = self.index + b"config"
        self.rates = self.index + b"rates"
        self.schedules = self.index + b"schedules"

    def ready_of(self, kind: bytes) -> bytes:
        return b"%bready:%b" % (self.index, kind)

    def running(self, kind: bytes) -> bytes:
        return b"%brunning:%b" % (self.index, kind)

    def children(self, ident: bytes) -> bytes:
        return b"%bchildren:%b" % (self.index, ident)

    def log(self, ident: bytes) -> bytes:
        return b"%blog:%b" % (self.index, ident)

    def by(self, what: bytes, value: bytes) -> bytes:
        """Return the index of jobs with this `status`, `kind`, `target` or `worker`."""
        return b"%b%b:%b" % (self.index, what, value)

    def finished(self, status: str) -> bytes:
        return b"%bfinished:%b" % (self.index, status.encode())

    def dependents(self, ident: bytes) -> bytes:
        return b"%bdependents:%b" % (self.index, ident)

    def index_entries(self, job: Job) -> dict[IndexEntry, int]:
        """Return every member of a sorted set that this job causes, with its score.

        This alone defines the indexes: to change a job is to write the difference between
        its entries before and after.
        """
        row, ident = job.row, job.id
        status, created = row.status, row.created_at
        kind = row.kind.encode()
        index = self.index
        entries = {
            (self.all, ident): created,
            (b"%bstatus:%b" % (index, status.encode()), ident): created,
            (b"%bkind:%b" % (index, kind), ident): created,
            (b"%btarget:%b" % (index, row.target.encode()), ident): created,
        }
        if job.worker:
            entries[b"%bworker:%b" % (index, job.worker), ident] = created
        if job.parent:
            entries[self.children(job.parent), ident] = created
        if job.expires_at:
            entries[self.due, b"gone:" + ident] = job.expires_at
        if status == "queued":
            if job.delayed:
                entries[self.due, b"start:" + ident] = job.ready_at
            elif not job.waiting_for:
                member = ready_member(job)
                entries[b"%bready:%b" % (index, kind), member] = -job.priority
                entries[self.ready, member] = -job.priority
        elif status == "running":
            entries[self.due, b"lease:" + ident] = job.lease_until
            entries[self.running(kind), ident] = created
        else:
            # A row that was put may not say when the job ended.
            entries[self.finished(status), ident] = row.finished_at or created
            duration = row.duration_ms
            if duration is not None:
                entries[self.durations, ident] = duration
        return entries


def ready_member(job: Job) -> bytes:
    return b"%016d:%b" % (job.row.created_at, job.id)


def ready_id(member: bytes) -> bytes:
    return member[-32:]
