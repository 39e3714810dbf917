"""What a job is, and where it stands in the keys of its pool.

A job is a hash with its row (one JSON object) in the field `row`, and beside it the facts
that schedule it, each in a field of its own and absent where it is zero or empty. Around
the jobs of a pool stand indexes, which follow from the jobs alone: `places` says which.

| key | type | holds |
|---|---|---|
| `redkeep:job:{pool}:<id>` | hash | `row` and the scheduling facts |
| `redkeep:jobs:{pool}:all` | sorted set | every id by time of creation |
| `redkeep:jobs:{pool}:status:<status>` | sorted set | the same, of one status |
| `redkeep:jobs:{pool}:kind:<kind>` | sorted set | the same, of one kind |
| `redkeep:jobs:{pool}:target:<target>` | sorted set | the same, of one target |
| `redkeep:jobs:{pool}:worker:<worker>` | sorted set | the same, of who has or had it last |
| `redkeep:jobs:{pool}:ready:<kind>` | sorted set | what can be claimed, by falling priority |
| `redkeep:jobs:{pool}:finished:<status>` | sorted set | finished jobs by when they were |
| `redkeep:jobs:{pool}:durations` | sorted set | finished jobs by how long they ran |
| `redkeep:jobs:{pool}:dependents:<id>` | set | the jobs that wait for this one |
| `redkeep:jobs:{pool}:unique` | hash | unique key to the live job that holds it |
| `redkeep:jobs-due:{pool}` | sorted set | `start:<id>`, `lease:<id>`, `gone:<id>` by when |

Members that have the same score are in the order of their bytes: ids sort by time, and
members of `ready` are an id behind the time of creation. What is due is the end of a delay,
the end of a lease, and the end of the time for which a job is kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from commands.engine.errors import CommandError

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
TERMINAL = frozenset({"completed", "failed", "cancelled"})

ATTEMPTS = 3
BACKOFF_MS = 1000

DUE_PREFIX = b"redkeep:jobs-due:"
# Beyond this a sorted set's scores, which are doubles, skip integers.
LARGEST_NUMBER = 2**53

is_job_id = re.compile(rb"[0-9a-f]{32}").fullmatch

Place = tuple[bytes, bytes]  # key of a sorted set, member


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
        """How long it ran; None while that cannot be said."""
        if not self.started_at or not self.finished_at or self.finished_at < self.started_at:
            return None
        return self.finished_at - self.started_at

    def encode(self) -> bytes:
        return orjson.dumps(self)


def decode_row(text: bytes | bytearray, kinds: Collection[str]) -> Row:
    """The row that a JSON text is; ValueError, saying why, if it is none.

    Members that a row does not have are dropped, progress over 100 is 100, and an `error`
    or `metrics` that is no text is none.
    """
    try:
        members = orjson.loads(text)
    except ValueError:
        raise ValueError("it is not valid JSON") from None
    if not isinstance(members, dict):
        raise ValueError("it is not a JSON object")
    ident = _text(members, "id")
    if not is_job_id(ident.encode()):
        raise ValueError("its id is not 32 lower-case hex digits")
    kind, status = _text(members, "kind"), _text(members, "status")
    if kind not in kinds:
        raise ValueError("its kind is unknown")
    if status not in STATUSES:
        raise ValueError("its status is unknown")
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


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ValueError(f"its {name} is not a string")
    return value


def _number(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(f"its {name} is not a number from 0 to 2^53")
    return value


# Facts beside the row, by the names of their fields and of the attributes of `Job`.
_INTEGERS = (
    "priority",
    "attempts",
    "max_attempts",
    "backoff",
    "ready_at",
    "delayed",
    "lease",
    "lease_until",
    "ttl",
    "expires_at",
)
_TEXTS = ("worker", "unique", "after", "waiting_for", "last_error", "failed_by")
_FACTS = tuple((name, name.encode(), name in _INTEGERS) for name in (*_INTEGERS, *_TEXTS))
FIELDS = (b"row", *(field for _, field, _ in _FACTS))


@dataclass(slots=True)
class Job:
    """A row and the facts that schedule it."""

    id: bytes
    row: Row
    # Higher ones are claimed first.
    priority: int = 0
    # How often it was started, and how often it may be.
    attempts: int = 0
    max_attempts: int = ATTEMPTS
    # The pause before a second attempt.
    backoff: int = BACKOFF_MS
    # When it can be, or could be, claimed.
    ready_at: int = 0
    # 1 while it waits for that moment.
    delayed: int = 0
    # How long whoever claimed it holds it without another word, and until when.
    lease: int = 0
    lease_until: int = 0
    # How long it is kept unclaimed, or finished, and until when.
    ttl: int = 0
    expires_at: int = 0
    worker: bytes = b""
    unique: bytes = b""
    # Ids with a space between: what it was submitted after, and what is still to come.
    after: bytes = b""
    waiting_for: bytes = b""
    # The message of the last attempt that failed, and who sent it.
    last_error: bytes = b""
    failed_by: bytes = b""

    def encode(self) -> dict[bytes, bytes]:
        """The fields of the job's hash."""
        fields = {b"row": self.row.encode()}
        for name, field, is_integer in _FACTS:
            value = getattr(self, name)
            if value:
                fields[field] = b"%d" % value if is_integer else value
        return fields

    def holds_lease(self, now: int) -> bool:
        return self.row.status == "running" and self.lease_until > now

    @property
    def used_up(self) -> bool:
        """Whether the attempt that is on is the last."""
        return self.attempts >= self.max_attempts


def decode_job(ident: bytes, values: list[bytes | None], kinds: Collection[str]) -> Job:
    """The job that the fields of a hash, in the order of `FIELDS`, make; or ValueError."""
    text = values[0]
    if text is None:
        raise ValueError("it has no row")
    row = decode_row(text, kinds)
    if row.id.encode() != ident:
        raise ValueError("its row has the id of another")
    job = Job(ident, row)
    for (name, _, is_integer), value in zip(_FACTS, values[1:], strict=True):
        if value is not None:
            setattr(job, name, int(value) if is_integer else value)
    return job


# --- keys ---------------------------------------------------------------------------------


class Keys:
    """The keys of one pool. They share the slot of the pool's name."""

    __slots__ = ("all", "due", "durations", "index", "job", "unique")

    def __init__(self, pool: bytes) -> None:
        # Without braces in it, the pool is all of the hash tag and no two pools share a key.
        if not pool or b"{" in pool or b"}" in pool:
            raise CommandError("ERR a pool needs a name without braces")
        self.job = b"redkeep:job:{%b}:" % pool
        self.index = b"redkeep:jobs:{%b}:" % pool
        self.due = b"%b{%b}" % (DUE_PREFIX, pool)
        self.all = self.index + b"all"
        self.durations = self.index + b"durations"
        self.unique = self.index + b"unique"

    def ready(self, kind: str) -> bytes:
        return b"%bready:%b" % (self.index, kind.encode())

    def by(self, what: bytes, value: bytes) -> bytes:
        """The index of the jobs that have this `status`, `kind`, `target` or `worker`."""
        return b"%b%b:%b" % (self.index, what, value)

    def finished(self, status: str) -> bytes:
        return b"%bfinished:%b" % (self.index, status.encode())

    def dependents(self, ident: bytes) -> bytes:
        return b"%bdependents:%b" % (self.index, ident)

    def places(self, job: Job) -> dict[Place, int]:
        """Every member of a sorted set that there is because of this job, with its score.

        This is the whole truth about the indexes: a change of a job comes down to the
        difference between its places before and after.
        """
        row, ident = job.row, job.id
        status, created = row.status, row.created_at
        kind = row.kind.encode()
        index = self.index
        places = {
            (self.all, ident): created,
            (b"%bstatus:%b" % (index, status.encode()), ident): created,
            (b"%bkind:%b" % (index, kind), ident): created,
            (b"%btarget:%b" % (index, row.target.encode()), ident): created,
        }
        if job.worker:
            places[b"%bworker:%b" % (index, job.worker), ident] = created
        if job.expires_at:
            places[self.due, b"gone:" + ident] = job.expires_at
        if status == "queued":
            if job.delayed:
                places[self.due, b"start:" + ident] = job.ready_at
            elif not job.waiting_for:
                places[b"%bready:%b" % (index, kind), ready_member(job)] = -job.priority
        elif status == "running":
            places[self.due, b"lease:" + ident] = job.lease_until
        else:
            places[self.finished(status), ident] = row.finished_at
            duration = row.duration_ms
            if duration is not None:
                places[self.durations, ident] = duration
        return places


def ready_member(job: Job) -> bytes:
    return b"%016d:%b" % (job.row.created_at, job.id)


def ready_id(member: bytes) -> bytes:
    return member[-32:]
