"""A pool of jobs as one command sees and changes it.

    table = JobTable(ctx, pool)
    job = table.require(ident)
    table.finish(job, "completed")
    table.commit()

A command takes jobs, moves them from state to state, and commits: only then are the
ordinary commands run that its changes come down to. So an error anywhere before leaves
everything as it was, and the indexes follow from the jobs at one place. Nothing of a table
outlives its command.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from commands.domain.errors import failure
from commands.domain.events import publish
from commands.domain.jobs.rows import FIELDS, Job, Keys, Place, Row, decode_job
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.numbers import format_float
from commands.instance.context import Context
from storage.errors import WrongType

_Words = tuple[bytes, ...]


@dataclass(slots=True)
class _Taken:
    """A job that may be changed, what is stored of it, and where it stands."""

    job: Job
    fields: dict[bytes, bytes]
    before: dict[Place, int]
    after: dict[Place, int] = field(default_factory=dict)
    removed: bool = False


def _present(values: list[bytes | None]) -> dict[bytes, bytes]:
    """The fields that are there, of those that were read."""
    return {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}


class JobTable:
    """The jobs of a pool, with their transitions."""

    def __init__(self, ctx: Context, pool: bytes) -> None:
        self.ctx = ctx
        self.pool = pool
        self.keys = Keys(pool)
        self.kinds: tuple[str, ...] = tuple(ctx.instance.settings.job_kinds.split())
        self._taken: dict[bytes, _Taken] = {}
        # What else is to be written, each with what undoes it, and keys to be removed.
        self._links: list[tuple[_Words, _Words]] = []
        self._removed: list[bytes] = []
        self._events: list[tuple[Job, str]] = []

    # --- looking up -----------------------------------------------------------------------

    def find(self, ident: bytes) -> Job | None:
        """The job, or None where there is none (any more); BADRECORD if it cannot be read."""
        taken = self._taken.get(ident)
        if taken is not None:
            return None if taken.removed else taken.job
        job = self._decode(ident, self._read(ident))
        return None if job is None or 0 < job.expires_at <= self.ctx.now else job

    def find_sound(self, ident: bytes) -> Job | None:
        """`find`, but what cannot be read is counted and passed over."""
        try:
            return self.find(ident)
        except (CommandError, WrongType):
            count_poison(self.ctx)
            return None

    def take(self, ident: bytes, *, expired: bool = False) -> Job | None:
        """`find`, to change what is found; also one whose time is over if it is to go."""
        taken = self._taken.get(ident)
        if taken is not None:
            return None if taken.removed else taken.job
        values = self._read(ident)
        job = self._decode(ident, values)
        if job is None or (0 < job.expires_at <= self.ctx.now and not expired):
            return None
        self._taken[ident] = _Taken(job, _present(values), self.keys.places(job))
        return job

    def take_sound(self, ident: bytes) -> Job | None:
        """`take`, but what cannot be read is counted and passed over."""
        try:
            return self.take(ident)
        except (CommandError, WrongType):
            count_poison(self.ctx)
            return None

    def require(self, ident: bytes) -> Job:
        """`take`, or NOTFOUND."""
        job = self.take(ident)
        if job is None:
            raise failure("NOTFOUND", "no job {} in pool {}", ident, self.pool)
        return job

    def _read(self, ident: bytes) -> list[bytes | None]:
        values: list[bytes | None] = self.ctx.call(b"HMGET", self.keys.job + ident, *FIELDS)
        return values

    def _decode(self, ident: bytes, values: list[bytes | None]) -> Job | None:
        if values[0] is None and not any(values):
            return None
        try:
            return decode_job(ident, values, self.kinds)
        except ValueError as reason:
            raise failure(
                "BADRECORD", f"job {{}} in pool {{}} cannot be read: {reason}", ident, self.pool
            ) from None

    # --- coming and going -----------------------------------------------------------------

    def add(self, job: Job) -> None:
        """A job that was not there."""
        self._taken[job.id] = _Taken(job, {}, {})
        if job.unique:
            key = self.keys.unique
            self._links.append(((b"HSET", key, job.unique, job.id), (b"HDEL", key, job.unique)))
        for ident in job.waiting_for.split():
            key = self.keys.dependents(ident)
            self._links.append(((b"SADD", key, job.id), (b"SREM", key, job.id)))

    def replace_unread(self, job: Job) -> None:
        """Put a job in the place of a record that cannot be read: it may be in any index."""
        call, ident = self.ctx.call, job.id
        places: dict[Place, int] = {}
        for key in (*self.ctx.db.ordered.range(self.keys.index), self.keys.due):
            if call(b"TYPE", key) != "zset":
                continue
            for member in (ident, b"start:" + ident, b"lease:" + ident, b"gone:" + ident):
                score = call(b"ZSCORE", key, member)
                if score is not None:
                    places[key, member] = score
        self._taken[ident] = _Taken(job, _present(self._read(ident)), places)

    def remove(self, job: Job) -> None:
        """Forget it altogether."""
        self._taken[job.id].removed = True
        self._tell(job, "removed")
        self._let_go(job)
        self._end_all(self._tell_dependents(job.id, "removed"))

    def remove_unread(self, ident: bytes) -> None:
        """`remove`, of a record that cannot be read."""
        self.replace_unread(Job(ident, Row(ident.decode(), "", "", "")))
        self._taken[ident].removed = True
        self._end_all(self._tell_dependents(ident, "removed"))

    # --- transitions ----------------------------------------------------------------------

    def enqueue(self, job: Job, delay: int = 0) -> None:
        """Have it claimed, from now on or after a delay, when nothing else holds it back."""
        self._tell(job, "queued")
        row = job.row
        row.status, row.progress, row.started_at, row.finished_at = "queued", 0, 0, 0
        job.worker, job.lease, job.lease_until = b"", 0, 0
        job.delayed = 1 if delay else 0
        job.ready_at = self.ctx.now + delay
        self._rest(job)

    def release(self, job: Job) -> None:
        """What held it back is over: its delay, or the last job it waited for."""
        if not job.delayed and not job.waiting_for:
            job.ready_at = max(job.ready_at, self.ctx.now)
        self._rest(job)

    def _rest(self, job: Job) -> None:
        """Start the time that a job with a TTL is kept, once it could be claimed."""
        waits = job.delayed or job.waiting_for
        job.expires_at = job.ready_at + job.ttl if job.ttl and not waits else 0

    def start(self, job: Job, worker: bytes, lease: int) -> None:
        """A worker has claimed it."""
        self._tell(job, "running")
        now = self.ctx.now
        row = job.row
        row.status, row.progress, row.started_at = "running", 0, now
        job.attempts += 1
        job.delayed = job.expires_at = 0
        job.worker, job.lease, job.lease_until = worker, lease, now + lease
        self._stop_waiting(job)

    def retry(self, job: Job, message: bytes, delay: int = 0) -> None:
        """The attempt failed; another one follows."""
        job.last_error, job.failed_by = message, job.worker
        self.enqueue(job, delay)

    def lose_lease(self, job: Job) -> None:
        """Its worker was not heard of in time."""
        reason = b"the lease of %b ran out in attempt %d of %d" % (
            job.worker or b"an unnamed worker",
            job.attempts,
            job.max_attempts,
        )
        if job.used_up:
            job.failed_by, job.worker = job.worker, b""
            self.finish(job, "failed", error=reason.decode("utf-8", "replace"))
        else:
            self.retry(job, reason)

    def finish(
        self, job: Job, status: str, *, error: str | None = None, metrics: str | None = None
    ) -> None:
        """Bring it to an end, and what waits for it a step nearer to its own."""
        row = job.row
        row.status, row.finished_at, row.error = status, self.ctx.now, error
        if status == "completed":
            row.progress = 100
        if metrics is not None:
            row.metrics = metrics
        self.finished(job)

    def finished(self, job: Job) -> None:
        """Its row is that of a finished job now: let go of all that it held."""
        self._end_all([job])

    def cancel_after(self, job: Job, ident: bytes, status: str) -> None:
        """Make its row that of a job that cannot run, because another one ended so."""
        job.row.status, job.row.finished_at = "cancelled", self.ctx.now
        job.row.error = f"job {ident.decode()}, which it waits for, was {status}"

    def _end_all(self, ended: list[Job]) -> None:
        """Clear away after jobs that ended, and after those that end because of that."""
        while ended:
            job = ended.pop()
            self._tell(job, job.row.status)
            job.lease = job.lease_until = job.delayed = 0
            job.expires_at = self.ctx.now + job.ttl if job.ttl else 0
            self._let_go(job)
            ended += self._tell_dependents(job.id, job.row.status)

    def _let_go(self, job: Job) -> None:
        key = self.keys.unique
        if job.unique and self.ctx.call(b"HGET", key, job.unique) == job.id:
            self._links.append(((b"HDEL", key, job.unique), (b"HSET", key, job.unique, job.id)))
        self._stop_waiting(job)

    def _stop_waiting(self, job: Job) -> None:
        for ident in job.waiting_for.split():
            key = self.keys.dependents(ident)
            self._links.append(((b"SREM", key, job.id), (b"SADD", key, job.id)))
        job.waiting_for = b""

    def _tell_dependents(self, ident: bytes, status: str) -> list[Job]:
        """Release what waits for a completed job, cancel what waits for any other.

        Those that were cancelled are answered; what they held is still to be let go.
        """
        key = self.keys.dependents(ident)
        waiting = sorted(self.ctx.call(b"SMEMBERS", key).items)
        if not waiting:
            return []
        self._removed.append(key)
        cancelled = []
        for one in waiting:
            dependent = self.take_sound(one)
            if dependent is None or dependent.row.status != "queued":
                continue
            awaited = dependent.waiting_for.split()
            if ident not in awaited:
                continue
            if status == "completed":
                awaited.remove(ident)
                dependent.waiting_for = b" ".join(awaited)
                if not awaited:
                    self.release(dependent)
            else:
                self.cancel_after(dependent, ident, status)
                cancelled.append(dependent)
        return cancelled

    # --- writing --------------------------------------------------------------------------

    def commit(self) -> None:
        """Write what changed, all of it or (WRONGTYPE) nothing, and tell of it."""
        calls: list[_Words] = []
        for taken in self._taken.values():
            self._add_differences(calls, taken)
        call = self.ctx.call
        try:
            for words in calls:
                call(*words)
            for words, _ in self._links:
                call(*words)
        except (CommandError, WrongType):
            self._restore()
            raise
        # Nothing stands in the way of these, and nothing would bring back what they remove.
        for key in self._removed:
            call(b"DEL", key)
        for job, event in self._events:
            self._publish(job, event)
        self._taken, self._links, self._removed, self._events = {}, [], [], []

    def _add_differences(self, calls: list[_Words], taken: _Taken) -> None:
        """The calls that bring what is stored of a job to what it is now."""
        job, stored, before = taken.job, taken.fields, taken.before
        key = self.keys.job + job.id
        if taken.removed:
            self._removed.append(key)
        else:
            taken.after = self.keys.places(job)
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
        after = taken.after
        calls += [(b"ZREM", *place) for place in before if place not in after]
        for place, score in after.items():
            if before.get(place) != score:
                calls.append((b"ZADD", place[0], b"%d" % score, place[1]))

    def _restore(self) -> None:
        """Undo a commit that met a key of another type, whatever part of it was done.

        Looking at the types of all keys beforehand would make every command a third slower
        for the sake of the one that meets a key that was tampered with.
        """
        undo: list[_Words] = []
        for taken in self._taken.values():
            key = self.keys.job + taken.job.id
            for name in FIELDS:
                value = taken.fields.get(name)
                undo.append((b"HDEL", key, name) if value is None else (b"HSET", key, name, value))
            undo += [(b"ZREM", *place) for place in taken.after if place not in taken.before]
            for (index, member), score in taken.before.items():
                undo.append((b"ZADD", index, format_float(score), member))
        undo += [opposite for _, opposite in reversed(self._links)]
        for words in undo:
            with suppress(CommandError, WrongType):
                self.ctx.call(*words)

    def _tell(self, job: Job, event: str) -> None:
        self._events.append((job, event))

    def _publish(self, job: Job, event: str) -> None:
        message = {
            "event": event,
            "id": job.id.decode(),
            "kind": job.row.kind,
            "target": job.row.target,
            "at": self.ctx.now,
        }
        if job.worker:
            message["worker"] = job.worker.decode("utf-8", "replace")
        publish(self.ctx, "job", self.pool, message)
