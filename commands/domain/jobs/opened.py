"""The jobs that one command has opened, and the one commit that stores what became of them.

Everything is read before `commit` writes, so an error before it leaves everything as it was.
The indexes are brought up to date with the jobs in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from commands.domain.calls import call_integer, call_values, write
from commands.domain.errors import failure
from commands.domain.events import forget_events, has_readers, publish
from commands.domain.jobs.config import read_config
from commands.domain.jobs.layout import AGENDA, RETAIN, IndexEntry, Keys
from commands.domain.jobs.rows import FIELDS, Job, decode_job
from commands.domain.jobs.waking import waking_calls
from commands.domain.records import count_poison
from commands.engine.errors import CommandError
from commands.engine.numbers import format_float
from commands.instance.context import Context
from storage.errors import WrongType

Words = tuple[bytes, ...]


@dataclass(slots=True)
class _OpenJob:
    """A job that may be changed, with what is stored of it."""

    job: Job
    stored_fields: dict[bytes, bytes]
    stored_entries: Mapping[IndexEntry, float]
    # Filled in by `commit`.
    entries: dict[IndexEntry, int] = field(default_factory=dict)
    removed: bool = False
    # A text to be stored as the row in place of the job's own, and whether that is a job.
    text: bytes | None = None
    foreign: bool = False


def present(values: list[bytes | None]) -> dict[bytes, bytes]:
    """Return the fields that exist, of those that were read."""
    return {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}


class OpenJobs:
    """The jobs of a pool that a command reads and changes. It lives as long as the command."""

    def __init__(self, ctx: Context, pool: bytes) -> None:
        self.ctx = ctx
        self.pool = pool
        self.keys = Keys(pool)
        self._open: dict[bytes, _OpenJob] = {}
        # Changes of keys beside the jobs and their indexes, each with the call that undoes it.
        self._links: list[tuple[Words, Words]] = []
        self._deleted_keys: list[bytes] = []
        self._events: list[tuple[Job, str, dict[str, object]]] = []

    # --- looking up -----------------------------------------------------------------------

    def find(self, ident: bytes) -> Job | None:
        """Return a job to read, or None if there is none; BADRECORD if it cannot be read.

        A job whose TTL is over does not exist, even if it is not removed yet.
        """
        opened = self._open.get(ident)
        if opened is not None:
            return None if opened.removed else opened.job
        job = self._decode(ident, self.read(ident))
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
        values = self.read(ident)
        job = self._decode(ident, values)
        if job is None or (0 < job.expires_at <= self.ctx.now and not expired):
            return None
        self._open[ident] = _OpenJob(job, present(values), self.keys.index_entries(job))
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

    def opened(self) -> list[Job]:
        """The jobs that are open, and not removed."""
        return [opened.job for opened in self._open.values() if not opened.removed]

    def count_left(self, index: bytes) -> int:
        """How many open jobs are stored in an index that they no longer belong into."""
        entries = self.keys.index_entries
        return sum(
            (index, ident) in opened.stored_entries
            and (opened.removed or (index, ident) not in entries(opened.job))
            for ident, opened in self._open.items()
        )

    def read(self, ident: bytes) -> list[bytes | None]:
        return call_values(self.ctx, b"HMGET", self.keys.job + ident, *FIELDS)

    def _decode(self, ident: bytes, values: list[bytes | None]) -> Job | None:
        if values[0] is None and not any(values):
            return None
        try:
            return decode_job(ident, values)
        except ValueError as reason:
            raise failure(
                "BADRECORD", "job {} in pool {} cannot be read: {}", ident, self.pool, str(reason)
            ) from None

    # --- changing -------------------------------------------------------------------------

    def open_new(self, job: Job) -> None:
        """Open a job that does not exist, or that was just removed and is replaced."""
        before = self._open.get(job.id)
        if before is None:
            self._open[job.id] = _OpenJob(job, {}, {})
        else:
            self._open[job.id] = _OpenJob(job, before.stored_fields, before.stored_entries)

    def open_stored(self, job: Job, entries: Mapping[IndexEntry, float]) -> None:
        """Open a job in place of a record that cannot be read, but has these index entries."""
        self._open[job.id] = _OpenJob(job, present(self.read(job.id)), entries)

    def mark_removed(self, ident: bytes) -> None:
        self._open[ident].removed = True

    def keep_text(self, ident: bytes, text: bytes, *, foreign: bool = False) -> None:
        """Store this text as the row of an open job; with `foreign`, though it is no job."""
        opened = self._open[ident]
        opened.text, opened.foreign, opened.removed = text, foreign, False

    def link(self, change: Words, undo: Words) -> None:
        """Have `commit` make a change of a key that is no index, which this call undoes."""
        self._links.append((change, undo))

    def add_event(self, job: Job, event: str, **details: object) -> None:
        self._events.append((job, event, details))

    # --- writing --------------------------------------------------------------------------

    def commit(self) -> None:
        """Write all changes, or none if a key has another type, and publish the events."""
        calls: list[Words] = []
        for opened in self._open.values():
            self._add_differences(calls, opened)
        if self._frees_room():
            calls += waking_calls(self.ctx, self.keys, self._open)
        due = self._next_due(calls)
        agenda = None if due is None else AGENDA.entry(self.ctx, self.pool, self.keys.next)
        emptied = self._is_emptied()
        try:
            for words in calls:
                write(self.ctx, *words)
            for words, _ in self._links:
                write(self.ctx, *words)
        except (CommandError, WrongType):
            self._restore()
            raise
        if agenda is not None and due is not None:
            agenda.plan(self.ctx, due)
        # DEL cannot fail, and what it removes could not be restored: so it comes last.
        if emptied:
            self._deleted_keys += (self.keys.last, self.keys.rates)
            write(self.ctx, b"ZREM", self.keys.due, RETAIN)
        if self._deleted_keys:
            write(self.ctx, b"DEL", *self._deleted_keys)
        if has_readers(self.ctx):
            for job, event, details in self._events:
                self._publish(job, event, details)
        if emptied:
            forget_events(self.ctx, "job", self.pool)
        self._open, self._links, self._deleted_keys, self._events = {}, [], [], []

    def _add_differences(self, calls: list[Words], opened: _OpenJob) -> None:
        """Add the calls that bring the stored fields and index entries of a job up to date."""
        job, stored = opened.job, opened.stored_fields
        key = self.keys.job + job.id
        if opened.removed:
            if stored:
                self._deleted_keys += (key, self.keys.log(job.id))
        else:
            if opened.foreign and opened.text is not None:
                fields = {b"row": opened.text}
            else:
                opened.entries = self.keys.index_entries(job)
                fields = job.encode()
                if opened.text is not None:
                    fields[b"row"] = opened.text
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

    def _next_due(self, calls: list[Words]) -> int | None:
        """The first moment that these calls and the links add to what is due in the pool."""
        key = self.keys.due
        added = (*calls, *(words for words, _ in self._links))
        moments = (int(words[2]) for words in added if words[:2] == (b"ZADD", key))
        return min(moments, default=None)

    def _frees_room(self) -> bool:
        """Whether jobs stop running in a pool that limits how many run."""
        index = self.keys.by(b"status", b"running")
        if not any(
            (index, ident) in opened.stored_entries and (index, ident) not in opened.entries
            for ident, opened in self._open.items()
        ):
            return False
        limits = read_config(self.ctx, self.keys).limits
        return any(limit.concurrency for limit in limits.values())

    def _is_emptied(self) -> bool:
        """Whether the last jobs of the pool are among those that are removed."""
        if not any(opened.removed and opened.stored_fields for opened in self._open.values()):
            return False
        change = 0
        for opened in self._open.values():
            change += bool(opened.entries)
            change -= (self.keys.all, opened.job.id) in opened.stored_entries
        return call_integer(self.ctx, b"ZCARD", self.keys.all) + change <= 0

    def _restore(self) -> None:
        """Undo a commit that met a key of another type, however far it got.

        Checking the types of all keys beforehand would slow every command down by a third,
        and only a key that was tampered with has another type.
        """
        undo: list[Words] = []
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
                write(self.ctx, *words)

    def _publish(self, job: Job, event: str, details: dict[str, object]) -> None:
        known: dict[str, object] = {
            "id": job.id.decode(),
            "kind": job.row.kind,
            "target": job.row.target,
        }
        if job.worker:
            known["worker"] = job.worker.decode("utf-8", "replace")
        publish(self.ctx, "job", self.pool, event, **known, **details)
