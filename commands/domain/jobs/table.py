"""The jobs of a pool, as one command reads and changes them.

    table = JobTable(ctx, pool)
    job = table.require(ident)
    table.finish(job, "completed")
    table.commit()

A command opens jobs, moves them from state to state, and commits. Only `commit` runs the
ordinary commands that store the changes, so an error before it leaves everything as it was,
and the indexes are derived from the jobs in one place. A table lives as long as its command.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from commands.domain.arguments import MOST
from commands.domain.calls import (
    call_integer,
    call_score,
    call_text,
    call_texts,
    call_values,
)
from commands.domain.errors import failure
from commands.domain.events import publish
from commands.domain.ids import time_ordered
from commands.domain.jobs.rows import (
    AGENDA,
    CANCEL,
    FIELDS,
    UNBLOCK,
    IndexEntry,
    Job,
    Keys,
    Row,
    decode_job,
    is_job_id,
)
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.numbers import format_float
from commands.instance.context import Context
from storage.errors import WrongType

_Words = tuple[bytes, ...]
# How many dependents a command, or a step of the sweep, updates when jobs end. Chains and fans
# of dependents may be of any length; the sweep does the rest, a step at a time.
MOST_FOLLOWED = 100


@dataclass(slots=True)
class _OpenJob:
    """A job that may be changed, with what is stored of it."""

    job: Job
    stored_fields: dict[bytes, bytes]
    stored_entries: Mapping[IndexEntry, float]
    # Filled in by `commit`.
    entries: dict[IndexEntry, int] = field(default_factory=dict)
    removed: bool = False


def _present(values: list[bytes | None]) -> dict[bytes, bytes]:
    """Return the fields that exist, of those that were read."""
    return {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}


class JobTable:
    """The jobs of a pool, with their transitions."""

    def __init__(self, ctx: Context, pool: bytes) -> None:
        self.ctx = ctx
        self.pool = pool
        self.keys = Keys(pool)
        self.kinds = ctx.instance.settings.job_kinds
        self._open: dict[bytes, _OpenJob] = {}
        # How many dependents of ended jobs this table has looked at.
        self.followed = 0
        # Changes of the keys `unique` and `dependents`, and of what is due because of them,
        # each with the call that undoes it.
        self._links: list[tuple[_Words, _Words]] = []
        self._deleted_keys: list[bytes] = []
        self._events: list[tuple[Job, str]] = []

    # --- looking up -----------------------------------------------------------------------

    def find(self, ident: bytes) -> Job | None:
        """Return a job to read, or None if there is none; BADRECORD if it cannot be read.

        A job whose TTL is over does not exist, even if it is not removed yet.
        """
        opened = self._open.get(ident)
        if opened is not None:
            return None if opened.removed else opened.job
        job = self._decode(ident, self._read(ident))
        return None if job is None or 0 < job.expires_at <= self.ctx.now else job

    def find_readable(self, ident: bytes) -> Job | None:
        """Like `find`, but count a job that cannot be read, and return None."""
        try:
            return self.find(ident)
        except (CommandError, WrongType):
            count_poison(self.ctx)
            return None

    def open(self, ident: bytes, *, expired: bool = False) -> Job | None:
        """Return a job to change, as `find` does; with `expired`, one whose TTL is over too."""
        opened = self._open.get(ident)
        if opened is not None:
            return None if opened.removed else opened.job
        values = self._read(ident)
        job = self._decode(ident, values)
        if job is None or (0 < job.expires_at <= self.ctx.now and not expired):
            return None
        self._open[ident] = _OpenJob(job, _present(values), self.keys.index_entries(job))
        return job

    def open_readable(self, ident: bytes) -> Job | None:
        """Like `open`, but count a job that cannot be read, and return None."""
        try:
            return self.open(ident)
        except (CommandError, WrongType):
            count_poison(self.ctx)
            return None

    def require(self, ident: bytes) -> Job:
        """Like `open`, but NOTFOUND if there is no such job."""
        job = self.open(ident)
        if job is None:
            raise failure("NOTFOUND", "no job {} in pool {}", ident, self.pool)
        return job

    def _read(self, ident: bytes) -> list[bytes | None]:
        return call_values(self.ctx, b"HMGET", self.keys.job + ident, *FIELDS)

    def _decode(self, ident: bytes, values: list[bytes | None]) -> Job | None:
        if values[0] is None and not any(values):
            return None
        try:
            return decode_job(ident, values, self.kinds)
        except ValueError as reason:
            raise failure(
                "BADRECORD", "job {} in pool {} cannot be read: {}", ident, self.pool, str(reason)
            ) from None

    # --- adding and removing --------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Add a job that does not exist."""
        self._open[job.id] = _OpenJob(job, {}, {})
        if job.unique:
            key = self.keys.unique
            self._links.append(((b"HSET", key, job.unique, job.id), (b"HDEL", key, job.unique)))
        for ident in job.waiting_for.split():
            key = self.keys.dependents(ident)
            self._links.append(((b"SADD", key, job.id), (b"SREM", key, job.id)))

    def next_id(self) -> bytes:
        """Return an id that sorts after all that were generated for this pool so far.

        Time alone does not ensure that: many jobs are submitted in one millisecond, and are to
        be claimed in the order of their submission; and clocks are set back.
        """
        key = self.keys.last
        try:
            last = call_text(self.ctx, b"GET", key)
        except WrongType:
            last = None
        number = time_ordered(self.ctx, after=int(last, 16) if last and is_job_id(last) else 0)
        ident = b"%032x" % number
        undo = (b"DEL", key) if last is None else (b"SET", key, last)
        self._links.append(((b"SET", key, ident), undo))
        return ident

    def replace_unreadable(self, job: Job) -> None:
        """Replace a record that cannot be read.

        Its index entries cannot be derived, so every index of the pool is searched for them.
        """
        ctx, ident = self.ctx, job.id
        entries: dict[IndexEntry, float] = {}
        for key in (*ctx.db.ordered.range(self.keys.index), self.keys.due):
            if ctx.call(b"TYPE", key) != "zset":
                continue
            for member in (ident, b"start:" + ident, b"lease:" + ident, b"gone:" + ident):
                score = call_score(ctx, b"ZSCORE", key, member)
                if score is not None:
                    entries[key, member] = score
        self._open[ident] = _OpenJob(job, _present(self._read(ident)), entries)

    def remove(self, job: Job) -> None:
        """Remove an open job, and cancel the jobs that wait for it."""
        self._open[job.id].removed = True
        self._add_event(job, "removed")
        self._remove_links(job)
        self._clean_up_all(self._update_dependents(job.id, "removed"))

    def remove_unreadable(self, ident: bytes) -> None:
        """Like `remove`, for a record that cannot be read."""
        self.replace_unreadable(Job(ident, Row(ident.decode(), "", "", "")))
        self._open[ident].removed = True
        self._clean_up_all(self._update_dependents(ident, "removed"))

    # --- transitions ----------------------------------------------------------------------

    def enqueue(self, job: Job, delay: int = 0) -> None:
        """Queue a job, to be claimed after a delay and once no dependency is left."""
        self._add_event(job, "queued")
        row = job.row
        row.status, row.progress, row.started_at, row.finished_at = "queued", 0, 0, 0
        job.worker, job.lease, job.lease_until = b"", 0, 0
        job.delayed = 1 if delay else 0
        job.ready_at = self.ctx.now + delay
        self._set_expiry(job)

    def unblock(self, job: Job) -> None:
        """Note that the delay of a queued job, or its last dependency, is over."""
        if not job.delayed and not job.waiting_for:
            job.ready_at = max(job.ready_at, self.ctx.now)
        self._set_expiry(job)

    def _set_expiry(self, job: Job) -> None:
        """Start the TTL of a queued job if it can be claimed."""
        blocked = job.delayed or job.waiting_for
        job.expires_at = job.ready_at + job.ttl if job.ttl and not blocked else 0

    def start(self, job: Job, worker: bytes, lease: int) -> None:
        """Start an attempt, under a lease of the worker that claimed the job."""
        self._add_event(job, "running")
        now = self.ctx.now
        row = job.row
        row.status, row.progress, row.started_at = "running", 0, now
        job.attempts = min(job.attempts + 1, MOST)
        job.delayed = job.expires_at = 0
        job.worker, job.lease, job.lease_until = worker, lease, now + lease
        self._remove_waits(job)

    def retry(self, job: Job, message: bytes, delay: int = 0) -> None:
        """End a failed attempt and queue the job for the next one."""
        job.last_error, job.failed_by = message, job.worker
        self.enqueue(job, delay)

    def expire_lease(self, job: Job) -> None:
        """End an attempt whose lease has expired: queue the job, or fail it after the last."""
        reason = b"the lease of %b expired in attempt %d of %d" % (
            job.worker or b"an unnamed worker",
            job.attempts,
            job.max_attempts,
        )
        if job.on_last_attempt:
            job.failed_by, job.worker = job.worker, b""
            self.finish(job, "failed", error=reason.decode("utf-8", "replace"))
        else:
            self.retry(job, reason)

    def finish(
        self, job: Job, status: str, *, error: str | None = None, metrics: str | None = None
    ) -> None:
        """End a job with this status, and update the jobs that wait for it."""
        row = job.row
        row.status, row.finished_at, row.error = status, self.ctx.now, error
        if status == "completed":
            row.progress = 100
        if metrics is not None:
            row.metrics = metrics
        self.clean_up(job)

    def clean_up(self, job: Job) -> None:
        """Release the lease, the unique key and the dependents of a job whose row has ended."""
        self._clean_up_all([job])

    def cancel_row(self, job: Job, dependency: bytes, status: str) -> None:
        """Cancel the row of a job whose dependency ended with this status."""
        job.row.status, job.row.finished_at = "cancelled", self.ctx.now
        how = status if status == "failed" else f"was {status}"
        job.row.error = f"dependency {dependency.decode()} {how}"

    def _clean_up_all(self, ended: list[Job]) -> None:
        """Clean up after these jobs, and after those that are cancelled because of them."""
        while ended:
            job = ended.pop()
            self._add_event(job, job.row.status)
            job.lease = job.lease_until = job.delayed = 0
            job.expires_at = self.ctx.now + job.ttl if job.ttl else 0
            self._remove_links(job)
            ended += self._update_dependents(job.id, job.row.status)

    def _remove_links(self, job: Job) -> None:
        key = self.keys.unique
        if job.unique and call_text(self.ctx, b"HGET", key, job.unique) == job.id:
            self._links.append(((b"HDEL", key, job.unique), (b"HSET", key, job.unique, job.id)))
        self._remove_waits(job)

    def _remove_waits(self, job: Job) -> None:
        for ident in job.waiting_for.split():
            key = self.keys.dependents(ident)
            self._links.append(((b"SREM", key, job.id), (b"SADD", key, job.id)))
        job.waiting_for = b""

    def follow_on(self, ident: bytes, due: bytes) -> None:
        """Go on updating the dependents of a job that ended earlier (see `MOST_FOLLOWED`)."""
        key = self.keys.due
        self._links.append(((b"ZREM", key, due), (b"ZADD", key, b"0", due)))
        status = "completed"
        if due.startswith(CANCEL):
            job = self.find_readable(ident)
            if job is not None and not job.row.terminal:
                # The id was used again, and the dependents now wait for the new job.
                return
            status = "removed" if job is None else job.row.status
        self._clean_up_all(self._update_dependents(ident, status))

    def _update_dependents(self, ident: bytes, status: str) -> list[Job]:
        """Unblock the dependents of a completed job; cancel those of any other.

        Return the jobs that were cancelled, which are still to be cleaned up after. Dependents
        beyond the limit are left to `follow_on`.
        """
        ctx, key = self.ctx, self.keys.dependents(ident)
        count = call_integer(ctx, b"SCARD", key)
        if not count:
            return []
        due = b"%b:%b" % (UNBLOCK if status == "completed" else CANCEL, ident)
        if status == "removed":
            unblocks = b"%b:%b" % (UNBLOCK, ident)
            if call_score(ctx, b"ZSCORE", self.keys.due, unblocks) is not None:
                # The job was completed before it was removed.
                return []
        left = max(0, MOST_FOLLOWED - self.followed)
        if count > left:
            self._links.append(
                (
                    (b"ZADD", self.keys.due, b"%d" % ctx.now, due),
                    (b"ZREM", self.keys.due, due),
                )
            )
        if not left:
            return []
        # SRANDMEMBER returns distinct members, and all of them if there are no more than that.
        waiting = sorted(call_texts(ctx, b"SRANDMEMBER", key, b"%d" % left))
        self.followed += len(waiting)
        self._links.append(((b"SREM", key, *waiting), (b"SADD", key, *waiting)))
        cancelled = []
        for one in waiting:
            dependent = self.open_readable(one)
            if dependent is None or dependent.row.status != "queued":
                continue
            awaited = dependent.waiting_for.split()
            if ident not in awaited:
                continue
            awaited.remove(ident)
            dependent.waiting_for = b" ".join(awaited)
            if status != "completed":
                self.cancel_row(dependent, ident, status)
                cancelled.append(dependent)
            elif not awaited:
                self.unblock(dependent)
        return cancelled

    # --- writing --------------------------------------------------------------------------

    def commit(self) -> None:
        """Write all changes, or none if a key has another type, and publish the events."""
        calls: list[_Words] = []
        for opened in self._open.values():
            self._add_differences(calls, opened)
        due = self._next_due(calls)
        agenda = None if due is None else AGENDA.entry(self.ctx, self.pool, self.keys.next)
        call = self.ctx.call
        try:
            for words in calls:
                call(*words)
            for words, _ in self._links:
                call(*words)
        except (CommandError, WrongType):
            self._restore()
            raise
        if agenda is not None and due is not None:
            agenda.plan(self.ctx, due)
        # DEL cannot fail, and what it removes could not be restored: so it comes last.
        for key in self._deleted_keys:
            call(b"DEL", key)
        for job, event in self._events:
            self._publish(job, event)
        self._open, self._links, self._deleted_keys, self._events = {}, [], [], []

    def _add_differences(self, calls: list[_Words], opened: _OpenJob) -> None:
        """Add the calls that bring the stored fields and index entries of a job up to date."""
        job, stored = opened.job, opened.stored_fields
        key = self.keys.job + job.id
        if opened.removed:
            self._deleted_keys.append(key)
        else:
            opened.entries = self.keys.index_entries(job)
            fields = job.encode()
            changed: list[bytes] = []
            for name, value in fields.items():
                if stored.get(name) != value:
                    changed += (name, value)
            if changed:
                calls.append((b"HSET", key, *changed))
            gone = [name for name in stored if name not in fields]
            if gone:
                calls.append((b"HDEL", key, *gone))
        before, after = opened.stored_entries, opened.entries
        calls += [(b"ZREM", *entry) for entry in before if entry not in after]
        for entry, score in after.items():
            if before.get(entry) != score:
                calls.append((b"ZADD", entry[0], b"%d" % score, entry[1]))

    def _next_due(self, calls: list[_Words]) -> int | None:
        """The first moment that these calls and the links add to what is due in the pool."""
        key = self.keys.due
        added = (*calls, *(words for words, _ in self._links))
        moments = (int(words[2]) for words in added if words[:2] == (b"ZADD", key))
        return min(moments, default=None)

    def _restore(self) -> None:
        """Undo a commit that met a key of another type, however far it got.

        Checking the types of all keys beforehand would slow every command down by a third,
        and only a key that was tampered with has another type.
        """
        undo: list[_Words] = []
        for opened in self._open.values():
            key = self.keys.job + opened.job.id
            for name in FIELDS:
                value = opened.stored_fields.get(name)
                undo.append((b"HDEL", key, name) if value is None else (b"HSET", key, name, value))
            before = opened.stored_entries
            undo += [(b"ZREM", *entry) for entry in opened.entries if entry not in before]
            for (index, member), score in before.items():
                undo.append((b"ZADD", index, format_float(score), member))
        undo += [opposite for _, opposite in reversed(self._links)]
        for words in undo:
            with suppress(CommandError, WrongType):
                self.ctx.call(*words)

    def _add_event(self, job: Job, event: str) -> None:
        self._events.append((job, event))

    def _publish(self, job: Job, event: str) -> None:
        details = {"id": job.id.decode(), "kind": job.row.kind, "target": job.row.target}
        if job.worker:
            details["worker"] = job.worker.decode("utf-8", "replace")
        publish(self.ctx, "job", self.pool, event, **details)


def forget_expired(ctx: Context, pool: bytes, ident: bytes) -> None:
    """Remove a job whose TTL is over, so that its id can be used again."""
    table = JobTable(ctx, pool)
    expired = table.open(ident, expired=True)
    if expired is not None:
        table.remove(expired)
        table.commit()
