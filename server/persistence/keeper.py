"""The keeper of an instance's data on disk: what the rest of the server talks to.

At most one process writes files beside the server, a snapshot or a rewrite of the log, as
in Redis; what is asked for meanwhile is refused or comes next.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from commands.engine.effects import (
    CancelSave,
    FileEffect,
    Reload,
    ReloadLog,
    RewriteLog,
    Save,
    Shutdown,
)
from commands.engine.errors import CommandError
from commands.engine.replies import OK, Reply
from commands.instance.instance import Instance
from commands.instance.persistence import Job
from commands.settings.kinds import SettingError
from commands.settings.settings import Settings
from server.persistence.children import CAN_FORK, Child, Outcome, start_child
from server.persistence.copier import Copier
from server.persistence.files import (
    DirectoryLock,
    data_directory,
    make_directory,
    snapshot_path,
)
from server.persistence.loading import Loader, LoadError
from server.persistence.log import Log
from server.persistence.rewriting import LogFiles
from server.persistence.snapshots import copy, temporary_snapshot, write_snapshot
from storage.aof.errors import ManifestError

logger = logging.getLogger("redkeep")

# A slice of loading between two looks at the sockets.
_SLICE_SECONDS = 0.01
# After a failed snapshot, how long until a save point may ask for the next.
_SNAPSHOT_RETRY_SECONDS = 5
# So many failed rewrites in a row and it is tried less and less often, at least hourly.
_REWRITE_FAILURES, _LONGEST_REWRITE_PAUSE = 3, 3600
_FAILED = "ERR"


@dataclass(slots=True)
class Work:
    """What is being written beside the server."""

    child: Child | Copier
    job: Job
    # Called with the outcome, or, when somebody gave the work up, to remove what is left.
    # Both are told the process' id, which is part of the names of its files.
    finish: Callable[[int, Outcome], None]
    abandon: Callable[[int], None]
    given_up: bool = False


class KeptReplies(Protocol):
    """Replies that must not be sent before the log is on disk."""

    def release(self) -> None:
        """The log is on disk: let them go."""


class Keeper:
    """Loads, logs and saves one instance."""

    def __init__(
        self,
        instance: Instance,
        replies: KeptReplies,
        *,
        on_synced: Callable[[], None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._instance = instance
        self._settings = instance.settings
        self._state = instance.persistence
        self._replies = replies
        self._loader = Loader(instance)
        self.log = Log(instance, on_synced)
        self._files = LogFiles(instance, self.log)
        self._lock = DirectoryLock()
        self._work: Work | None = None
        self._begun = trio.Event()
        self._ready = False
        # Told how many bytes of how many are loaded.
        self._on_progress = on_progress
        self._settings.on_change(Settings.appendonly, self._follow_appendonly)
        self._settings.on_change(Settings.dir, self._follow_dir)

    # --- settings --------------------------------------------------------------------------

    def _follow_dir(self, path: str) -> None:
        if self._ready and not os.path.isdir(path):
            raise SettingError(os.strerror(20 if os.path.exists(path) else 2))

    def _follow_appendonly(self, wanted: bool) -> None:
        if not self._ready or wanted == self._state.logging:
            return
        if not wanted:
            self._abandon(self._state.rewrite)
            self._state.rewrite.scheduled = False
            self._files.turn_off()
            self._replies.release()
            return
        self._abandon(self._state.rewrite)
        if self._work is not None:
            self._state.rewrite.scheduled = True
            return
        if not self._start_rewrite():
            raise SettingError("Unable to turn on AOF. Check server logs.")

    # --- the start -------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what there is, a slice at a time; LoadError if it cannot be trusted."""
        if self._settings.appendonly:
            self._lock_directory()
        files = self._loader.find()
        if files is not None:
            await self._load(files)
        if self._settings.appendonly:
            try:
                self._files.resume()
            except OSError as error:
                raise LoadError(
                    f"cannot write the log in {self._settings.dir}: {error.strerror}"
                ) from None
        self._ready = True

    def _lock_directory(self) -> None:
        directory = data_directory(self._settings)
        try:
            locked = self._lock.take(directory)
        except OSError as error:
            raise LoadError(f"cannot use the directory {directory}: {error.strerror}") from None
        if not locked:
            raise LoadError(
                f"another server keeps its data in {directory}. Give this one its own: --dir"
            )
        # What a server that was killed has not finished; nobody else can be at work here.
        for pattern in ("temp-rewriteaof-bg-*.aof", "temp-[0-9]*.rdb"):
            for leftover in directory.glob(pattern):
                leftover.unlink(missing_ok=True)

    async def _load(self, files: list[Path]) -> None:
        started = time.perf_counter()
        slice_end = started + _SLICE_SECONDS
        for _ in self._loader.steps(files):
            if time.perf_counter() > slice_end:
                load = self._state.load
                assert load is not None
                self._on_progress(load.loaded_bytes, load.total_bytes)
                await trio.lowlevel.checkpoint()
                slice_end = time.perf_counter() + _SLICE_SECONDS
        self._state.saved_ms = self._instance.clock.now_ms()
        keys = sum(map(len, self._instance.keyspace.databases))
        logger.info("%d keys loaded in %.3f seconds", keys, time.perf_counter() - started)

    async def run(self) -> None:
        """See to what works beside the server, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.log.run)
            while True:
                await self._begun.wait()
                self._begun = trio.Event()
                work = self._work
                if work is not None:
                    outcome = await work.child.outcome()
                    self._end(work, outcome)

    # --- turns and ticks ---------------------------------------------------------------------

    def tick(self) -> None:
        """Regular work: what failed, what is scheduled, and what save points ask for."""
        if self._state.logging and self.log.tick():
            self._replies.release()
        if self._work is not None or not self._ready:
            return
        now = time.monotonic()
        if self._rewrite_is_due(now):
            self._start_rewrite()
        elif self._snapshot_is_due(now):
            self._start_snapshot()

    def _rewrite_is_due(self, now: float) -> bool:
        rewrite = self._state.rewrite
        return (rewrite.scheduled or self._log_has_grown()) and (
            now - rewrite.tried_at >= self._rewrite_pause()
        )

    def _snapshot_is_due(self, now: float) -> bool:
        snapshot = self._state.snapshot
        return (snapshot.succeeded or now - snapshot.tried_at > _SNAPSHOT_RETRY_SECONDS) and (
            snapshot.scheduled or self._save_point_reached()
        )

    def _save_point_reached(self) -> bool:
        changes = self._instance.keyspace.dirty - self._state.saved_dirty
        if not changes:
            return False
        elapsed = self._instance.clock.now_ms() - self._state.saved_ms
        for seconds, least in self._settings.save:
            if changes >= least and elapsed > seconds * 1000:
                logger.info("%d changes in %d seconds. Saving...", least, seconds)
                return True
        return False

    def _log_has_grown(self) -> bool:
        state, settings = self._state, self._settings
        percent = settings.auto_aof_rewrite_percentage
        if not state.logging or not percent or state.log_size <= settings.auto_aof_rewrite_min_size:
            return False
        growth = state.log_size * 100 // max(1, state.log_base_size) - 100
        return growth >= percent

    def _rewrite_pause(self) -> float:
        failures = self._state.rewrite.failures_in_a_row
        if failures < _REWRITE_FAILURES:
            # What failed at once would fail again at once.
            return 1.0 if failures else 0.0
        return min(_LONGEST_REWRITE_PAUSE, 60 << min(failures - _REWRITE_FAILURES, 10))

    # --- what commands ask for ---------------------------------------------------------------

    def perform(self, effect: FileEffect, *, atomic: bool) -> Reply:
        """Carry out an effect; `atomic` inside a transaction. CommandError if it fails."""
        match effect:
            case Save(background=False):
                return self._save()
            case Save():
                return self._save_in_background(schedule=effect.schedule, atomic=atomic)
            case CancelSave():
                return self._cancel_save()
            case RewriteLog():
                return self._rewrite(atomic=atomic)
            case Reload():
                return self._reload(effect)
            case ReloadLog():
                return self._reload_log()

    def _save(self) -> Reply:
        if self._state.snapshot.started is not None:
            raise CommandError("ERR Background save already in progress")
        if not self.save():
            raise CommandError(_FAILED)
        return OK

    def _save_in_background(self, *, schedule: bool, atomic: bool) -> Reply:
        state = self._state
        if state.snapshot.started is not None:
            raise CommandError("ERR Background save already in progress")
        if self._work is not None or atomic:
            if not schedule and not atomic:
                raise CommandError(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use "
                    "BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
                )
            state.snapshot.scheduled = True
            return "Background saving scheduled"
        if not self._start_snapshot():
            raise CommandError(_FAILED)
        return "Background saving started"

    def _cancel_save(self) -> Reply:
        snapshot = self._state.snapshot
        if snapshot.started is not None:
            self._abandon(snapshot)
            return "Background saving cancelled"
        if snapshot.scheduled:
            snapshot.scheduled = False
            return "Scheduled background saving cancelled"
        raise CommandError("ERR Background saving is currently not in progress or scheduled")

    def _rewrite(self, *, atomic: bool) -> Reply:
        rewrite = self._state.rewrite
        if rewrite.started is not None:
            raise CommandError("ERR Background append only file rewriting already in progress")
        if self._work is not None or atomic:
            rewrite.failures_in_a_row = 0
            rewrite.scheduled = True
            return "Background append only file rewriting scheduled"
        if not self._start_rewrite():
            raise CommandError(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for "
                "more information."
            )
        return "Background append only file rewriting started"

    def _reload(self, effect: Reload) -> Reply:
        if effect.save and not self.save():
            raise CommandError(_FAILED)
        if effect.flush:
            self._instance.keyspace.flush_all()
        try:
            self._load_now([snapshot_path(self._settings)], replace=effect.merge)
        except (LoadError, OSError) as error:
            logger.warning("DEBUG RELOAD: %s", error)
            raise CommandError(
                "ERR Error trying to load the RDB dump, check server logs."
            ) from None
        return OK

    def _reload_log(self) -> Reply:
        failed = CommandError("ERR Error trying to load the AOF files, check server logs.")
        if self._state.logging and not self.log.settle():
            raise failed
        try:
            manifest = self._loader.manifest()
            if manifest is None or self._files.turning_on:
                raise LoadError("there is no whole log")
            files = self._loader.files_of(manifest)
            self._instance.keyspace.flush_all()
            self._load_now(files)
        except (LoadError, OSError) as error:
            logger.warning("DEBUG LOADAOF: %s", error)
            raise failed from None
        return OK

    def _load_now(self, files: list[Path], *, replace: bool = False) -> None:
        for _ in self._loader.steps(files, replace=replace):
            pass

    # --- snapshots ---------------------------------------------------------------------------

    def save(self) -> bool:
        """Write a snapshot while everybody waits; whether that worked."""
        snapshot = self._state.snapshot
        path = snapshot_path(self._settings)
        try:
            make_directory(path.parent)
            write_snapshot(self._instance, self._instance.keyspace, path)
        except OSError as error:
            logger.error("Saving the data failed: %s", error.strerror)
            return False
        self._saved(self._instance.keyspace.dirty)
        snapshot.succeeded = True
        self._state.snapshot_ended()
        logger.info("Data saved on disk")
        return True

    def _saved(self, dirty: int) -> None:
        self._state.saved_dirty = dirty
        self._state.saved_ms = self._instance.clock.now_ms()
        self._state.snapshot.done += 1

    def _start_snapshot(self) -> bool:
        instance, snapshot = self._instance, self._state.snapshot
        path, dirty = snapshot_path(self._settings), instance.keyspace.dirty

        def start() -> Child | Copier:
            if CAN_FORK:
                return self._fork(lambda: write_snapshot(instance, instance.keyspace, path))
            temporary = temporary_snapshot(path, os.getpid())
            return Copier(copy(instance, for_log=False), temporary, path)

        def finish(pid: int, outcome: Outcome) -> None:
            if not outcome.error:
                self._saved(dirty)
                logger.info("Background saving finished")
            else:
                logger.error("Background saving failed: %s", outcome.error)
                abandon(pid)
            self._state.snapshot_ended()

        def abandon(pid: int) -> None:
            temporary_snapshot(path, pid).unlink(missing_ok=True)

        return self._start(snapshot, start, finish, abandon)

    # --- the log ------------------------------------------------------------------------------

    def _start_rewrite(self) -> bool:
        rewrite, files = self._state.rewrite, self._files
        try:
            files.before_rewrite()
        except (OSError, ManifestError) as error:
            logger.error("The log cannot be rewritten: %s", error)
            rewrite.tried_at = time.monotonic()
            rewrite.end(rewrite.tried_at, succeeded=False)
            return False

        def finish(pid: int, outcome: Outcome) -> None:
            error = outcome.error
            if not error:
                try:
                    files.after_rewrite(pid)
                except OSError as failure:
                    error = failure.strerror or str(failure)
            if error:
                logger.error("Rewriting the log failed: %s", error)
                rewrite.succeeded = False
                files.discard(pid)
                # Without a base there is no log yet that could be loaded.
                rewrite.scheduled = files.turning_on
            else:
                rewrite.done += 1
                logger.info("Rewriting the log finished")

        def start() -> Child | Copier:
            if CAN_FORK:
                return self._fork(files.write)
            copied = copy(self._instance, for_log=True)
            return Copier(copied, files.temporary(os.getpid()), None)

        started = self._start(rewrite, start, finish, files.discard)
        if not started:
            rewrite.scheduled = files.turning_on
        return started

    # --- work beside the server ----------------------------------------------------------------

    def _start(
        self,
        job: Job,
        start: Callable[[], Child | Copier],
        finish: Callable[[int, Outcome], None],
        abandon: Callable[[int], None],
    ) -> bool:
        keyspace, state = self._instance.keyspace, self._state
        now = time.monotonic()
        job.begin(now)
        try:
            child = start()
        except OSError as error:
            logger.error("Cannot write in the background: %s", error.strerror)
            job.end(now, succeeded=False)
            self._state.snapshot_ended()
            return False
        state.keys_to_save = sum(map(len, keyspace.databases))
        self._work = Work(child, job, finish, abandon)
        self._begun.set()
        logger.info("Writing in the background, process %d", child.pid)
        return True

    def _fork(self, work: Callable[[], object]) -> Child:
        started = time.perf_counter()
        child = start_child(work)
        elapsed = time.perf_counter() - started
        self._state.forks += 1
        self._state.fork_microseconds = int(elapsed * 1_000_000)
        latency = self._instance.latency
        if latency.threshold_ms and elapsed * 1000 >= latency.threshold_ms:
            latency.record("fork", int(elapsed * 1000), self._instance.clock.now_ms() // 1000)
        return child

    def _end(self, work: Work, outcome: Outcome) -> None:
        job = work.job
        if work.given_up:
            work.abandon(work.child.pid)
            job.started = None
        else:
            job.copied_bytes = outcome.copied_bytes
            job.end(time.monotonic(), succeeded=not outcome.error)
            work.finish(work.child.pid, outcome)
        self._work = None
        self._state.keys_to_save = 0

    def _abandon(self, job: Job) -> None:
        """Give up what is being written for this job, if anything is."""
        if self._work is not None and self._work.job is job:
            self._work.given_up = True
            self._work.child.kill()

    # --- the end ---------------------------------------------------------------------------------

    def before_shutdown(self, effect: Shutdown) -> None:
        """Make everything safe; CommandError if the server had better stay."""
        refused = CommandError("ERR Errors trying to SHUTDOWN. Check logs.")
        if self._state.logging:
            if self._files.turning_on and not effect.force:
                logger.warning("The log is still being turned on: not shutting down")
                raise refused
            try:
                self.log.finish()
            except OSError as error:
                logger.error("The end of the log could not be written: %s", error.strerror)
                if not effect.force:
                    raise refused from None
            else:
                self._replies.release()
        # A child that is done in a moment must not replace what is saved now.
        self._abandon(self._state.snapshot)
        wanted = bool(self._settings.save) if effect.save is None else effect.save
        if wanted and not self.save() and not effect.force:
            logger.error("The data cannot be saved: not shutting down")
            raise refused

    def close(self) -> None:
        """Stop what is going on; the log is written to its end."""
        self._ready = False
        if self._work is not None:
            self._work.child.close()
            self._work.abandon(self._work.child.pid)
            self._work = None
        if self._state.logging:
            self._files.turn_off()
        self._lock.release()
