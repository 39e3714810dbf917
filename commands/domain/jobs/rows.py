"""A job as it is stored: its row, one JSON object, and the scheduling facts beside it.

A job is a hash. Its field `row` holds the row; each other field holds one scheduling fact and
is absent where the fact has its default. `layout` says where a job is stored and indexed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields

import orjson

from commands.domain.arguments import LONGEST_MS, MOST
from commands.domain.numbers import stored_integer
from commands.domain.records import write_json
from commands.engine.numbers import INT32_MAX, INT32_MIN

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
TERMINAL = frozenset({"completed", "failed", "cancelled"})

ATTEMPTS = 3
BACKOFF_MS = 1000

# The scores of a sorted set are doubles, which are exact for integers up to this one.
LARGEST_NUMBER = 2**53

is_job_id = re.compile(rb"[0-9a-f]{32}").fullmatch
_ROW_MEMBERS = frozenset(
    "id kind target status progress created_at started_at finished_at error spec metrics".split()
)


@dataclass(slots=True)
class Row:
    """The row of a job: its JSON members, in their order, and those of others behind them."""

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
    others: dict[str, object] = field(default_factory=dict)

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
        return write_json(
            {
                "id": self.id,
                "kind": self.kind,
                "target": self.target,
                "status": self.status,
                "progress": self.progress,
                "created_at": self.created_at,
                "started_at": self.started_at,
                "finished_at": self.finished_at,
                "error": self.error,
                "spec": self.spec,
                "metrics": self.metrics,
                **self.others,
            }
        )


def decode_row(text: bytes | bytearray) -> Row:
    """Parse the row of a job; ValueError, with the reason, if it is not one.

    Members that a row does not have are kept, progress over 100 becomes 100, and an `error` or
    `metrics` that is not a string becomes None.
    """
    try:
        members = orjson.loads(text)
    except ValueError:
        raise ValueError("it is not valid JSON") from None
    if not isinstance(members, dict):
        raise ValueError("it is not a JSON object")
    ident = _text(members, "id").lower()
    if not is_job_id(ident.encode()):
        raise ValueError("id must be 32 hex digits")
    kind, status = _text(members, "kind"), _text(members, "status")
    if not kind:
        raise ValueError("kind must not be empty")
    if status not in STATUSES:
        raise ValueError("status is unknown")
    error, metrics = members.get("error"), members.get("metrics")
    row = Row(
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
    if not members.keys() <= _ROW_MEMBERS:
        row.others = {name: members[name] for name in members if name not in _ROW_MEMBERS}
    return row


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
_TEXTS = (
    *("worker", "token", "unique", "after", "waiting_for", "parent", "last_error", "failed_by"),
)


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
    # What the last claim handed out with the job. It stays when the attempt ends, so that a
    # report on that attempt can be repeated.
    token: bytes = b""
    unique: bytes = b""
    # Ids separated by spaces: all dependencies, and those that are not completed yet.
    after: bytes = b""
    waiting_for: bytes = b""
    # The id of the job that waits for this one as for its part.
    parent: bytes = b""
    # The message of the last attempt that failed, and the worker that sent it.
    last_error: bytes = b""
    failed_by: bytes = b""

    def encode(self) -> dict[bytes, bytes]:
        """Return the fields of the job's hash."""
        encoded = {b"row": self.row.encode()}
        for name, stored, limits, default in _FACTS:
            value = getattr(self, name)
            if value != default:
                encoded[stored] = b"%d" % value if limits else value
        return encoded

    def holds_lease(self, now: int) -> bool:
        return self.row.status == "running" and self.lease_until > now

    @property
    def on_last_attempt(self) -> bool:
        return self.attempts >= self.max_attempts


_DEFAULTS = {one.name: one.default for one in fields(Job)}
_FACTS = tuple(
    (name, name.encode(), _INTEGERS.get(name), _DEFAULTS[name]) for name in (*_INTEGERS, *_TEXTS)
)
FIELDS = (b"row", *(stored for _, stored, _, _ in _FACTS))

# The field with what a completed job has made. It may be large, and is read for itself.
RESULT = b"result"


def decode_job(ident: bytes, values: list[bytes | None]) -> Job:
    """Make a job of the fields of its hash, in the order of `FIELDS`; or ValueError."""
    text = values[0]
    if text is None:
        raise ValueError("it has no row")
    row = decode_row(text)
    if row.id.encode() != ident:
        raise ValueError("id is that of another job")
    job = Job(ident, row)
    for (name, _, limits, _), value in zip(_FACTS, values[1:], strict=True):
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
