"""The log while it is written: what a turn has changed is in the file before its replies leave.

At the end of each turn `append` writes what the journal has gathered, at once and for all
commands of the turn together. What follows depends on `appendfsync`:

- *always*: the file is forced to disk too. Until that has succeeded the turn's replies are
  held back, however long it takes, so nothing is acknowledged that could be lost.
- *everysec*: another thread forces the file to disk once a second. A disk that cannot keep
  up first makes us wait with writing, for two seconds; then we write all the same, and are
  stopped by the system until it has caught up. That is the back-pressure of Redis.
- *no*: the system forces the file to disk when it likes.

When writing fails (mostly because the disk is full), what was written of it is taken back,
writes are refused with MISCONF, and it is tried again every second.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from commands.instance.instance import Instance
from commands.settings.settings import Settings
from server.persistence.files import sync_data
from storage.aof.encoder import encode, timestamp
from storage.journal import Journal

logger = logging.getLogger("redkeep")

_RETRY_SECONDS = 1.0
_SYNC_SECONDS = 1.0
# How long writing waits for a disk that is still busy with the last fsync.
_PATIENCE_SECONDS = 2.0


class Log:
    """The end of the log: an open file, and what is not in it yet."""

    def __init__(self, instance: Instance, on_synced: Callable[[], None]) -> None:
        self._instance = instance
        self._state = instance.persistence
        self._settings = instance.settings
        self._journal = Journal()
        self._descriptor = -1
        # Files that were written before this one and may not be on disk yet.
        self._retired: list[int] = []
        # Encoded but not written; nearly always nothing.
        self._pending: list[bytes] = []
        self._size = 0
        # How much of the file was written, and is to be forced to disk, by nobody yet.
        self._unsynced = False
        # How much of what was gathered is in the file; see `Persistence.log_gathered`.
        self._written = 0
        self._syncing = False
        self._synced_at = 0.0
        self._postponed_since: float | None = None
        self._retry_at = 0.0
        self._last_timestamp = 0
        self._wake = trio.Event()
        # Called between two turns when more of the log is on disk.
        self._on_synced = on_synced
        # What is not written yet was gathered in this turn, though not at its end.
        self._holding = False
        self._always = self._every_second = False
        self._settings.on_change(Settings.appendfsync, self._follow_policy)

    def _follow_policy(self, policy: str) -> None:
        self._always, self._every_second = policy == "always", policy == "everysec"
        # A file that nobody forces to disk any more cannot fail to be.
        self._sync_failed = False

    # --- opening and closing -------------------------------------------------------------

    def open(self, path: Path) -> None:
        """Append to this file from now on; to another one before, if there was any."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._retire()
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._journal.forget_database()
        self._instance.keyspace.journal = self._journal

    def _retire(self) -> None:
        if self._descriptor < 0:
            return
        if self._unsynced or self._syncing:
            self._retired.append(self._descriptor)
            self._wake.set()
        else:
            os.close(self._descriptor)
        self._descriptor = -1
        self._unsynced = False

    def close(self) -> None:
        """Write and force to disk what there is, and keep no log any more."""
        self._instance.keyspace.journal = None
        if self._descriptor >= 0:
            try:
                self.finish()
            except OSError as error:
                logger.error("The end of the log could not be written: %s", error.strerror)
            self._retire()
        self._pending = []
        self._state.log_buffered = 0
        # What could not be written will be in the base of the next log.
        self._written = self._state.log_synced = self._state.log_gathered
        self._recovered()

    def finish(self) -> None:
        """Write everything and force it to disk; OSError if that cannot be done."""
        self._gather()
        self._write()
        sync_data(self._descriptor)
        self._unsynced = False
        self._state.log_synced = self._written

    # --- turns ---------------------------------------------------------------------------

    def append(self) -> bool:
        """Write what has changed since; False if replies must wait for the disk."""
        if not self._journal:
            holding, self._holding = self._holding, False
            return not holding
        self._holding = False
        self._gather()
        if self._state.log_error:
            return not self._always
        return self._advance() or not self._always

    def settle(self) -> bool:
        """Write what this turn has changed so far, because another file is to follow."""
        self._gather()
        written = self._advance(force=True) and not self._pending
        self._holding = not written and self._always
        return written

    def tick(self) -> bool:
        """Try again what could not be done; whether nothing is open any more."""
        if self._unsynced and self._every_second and self._may_sync:
            # It was not to be when it was written, and perhaps nothing is written any more.
            self._wake.set()
        if not self._pending and not (self._always and self._unsynced):
            if not self._sync_failed:
                self._recovered()
            return True
        if time.monotonic() < self._retry_at:
            return False
        return self._advance()

    def _gather(self) -> None:
        requests = self._journal.take()
        if not requests:
            return
        if self._settings.aof_timestamp_enabled:
            now = self._instance.keyspace.now // 1000
            if now != self._last_timestamp:
                self._last_timestamp = now
                self._pending.append(timestamp(now))
        self._pending.append(encode(requests))
        self._state.log_gathered += 1
        self._state.log_buffered = sum(map(len, self._pending))

    def _advance(self, *, force: bool = False) -> bool:
        """Write, and force to disk what must be now. False if it was not to be.

        `force` writes even if that has to wait for a busy disk.
        """
        if self._every_second and self._syncing and not force and not self._waited_enough():
            self._wake.set()
            return True
        size = self._size
        try:
            data = self._write()
            if self._always and self._may_sync:
                self._sync_now(data, size)
        except OSError as error:
            self._failed(error)
            return False
        if not self._sync_failed:
            self._recovered()
        if self._unsynced and self._every_second and not self._wake.is_set():
            self._wake.set()
        return True

    def _waited_enough(self) -> bool:
        """Whether to write though the disk is busy: it would stop us until it is done."""
        now = time.monotonic()
        if self._postponed_since is None:
            self._postponed_since = now
            return False
        if now - self._postponed_since < _PATIENCE_SECONDS:
            return False
        self._state.delayed_syncs += 1
        logger.warning("Forcing the log to disk takes too long; the disk may be busy")
        return True

    def _write(self) -> bytes:
        """Write all that is pending; OSError if not all of it can be."""
        pending = self._pending
        self._postponed_since = None
        if not pending:
            return b""
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        written = 0
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, memoryview(data)[written:])
        except OSError:
            if written:
                self._take_back(written, self._size, data)
            raise
        self._pending = []
        self._unsynced = True
        self._written = self._state.log_gathered
        self._state.log_buffered = 0
        self._grow(written)
        return data

    def _grow(self, by: int) -> None:
        self._size += by
        self._state.log_size += by

    def _sync_now(self, data: bytes, size: int) -> None:
        try:
            sync_data(self._descriptor)
        except OSError:
            # The system may have dropped what it could not write, and say next time that
            # all is well: it has to be given the data again.
            if data:
                self._take_back(len(data), size, data)
            raise
        self._unsynced = self._sync_failed = False
        self._state.log_synced = self._written

    def _take_back(self, written: int, size: int, data: bytes) -> None:
        """Make the file as long as it was: a log that ends inside a request is cut off."""
        self._written = self._state.log_synced
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            logger.error("What was written of the log cannot be taken back: %s", error.strerror)
            self._grow(size + written - self._size)
            self._pending = [data[written:]]
        else:
            self._grow(size - self._size)
            self._pending = [data]

    def _failed(self, error: OSError) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        text = (error.strerror or str(error)).encode()
        if self._state.log_error != text:
            logger.error("Writing the log failed: %s. Writes are refused", error.strerror)
            self._state.log_failed(text)

    def _recovered(self) -> None:
        if self._state.log_error:
            logger.warning("The log can be written again")
            self._state.log_recovered()

    # --- forcing to disk, beside the serving thread -----------------------------------------

    @property
    def _may_sync(self) -> bool:
        """Not while a child writes its own file, if the settings say so."""
        state = self._state
        return not self._settings.no_appendfsync_on_rewrite or (
            state.snapshot.started is None and state.rewrite.started is None
        )

    async def run(self) -> None:
        """Force the log to disk once a second, while anything was written."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await trio.sleep(max(0.0, self._synced_at + _SYNC_SECONDS - trio.current_time()))
            while self._retired:
                descriptor = self._retired.pop()
                await self._sync(descriptor)
                os.close(descriptor)
            written = self._written
            if self._every_second and self._may_sync:
                if self._unsynced:
                    self._unsynced = False
                    await self._sync(self._descriptor)
                if not self._sync_failed:
                    # A log that was closed meanwhile has come further.
                    self._state.log_synced = max(written, self._state.log_synced)
                    self._on_synced()
            if self._pending and not self._state.log_error:
                self._advance()

    async def _sync(self, descriptor: int) -> None:
        self._synced_at = trio.current_time()
        self._syncing = True
        self._state.syncs_running += 1
        try:
            await trio.to_thread.run_sync(partial(sync_data, descriptor))
        except OSError as error:
            self._failed(error)
            self._unsynced = self._sync_failed = True
            self._wake.set()
        else:
            self._sync_failed = False
            if not self._pending:
                self._recovered()
        finally:
            self._syncing = False
            self._state.syncs_running -= 1
