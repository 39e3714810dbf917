"""The jobs of a pool, with their transitions from state to state.

    table = JobTable(ctx, pool)
    job = table.require(ident)
    table.finish(job, "completed")
    table.commit()

A command opens jobs, moves them from state to state, and commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from commands.domain.arguments import MOST
from commands.domain.calls import call_integer, call_score, call_scores_of, call_text, call_texts
from commands.domain.ids import time_ordered
from commands.domain.jobs.config import read_retention
from commands.domain.jobs.layout import CANCEL, RETAIN, UNBLOCK, IndexEntry
from commands.domain.jobs.opened import OpenJobs, Words
from commands.domain.jobs.rows import RESULT, Job, Row, is_job_id
from commands.domain.jobs.waking import waking_calls
from commands.engine.numbers import format_float
from commands.instance.context import Context
from storage.errors import WrongType

# How many dependents a command, or a step of the sweep, updates when jobs end. Chains and fans
# of dependents may be of any length; the sweep does the rest, a step at a time.
MOST_FOLLOWED = 100
# When ended jobs are looked at after one has ended.
RETAIN_SOON_MS = 60_000
# How many indexes of each kind are searched for the entries of a job that cannot be read.
_MOST_SEARCHED = 50


class JobTable(OpenJobs):
    """The jobs of a pool, with their transitions."""

    def __init__(self, ctx: Context, pool: bytes) -> None:
        super().__init__(ctx, pool)
        # How many dependents of ended jobs this table has looked at.
        self.followed = 0
        # Unique keys that were taken by jobs of this table, and the last generated id.
        self._taken: dict[bytes, bytes] = {}
        self._last: bytes | None = None
        self._retention_planned = False

    # --- adding and removing --------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Add a job that does not exist."""
        self.open_new(job)
        if job.unique:
            key = self.keys.unique
            self.link((b"HSET", key, job.unique, job.id), (b"HDEL", key, job.unique))
            self._taken[job.unique] = job.id
        for ident in job.waiting_for.split():
            self.wait_for(job, ident)

    def wait_for(self, job: Job, ident: bytes) -> None:
        """Index a job as one that waits for another."""
        key = self.keys.dependents(ident)
        self.link((b"SADD", key, job.id), (b"SREM", key, job.id))

    def wait_for_child(self, parent: Job, ident: bytes) -> None:
        """Have a parent wait for a new child; one that runs waits before its next attempt."""
        parent.waiting_for = b" ".join((*parent.waiting_for.split(), ident))
        self.wait_for(parent, ident)
        self._set_expiry(parent)

    def unique_holder(self, unique: bytes) -> bytes | None:
        """Return the id of the job that holds a unique key, or held it until it was lost."""
        return self._taken.get(unique) or call_text(self.ctx, b"HGET", self.keys.unique, unique)

    def live_holder(self, unique: bytes) -> bytes | None:
        """Return the id of the job that holds a unique key and has not ended."""
        holder = self.unique_holder(unique)
        job = None if holder is None else self.find_readable(holder)
        return None if job is None or job.row.terminal else holder

    def next_id(self) -> bytes:
        """Return an id that sorts after all that were generated for this pool so far.

        Time alone does not ensure that: many jobs are submitted in one millisecond, and are to
        be claimed in the order of their submission; and clocks are set back.
        """
        key, last = self.keys.last, self._last
        if last is None:
            try:
                last = call_text(self.ctx, b"GET", key)
            except WrongType:
                last = None
        number = time_ordered(self.ctx, after=int(last, 16) if last and is_job_id(last) else 0)
        self._last = ident = b"%032x" % number
        undo = (b"DEL", key) if last is None else (b"SET", key, last)
        self.link((b"SET", key, ident), undo)
        return ident

    def replace_unreadable(self, job: Job) -> None:
        """Replace a record that cannot be read.

        Its index entries cannot be derived, so the indexes of the pool are searched for them,
        up to a number of indexes of each kind. The patrol finds what is left.
        """
        ctx, ident = self.ctx, job.id
        entries: dict[IndexEntry, float] = {}
        members = (ident, *(what + ident for what in (b"start:", b"lease:", b"gone:")))
        for key in self._searched_indexes():
            if ctx.call(b"TYPE", key) != "zset":
                continue
            scores = call_scores_of(ctx, key, *members)
            for member, score in zip(members, scores, strict=True):
                if score is not None:
                    entries[key, member] = score
        self.open_stored(job, entries)

    def _searched_indexes(self) -> Iterator[bytes]:
        keys = self.keys
        yield from (keys.all, keys.durations, keys.due)
        for what in (b"finished", b"kind", b"running", b"status", b"target", b"worker"):
            prefix = keys.by(what, b"")
            yield from islice(self.ctx.db.ordered.range(prefix), _MOST_SEARCHED)

    def remove(self, job: Job) -> None:
        """Remove an open job, and cancel the jobs that wait for it."""
        self.mark_removed(job.id)
        self.add_event(job, "removed")
        self._remove_links(job)
        self._clean_up_all(self._update_dependents(job.id, "removed"))

    def remove_expired(self, ident: bytes) -> None:
        """Remove a job whose TTL is over, so that its id can be used again."""
        expired = self.open(ident, expired=True)
        if expired is not None:
            self.remove(expired)

    def remove_unreadable(self, ident: bytes) -> None:
        """Like `remove`, for a record that cannot be read."""
        self.replace_unreadable(Job(ident, Row(ident.decode(), "", "", "")))
        self.mark_removed(ident)
        self._clean_up_all(self._update_dependents(ident, "removed"))

    # --- transitions ----------------------------------------------------------------------

    def enqueue(self, job: Job, delay: int = 0) -> None:
        """Queue a job, to be claimed after a delay and once no dependency is left."""
        self.add_event(job, "queued")
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
        blocked = job.delayed or job.waiting_for or job.row.status != "queued"
        job.expires_at = job.ready_at + job.ttl if job.ttl and not blocked else 0

    def start(self, job: Job, worker: bytes, lease: int) -> None:
        """Start an attempt, under a lease of the worker that claimed the job."""
        self.add_event(job, "running")
        now = self.ctx.now
        row = job.row
        row.status, row.progress, row.started_at = "running", 0, now
        job.attempts = min(job.attempts + 1, MOST)
        job.token = b"%d-%016x" % (job.attempts, self.ctx.rng.getrandbits(64)) if worker else b""
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

    def reopen(self, job: Job) -> None:
        """Let an ended job be started again, with at least one attempt."""
        key = self.keys.job + job.id
        before = call_text(self.ctx, b"HGET", key, RESULT)
        if before is not None:
            self.link((b"HDEL", key, RESULT), (b"HSET", key, RESULT, before))
        job.max_attempts = min(max(job.max_attempts, job.attempts + 1), MOST)
        job.expires_at = 0
        if job.unique:
            if self.live_holder(job.unique) in (None, job.id):
                key = self.keys.unique
                self.link((b"HSET", key, job.unique, job.id), (b"HDEL", key, job.unique))
                self._taken[job.unique] = job.id
            else:
                job.unique = b""

    def store_result(self, job: Job, result: bytes) -> None:
        """Keep what a job has made, beside its facts."""
        key = self.keys.job + job.id
        self.link((b"HSET", key, RESULT, result), (b"HDEL", key, RESULT))

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
            self.add_event(job, job.row.status)
            job.lease = job.lease_until = job.delayed = 0
            job.expires_at = self.ctx.now + job.ttl if job.ttl else 0
            self._remove_links(job)
            self.plan_retention()
            ended += self._update_dependents(job.id, job.row.status)

    def plan_retention(self) -> None:
        """Have the sweep look soon whether ended jobs need not be kept any longer."""
        if self._retention_planned:
            return
        self._retention_planned = True
        soon = self.ctx.now + RETAIN_SOON_MS
        planned = call_score(self.ctx, b"ZSCORE", self.keys.due, RETAIN)
        if (planned is None or planned > soon) and any(read_retention(self.ctx, self.keys)):
            undo: Words = (b"ZREM", self.keys.due, RETAIN)
            if planned is not None:
                undo = (b"ZADD", self.keys.due, format_float(planned), RETAIN)
            self.link((b"ZADD", self.keys.due, b"%d" % soon, RETAIN), undo)

    def wake(self, due: bytes) -> None:
        """Have waiting claims look again: the window of a rate is over."""
        key = self.keys.due
        self.link((b"ZREM", key, due), (b"ZADD", key, b"0", due))
        for words in waking_calls(self.ctx, self.keys):
            self.link(words, words)

    def _remove_links(self, job: Job) -> None:
        key = self.keys.unique
        if job.unique and self.unique_holder(job.unique) == job.id:
            self.link((b"HDEL", key, job.unique), (b"HSET", key, job.unique, job.id))
        self._remove_waits(job)

    def _remove_waits(self, job: Job) -> None:
        for ident in job.waiting_for.split():
            key = self.keys.dependents(ident)
            self.link((b"SREM", key, job.id), (b"SADD", key, job.id))
        job.waiting_for = b""

    def follow_on(self, ident: bytes, due: bytes) -> None:
        """Go on updating the dependents of a job that ended earlier (see `MOST_FOLLOWED`)."""
        key = self.keys.due
        self.link((b"ZREM", key, due), (b"ZADD", key, b"0", due))
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
            self.link((b"ZADD", self.keys.due, b"%d" % ctx.now, due), (b"ZREM", self.keys.due, due))
        if not left:
            return []
        # SRANDMEMBER returns distinct members, and all of them if there are no more than that.
        waiting = sorted(call_texts(ctx, b"SRANDMEMBER", key, b"%d" % left))
        self.followed += len(waiting)
        self.link((b"SREM", key, *waiting), (b"SADD", key, *waiting))
        cancelled = []
        for one in waiting:
            dependent = self.open_readable(one)
            if dependent is None or dependent.row.terminal:
                continue
            awaited = dependent.waiting_for.split()
            if ident not in awaited:
                continue
            awaited.remove(ident)
            dependent.waiting_for = b" ".join(awaited)
            if dependent.row.status == "running":
                # It is a parent: its worker goes on, and asks for its children when it wants.
                continue
            if status != "completed":
                self.cancel_row(dependent, ident, status)
                cancelled.append(dependent)
            elif not awaited:
                self.unblock(dependent)
        return cancelled
