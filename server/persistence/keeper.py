"""The keeper of an instance's data on disk: what the rest of the server talks to.

It decides what is written when. At most one task writes files in the background, a snapshot
or a rewrite of the log, as in Redis; what is asked for meanwhile is refused or scheduled.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
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
from commands.scripting.functions import libraries_of
from commands.settings.kinds import SettingError
from commands.settings.settings import Settings
from server.persistence.background import Background
from server.persistence.files import make_directory, snapshot_path
from server.persistence.loading import Loader, LoadError
from server.persistence.log import Log
from server.persistence.rewrite_task import RewriteTask
from server.persistence.rewriting import LogFiles
from server.persistence.snapshot_task import SnapshotTask
from server.persistence.snapshots import write_snapshot
from server.persistence.starting import Starter
from server.system.system import SYSTEM, System
from storage.aof.errors import ManifestError

logger = logging.getLogger("redkeep")

# How long after a failed snapshot a save point may start the next one.
_SNAPSHOT_RETRY_SECONDS = 5
# How long after a failed rewrite the next one may start.
_REWRITE_RETRY_SECONDS = 1.0
# After so many failed rewrites in a row the pauses between attempts grow, up to an hour.
_REWRITE_FAILURES, _LONGEST_REWRITE_PAUSE = 3, 3600
_FAILED = "ERR"


class HeldReplies(Protocol):
    """Replies that must not be sent before the log is on disk."""

    def release(self) -> None:
        """The log is on disk: send them."""


class Keeper:
    """Loads, logs and saves one instance."""

    def __init__(
        self,
        instance: Instance,
        replies: HeldReplies,
        *,
        on_synced: Callable[[], None],
        on_progress: Callable[[int, int], None],
        system: System = SYSTEM,
    ) -> None:
        self._instance = instance
        self._keyspace = instance.keyspace
        self._settings = instance.settings
        self._state = instance.persistence
        self._replies = replies
        self._system = system
        self._loader = Loader(instance, system.files)
        self.log = Log(instance, system.files, on_synced)
        self._files = LogFiles(instance, self.log, system.files)
        self._starter = Starter(instance, self._loader, self._files, system.files, on_progress)
        self._background = Background(instance, system)
        # Whether the data is loaded, and the server is not closing.
        self._ready = False
        self._settings.on_change(Settings.appendonly, self._follow_appendonly)
        self._settings.on_change(Settings.dir, self._follow_dir)

    # --- settings --------------------------------------------------------------------------

    def _follow_dir(self, path: str) -> None:
        if self._ready and not os.path.isdir(path):
            error = errno.ENOTDIR if os.path.exists(path) else errno.ENOENT
            raise SettingError(os.strerror(error))

    def _follow_appendonly(self, wanted: bool) -> None:
        if not self._ready or wanted == self._state.log.enabled:
            return
        if wanted:
            self._lock_directory()
        self._background.stop(self._state.rewrite)
        if not wanted:
            self._state.rewrite.unschedule()
            self._files.turn_off()
            self._starter.release()
            self._replies.release()
        elif self._background.is_busy:
            self._state.rewrite.schedule()
        elif not self._start_rewrite():
            self._starter.release()
            raise SettingError("Unable to turn on AOF. Check server logs.")

    def _lock_directory(self) -> None:
        try:
            self._starter.lock_directory()
        except LoadError as error:
            raise SettingError(str(error)) from None

    # --- running ---------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the data and open the log; LoadError if that is not possible."""
        await self._starter.start()
        self._ready = True

    async def run(self) -> None:
        """Sync the log and finish background tasks until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.log.run)
            nursery.start_soon(self._background.run)

    def tick(self) -> None:
        """Retry what failed, and start what is scheduled or due by a save point."""
        if self._state.log.enabled and self.log.tick():
            self._replies.release()
        if self._background.is_busy or not self._ready:
            return
        now = time.monotonic()
        if self._rewrite_is_due(now):
            self._start_rewrite()
        elif self._snapshot_is_due(now):
            self._start_snapshot()

    def _rewrite_is_due(self, now: float) -> bool:
        rewrite = self._state.rewrite
        wanted = rewrite.scheduled or self._log_has_grown() or self._files.needs_rewrite
        return wanted and (now - rewrite.last_attempt_at >= self._rewrite_pause())

    def _snapshot_is_due(self, now: float) -> bool:
        snapshot = self._state.snapshot
        may_retry = now - snapshot.last_attempt_at > _SNAPSHOT_RETRY_SECONDS
        return (snapshot.succeeded or may_retry) and (
            snapshot.scheduled or self._save_point_reached()
        )

    def _save_point_reached(self) -> bool:
        changes = self._keyspace.dirty - self._state.dirty_at_last_save
        if not changes:
            return False
        elapsed = self._state.ms_since_save
        for seconds, least in self._settings.save:
            if changes >= least and elapsed > seconds * 1000:
                logger.info("%d changes in %d seconds: saving in the background", changes, seconds)
                return True
        return False

    def _log_has_grown(self) -> bool:
        log, settings = self._state.log, self._settings
        percent = settings.auto_aof_rewrite_percentage
        if not log.enabled or not percent or log.size <= settings.auto_aof_rewrite_min_size:
            return False
        growth = log.size * 100 // max(1, log.base_size) - 100
        return growth >= percent

    def _rewrite_pause(self) -> float:
        """Return how many seconds to wait after the last attempt."""
        failures = self._state.rewrite.failures_in_a_row
        if failures < _REWRITE_FAILURES:
            # The cause of a failure rarely goes away within a tick.
            return _REWRITE_RETRY_SECONDS if failures else 0.0
        # A log that only a rewrite makes safe must not wait for an hour.
        longest = 60 if self._files.needs_rewrite else _LONGEST_REWRITE_PAUSE
        return min(longest, 60 << min(failures - _REWRITE_FAILURES, 10))

    def _start_snapshot(self) -> bool:
        return self._background.start(SnapshotTask(self._instance, self._system.files))

    def _start_rewrite(self) -> bool:
        try:
            self._files.prepare()
        except (OSError, ManifestError) as error:
            logger.error(
                "Rewriting the log failed: cannot switch to a new file: %s. The log goes on in "
                "its present file", error,
            )  # fmt: skip
            self._state.rewrite.end(time.monotonic(), succeeded=False)
            return False
        return self._background.start(RewriteTask(self._instance, self._files))

    # --- commands ----------------------------------------------------------------------------

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
        if self._state.snapshot.is_running:
            raise CommandError("ERR Background save already in progress")
        if not self.save():
            raise CommandError(_FAILED)
        return OK

    def save(self) -> bool:
        """Write a snapshot while nothing else is served; whether that succeeded."""
        path = snapshot_path(self._settings)
        # A background snapshot that ends later would replace this newer one.
        self._background.stop(self._state.snapshot)
        try:
            make_directory(self._system.files, path.parent)
            write_snapshot(self._instance, self._keyspace, path, self._system.files)
        except OSError as error:
            logger.error("Saving failed: cannot write %s: %s", path, error.strerror)
            return False
        self._state.saved(self._keyspace.dirty)
        logger.info("Saved the data to %s", path)
        return True

    def _save_in_background(self, *, schedule: bool, atomic: bool) -> Reply:
        snapshot = self._state.snapshot
        if snapshot.is_running:
            raise CommandError("ERR Background save already in progress")
        if self._background.is_busy or atomic:
            if not schedule and not atomic:
                raise CommandError(
                    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use "
                    "BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
                )
            snapshot.schedule()
            return "Background saving scheduled"
        if not self._start_snapshot():
            raise CommandError(_FAILED)
        return "Background saving started"

    def _cancel_save(self) -> Reply:
        snapshot = self._state.snapshot
        if snapshot.is_running:
            self._background.stop(snapshot)
            return "Background saving cancelled"
        if snapshot.scheduled:
            snapshot.unschedule()
            return "Scheduled background saving cancelled"
        raise CommandError("ERR Background saving is currently not in progress or scheduled")

    def _rewrite(self, *, atomic: bool) -> Reply:
        rewrite = self._state.rewrite
        if rewrite.is_running:
            raise CommandError("ERR Background append only file rewriting already in progress")
        if self._background.is_busy or atomic:
            rewrite.forget_failures()
            rewrite.schedule()
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
            self._flush()
        try:
            self._load_now([snapshot_path(self._settings)], replace=effect.merge)
        except (LoadError, OSError) as error:
            logger.warning("DEBUG RELOAD failed: %s", error)
            raise CommandError(
                "ERR Error trying to load the RDB dump, check server logs."
            ) from None
        return OK

    def _reload_log(self) -> Reply:
        failed = CommandError("ERR Error trying to load the AOF files, check server logs.")
        if self._state.log.enabled and not self.log.flush():
            raise failed
        try:
            manifest = self._loader.manifest()
            if manifest is None or self._files.turning_on:
                raise LoadError("there is no complete log")
            files = self._loader.files_of(manifest)
            self._flush()
            self._load_now(files)
        except (LoadError, OSError) as error:
            logger.warning("DEBUG LOADAOF failed: %s", error)
            raise failed from None
        return OK

    def _flush(self) -> None:
        """Remove everything that a data file contains."""
        self._keyspace.flush_all()
        libraries_of(self._instance).clear()

    def _load_now(self, files: list[Path], *, replace: bool = False) -> None:
        for _ in self._loader.steps(files, replace=replace):
            pass

    # --- the end -----------------------------------------------------------------------------

    def before_shutdown(self, effect: Shutdown) -> None:
        """Make all data safe; CommandError if the server should rather go on running."""
        refused = CommandError("ERR Errors trying to SHUTDOWN. Check logs.")
        if self._state.log.enabled:
            if self._files.turning_on and not effect.force:
                logger.warning("Not shutting down: the log was turned on and is not complete yet")
                raise refused
            try:
                self.log.finish()
            except OSError as error:
                logger.error("Cannot write and sync the end of the log: %s", error.strerror)
                if not effect.force:
                    logger.error("Not shutting down: the last writes are not safe")
                    raise refused from None
            else:
                self._replies.release()
        wanted = bool(self._settings.save) if effect.save is None else effect.save
        if wanted and not self.save() and not effect.force:
            logger.error("Not shutting down: the data cannot be saved")
            raise refused

    def close(self) -> None:
        """Stop the background task, and write the log to its end."""
        self._ready = False
        self._background.close()
        if self._state.log.enabled:
            self._files.turn_off()
        self._starter.release()
