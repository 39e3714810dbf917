"""A job as it is stored, and the indexes of its pool.

A job is a hash. Its field `row` holds the row, one JSON object; each other field holds one
scheduling fact, and is absent where that is zero or empty. The indexes of a pool can be
computed from its jobs alone: `Keys.index_entries` does.

| key | type | holds |
|---|---|---|
| `redkeep:job:{pool}:<id>` | hash | `row` and the scheduling facts |
| `redkeep:jobs:{pool}:all` | sorted set | every id, by time of creation |
| `redkeep:jobs:{pool}:status:<status>` | sorted set | the same, for one status |
| `redkeep:jobs:{pool}:kind:<kind>` | sorted set | the same, for one kind |
| `redkeep:jobs:{pool}:target:<target>` | sorted set | the same, for one target |
| `redkeep:jobs:{pool}:worker:<worker>` | sorted set | the same, for one worker |
| `redkeep:jobs:{pool}:ready:<kind>` | sorted set | jobs that can be claimed, by negated priority |
| `redkeep:jobs:{pool}:finished:<status>` | sorted set | ended jobs, by the time they ended |
| `redkeep:jobs:{pool}:durations` | sorted set | ended jobs, by how long they ran |
| `redkeep:jobs:{pool}:dependents:<id>` | set | the jobs that wait for this one |
| `redkeep:jobs:{pool}:unique` | hash | unique key to the live job that holds it |
| `redkeep:jobs:{pool}:last` | string | the last id that was generated |
| `redkeep:jobs-due:{pool}` | sorted set | `start:<id>`, `lease:<id>`, `gone:<id>`, by time |
| `redkeep:jobs:{pool}:next` | string | when something in the pool is next due |
| `redkeep:jobs:due:<ms>:{pool}` | string | the same, in the agenda of all pools |

Members with equal scores sort by their bytes. Ids sort by time, and a member of `ready` is the
time of creation followed by the id. In the set of due jobs, `start` is the end of a delay,
`lease` the end of a lease, and `gone` the end of a TTL. A job with many dependents is in it as
`unblock:<id>` or `cancel:<id>` from its end until all of them know of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import orjson

from commands.domain.agenda import Agenda
from commands.domain.arguments import LONGEST_MS, MOST, check_pool
from commands.domain.numbers import stored_integer
from commands.engine.numbers import INT32_MAX, INT32_MIN

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
TERMINAL = frozenset({"completed", "failed", "cancelled"})

ATTEMPTS = 3
BACKOFF_MS = 1000

DUE_PREFIX = b"redkeep:jobs-due:"
AGENDA = Agenda(b"redkeep:jobs:due:")
# What is to be done to the dependents of a job that has ended.
UNBLOCK, CANCEL = b"unblock", b"cancel"
# The scores of a sorted set are doubles, which are exact for integers up to this one.
LARGEST_NUMBER = 2**53

is_job_id = re.compile(rb"[0-9a-f]{32}").fullmatch

IndexEntry = tuple[bytes, bytes]  # key of a sorted set, member


@dataclass(slots=True)
class Row:
    """The row of a job: its JSON members, in their order."""

    id: str
    kind: str
    target: str
    status: str
    progress: int = 0
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    error: str | None = None
    spec: str = ""
    metrics: str | None = None

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def duration_ms(self) -> int | None:
        """How long the job ran; None unless it has started and ended."""
        if not self.started_at or not self.finished_at or self.finished_at < self.started_at:
            return None
        return self.finished_at - self.started_at

    def encode(self) -> bytes:
        return orjson.dumps(self)


def decode_row(text: bytes | bytearray, kinds: Collection[str]) -> Row:
    """Parse the row of a job; ValueError, with the reason, if it is not one.

    Unknown members are dropped, progress over 100 becomes 100, and an `error` or `metrics`
    that is not a string becomes None.
    """
    try:
        members = orjson.loads(text)
    except ValueError:
        raise ValueError("it is not valid JSON") from None
    if not isinstance(members, dict):
        raise ValueError("it is not a JSON object")
    ident = _text(members, "id")
    if not is_job_id(ident.encode()):
        raise ValueError("id must be 32 lower-case hex digits")
    kind, status = _text(members, "kind"), _text(members, "status")
    if kind not in kinds:
        raise ValueError("kind is unknown")
    if status not in STATUSES:
        raise ValueError("status is unknown")
    error, metrics = members.get("error"), members.get("metrics")
    return Row(
        ident,
        kind,
        _text(members, "target"),
        status,
        min(100, _number(members, "progress")),
        _number(members, "created_at"),
        _number(members, "started_at"),
        _number(members, "finished_at"),
        error if isinstance(error, str) else None,
        _text(members, "spec"),
        metrics if isinstance(metrics, str) else None,
    )


def _text(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")
    return value


def _number(members: dict[str, object], name: str) -> int:
    value = members.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"{name} must be an integer from 0 to 2^53")
    return value


# A moment is at most three durations after the time of the clock.
LATEST = 4 * LONGEST_MS
# The scheduling facts, by the names of their fields, which the attributes of `Job` share, and
# the range of each. What the commands calculate from facts in range is in range.
_INTEGERS = {
    "priority": (INT32_MIN, INT32_MAX),
    "attempts": (0, MOST),
    "max_attempts": (0, MOST),
    "backoff": (0, LONGEST_MS),
    "ready_at": (0, LATEST),
    "delayed": (0, 1),
    "lease": (0, LONGEST_MS),
    "lease_until": (0, LATEST),
    "ttl": (0, LONGEST_MS),
    "expires_at": (0, LATEST),
}
_TEXTS = ("worker", "unique", "after", "waiting_for", "last_error", "failed_by")
_FACTS = tuple((name, name.encode(), _INTEGERS.get(name)) for name in (*_INTEGERS, *_TEXTS))
FIELDS = (b"row", *(field for _, field, _ in _FACTS))


@dataclass(slots=True)
class Job:
    """A row and the scheduling facts."""

    id: bytes
    row: Row
    # Higher priorities are claimed first.
    priority: int = 0
    # How often the job was started, and how often it may be.
    attempts: int = 0
    max_attempts: int = ATTEMPTS
    # The pause before the second attempt, in milliseconds.
    backoff: int = BACKOFF_MS
    # When the job can be claimed, or could first be.
    ready_at: int = 0
    # 1 until `ready_at`, if the job was delayed.
    delayed: int = 0
    # The length of the lease, and when it ends.
    lease: int = 0
    lease_until: int = 0
    # How long the job is kept while it is unclaimed or ended, and until when.
    ttl: int = 0
    expires_at: int = 0
    worker: bytes = b""
    unique: bytes = b""
    # Ids separated by spaces: all dependencies, and those that are not completed yet.
    after: bytes = b""
    waiting_for: bytes = b""
    # The message of the last attempt that failed, and the worker that sent it.
    last_error: bytes = b""
    failed_by: bytes = b""

    def encode(self) -> dict[bytes, bytes]:
        """Return the fields of the job's hash."""
        fields = {b"row": self.row.encode()}
        for name, field, limits in _FACTS:
            value = getattr(self, name)
            if value:
                fields[field] = b"%d" % value if limits else value
        return fields

    def holds_lease(self, now: int) -> bool:
        return self.row.status == "running" and self.lease_until > now

    @property
    def on_last_attempt(self) -> bool:
        return self.attempts >= self.max_attempts


def decode_job(ident: bytes, values: list[bytes | None], kinds: Collection[str]) -> Job:
    """Make a job of the fields of its hash, in the order of `FIELDS`; or ValueError."""
    text = values[0]
    if text is None:
        raise ValueError("it has no row")
    row = decode_row(text, kinds)
    if row.id.encode() != ident:
        raise ValueError("id is that of another job")
    job = Job(ident, row)
    for (name, _, limits), value in zip(_FACTS, values[1:], strict=True):
        if value is None:
            continue
        if limits is None:
            setattr(job, name, value)
            continue
        number = stored_integer(value, *limits)
        if number is None:
            raise ValueError(f"field {name} is not an integer in range")
        setattr(job, name, number)
    return job


# --- keys ---------------------------------------------------------------------------------


class Keys:
    """The keys of one pool. All have the pool as their hash tag, so they share a slot."""

    __slots__ = ("all", "due", "durations", "index", "job", "last", "next", "unique")

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

    def ready(self, kind: str) -> bytes:
        return b"%bready:%b" % (self.index, kind.encode())

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
        if job.expires_at:
            entries[self.due, b"gone:" + ident] = job.expires_at
        if status == "queued":
            if job.delayed:
                entries[self.due, b"start:" + ident] = job.ready_at
            elif not job.waiting_for:
                entries[b"%bready:%b" % (index, kind), ready_member(job)] = -job.priority
        elif status == "running":
            entries[self.due, b"lease:" + ident] = job.lease_until
        else:
            entries[self.finished(status), ident] = row.finished_at
            duration = row.duration_ms
            if duration is not None:
                entries[self.durations, ident] = duration
        return entries


def ready_member(job: Job) -> bytes:
    return b"%016d:%b" % (job.row.created_at, job.id)


def ready_id(member: bytes) -> bytes:
    return member[-32:]
