"""A pool of jobs as one command sees and changes it.

    table = JobTable(ctx, pool)
    job = table.take(ident)
    table.finish(job, "completed")
    table.commit()

A command takes jobs, moves them from state to state, and commits: only then are the
ordinary commands run that its changes come down to, after a look at the types of all keys
they write to. So an error anywhere before leaves everything as it was, and the indexes
follow from the jobs at one place. Nothing of a table outlives its command.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.context import Context
from commands.domain import count_poison, failure, publish
from commands.errors import WRONG_TYPE, CommandError
from commands.job_rows import FIELDS, Job, Keys, Place, decode_job
from storage.errors import WrongType

_TYPES = {
    b"HSET": "hash",
    b"HDEL": "hash",
    b"ZADD": "zset",
    b"ZREM": "zset",
    b"SADD": "set",
    b"SREM": "set",
}


@dataclass(slots=True)
class _Taken:
    """A job that may be changed, and what is stored of it."""

    job: Job
    fields: dict[bytes, bytes]
    places: dict[Place, int]
    removed: bool = False


class JobTable:
    """The jobs of a pool, with their transitions."""

    def __init__(self, ctx: Context, pool: bytes) -> None:
        self.ctx = ctx
        self.pool = pool
        self.keys = Keys(pool)
        self.kinds: tuple[str, ...] = tuple(ctx.instance.settings["job-kinds"].split())
        self._taken: dict[bytes, _Taken] = {}
        self._calls: list[tuple[bytes, ...]] = []
        self._events: list[tuple[Job, str]] = []

    # --- looking up -----------------------------------------------------------------------

    def find(self, ident: bytes) -> Job | None:
        """The job, or None where there is none (any more); BADRECORD if it cannot be read."""
        taken = self._taken.get(ident)
        if taken is not None:
            return None if taken.removed else taken.job
        job = self._decode(ident, self._read(ident))
        if job is None or 0 < job.expires_at <= self.ctx.now:
            return None
        return job

    def find_sound(self, ident: bytes) -> Job | None:
        """`find`, but what cannot be read is counted and passed over."""
        try:
            return self.find(ident)
        except (CommandError, WrongType):
            count_poison(self.ctx)
            return None

    def take(self, ident: bytes) -> Job | None:
        """`find`, to change what is found."""
        taken = self._taken.get(ident)
        if taken is None:
            values = self._read(ident)
            job = self._decode(ident, values)
            if job is None or 0 < job.expires_at <= self.ctx.now:
                return None
            return self._hold(job, values)
        return None if taken.removed else taken.job

    def take_due(self, ident: bytes) -> Job | None:
        """`take`, of one that may have run out: to do away with it."""
        values = self._read(ident)
        job = self._decode(ident, values)
        return None if job is None else self._hold(job, values)

    def take_sound(self, ident: bytes) -> Job | None:
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

    def _hold(self, job: Job, values: list[bytes | None]) -> Job:
        fields = {
            field: value for field, value in zip(FIELDS, values, strict=True) if value is not None
        }
        self._taken[job.id] = _Taken(job, fields, self.keys.places(job))
        return job

    # --- transitions ----------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """A job that was not there."""
        self._taken[job.id] = _Taken(job, {}, {})
        if job.unique:
            self._calls.append((b"HSET", self.keys.unique, job.unique, job.id))
        for ident in job.waiting_for.split():
            self._calls.append((b"SADD", self.keys.dependents(ident), job.id))

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
        job.row.status, job.row.progress = "running", 0
        job.row.started_at = self.ctx.now
        job.attempts += 1
        job.worker = worker
        job.delayed = job.expires_at = 0
        job.lease, job.lease_until = lease, self.ctx.now + lease
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
        row.status, row.finished_at = status, self.ctx.now
        if status == "completed":
            row.progress = 100
        row.error = error
        row.metrics = row.metrics if metrics is None else metrics
        self.finished(job)

    def finished(self, job: Job) -> None:
        """Its row is that of a finished job now: let go of all that it held."""
        ended = [job]
        while ended:
            ended += self._end(ended.pop())

    def _end(self, job: Job) -> list[Job]:
        """Clear away after one job that ended; the jobs that ended because of that."""
        self._tell(job, job.row.status)
        job.lease = job.lease_until = job.delayed = 0
        job.expires_at = self.ctx.now + job.ttl if job.ttl else 0
        self._let_go(job)
        return self._tell_dependents(job.id, job.row.status)

    def remove(self, job: Job) -> None:
        """Forget it altogether."""
        taken = self._taken[job.id]
        taken.removed = True
        self._tell(job, "removed")
        self._let_go(job)
        for dependent in self._tell_dependents(job.id, "removed"):
            self.finished(dependent)

    def _let_go(self, job: Job) -> None:
        ctx, keys = self.ctx, self.keys
        if job.unique and ctx.call(b"HGET", keys.unique, job.unique) == job.id:
            self._calls.append((b"HDEL", keys.unique, job.unique))
        self._stop_waiting(job)

    def _stop_waiting(self, job: Job) -> None:
        for ident in job.waiting_for.split():
            self._calls.append((b"SREM", self.keys.dependents(ident), job.id))
        job.waiting_for = b""

    def _tell_dependents(self, ident: bytes, status: str) -> list[Job]:
        """Release what waits for a completed job, cancel what waits for any other.

        Those that were cancelled are answered; what they held is still to be let go.
        """
        key = self.keys.dependents(ident)
        waiting = sorted(self.ctx.call(b"SMEMBERS", key).items)
        if not waiting:
            return []
        self._calls.append((b"DEL", key))
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

    def cancel_after(self, job: Job, ident: bytes, status: str) -> None:
        """Make its row that of a job that cannot run, because another one ended so."""
        job.row.status, job.row.finished_at = "cancelled", self.ctx.now
        job.row.error = f"job {ident.decode()} that it waits for was {status}"

    def remove_unread(self, ident: bytes) -> None:
        """Forget a record that cannot be read: it may stand in any index."""
        self.unplace_unread(ident)
        for dependent in self._tell_dependents(ident, "removed"):
            self.finished(dependent)

    def unplace_unread(self, ident: bytes) -> None:
        """Take a record that cannot be read out of its place, for another one."""
        keys = self.keys
        self._calls.append((b"DEL", keys.job + ident))
        members = (ident, b"start:" + ident, b"lease:" + ident, b"gone:" + ident)
        for key in (*self.ctx.db.ordered.range(keys.index), keys.due):
            if self.ctx.call(b"TYPE", key) == "zset":
                self._calls.append((b"ZREM", key, *members))

    # --- writing --------------------------------------------------------------------------

    def drop(self, place: Place) -> None:
        """Remove an entry of an index that no job stands behind."""
        self._calls.append((b"ZREM", *place))

    def _tell(self, job: Job, event: str) -> None:
        self._events.append((job, event))

    def commit(self) -> None:
        """Write what changed, all of it or (WRONGTYPE) nothing, and tell of it."""
        calls = self._calls
        for taken in self._taken.values():
            self._add_differences(calls, taken)
        self._check_types(calls)
        call = self.ctx.call
        for words in calls:
            call(*words)
        for job, event in self._events:
            self._publish(job, event)
        self._taken, self._calls, self._events = {}, [], []

    def _add_differences(self, calls: list[tuple[bytes, ...]], taken: _Taken) -> None:
        job = taken.job
        key = self.keys.job + job.id
        stored, before = taken.fields, taken.places
        if taken.removed:
            places: dict[Place, int] = {}
            if stored:
                calls.append((b"DEL", key))
        else:
            places = self.keys.places(job)
            fields = job.encode()
            changed: list[bytes] = []
            for field, value in fields.items():
                if stored.get(field) != value:
                    changed += (field, value)
            if changed:
                calls.append((b"HSET", key, *changed))
            gone = [field for field in stored if field not in fields]
            if gone:
                calls.append((b"HDEL", key, *gone))
        calls += [(b"ZREM", *place) for place in before if place not in places]
        for place, score in places.items():
            if before.get(place) != score:
                calls.append((b"ZADD", place[0], b"%d" % score, place[1]))

    def _check_types(self, calls: list[tuple[bytes, ...]]) -> None:
        call = self.ctx.call
        wanted = {words[1]: _TYPES[words[0]] for words in calls if words[0] != b"DEL"}
        if self._events and self.ctx.instance.settings["domain-events"]:
            wanted[b"redkeep:events:{%b}" % self.pool] = "stream"
        for key, kind in wanted.items():
            if call(b"TYPE", key) not in (kind, "none"):
                raise CommandError(WRONG_TYPE)

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
