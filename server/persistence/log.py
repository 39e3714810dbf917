"""The log while it is written: a turn's changes are in the file before its replies are sent.

At the end of each turn `append` takes what the journal has gathered, one batch for all
commands of the turn, and writes it. The rest depends on `appendfsync`:

  policy        at the end of a turn   replies of the turn    sync
  ALWAYS        write and sync         held until synced      serving thread
  EVERY_SECOND  write                  held until written     background thread, once a second
  NEVER         write                  held until written     the system's choice

Under EVERY_SECOND the batch is written even while a sync of the file is running. The system may
make that write wait; Redis therefore keeps the batch in memory for up to two seconds, in which
a killed process loses it though it was acknowledged. Measured on a busy disk (ext4), where syncs
took 100 ms, 99 of 100 such writes took less than 5 ms and the longest 50 ms.

Which bytes of a file are synced is the state of a `LogFile`; which files are open, and why, is
the state of `OpenFiles`. The remaining state is derived from positions, which count batches:
`status.position` was taken, `_written_position` is in the files, and `status.synced_position`
survives a power failure.

  failure                what happens                                retried
  write fails            what was written of it is cut off           every second, by `tick`
  sync fails, ALWAYS     the batch is cut off and written again      every second, by `tick`
  background sync fails  the file becomes FAILED                     every second, by `run`

Until the retry succeeds, writes are refused with MISCONF, and the replies of the turns concerned
are held. Only the batch whose sync failed can be written again. What was written before it
without a sync (EVERY_SECOND, or no-appendfsync-on-rewrite) is no longer in memory: if the system
dropped it, a later sync succeeds without it, and the file has a hole. Such a log is suspect
(`needs_base`): nothing more counts as synced until a rewrite has replaced the file, and under
ALWAYS, whose replies promise a sync, writes are refused until then.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import trio

from commands.instance.instance import Instance
from commands.settings.settings import Settings
from server.persistence.log_file import LogFile
from server.persistence.open_files import OpenFiles
from server.system.files import OpenedFiles
from storage.aof.encoder import encode, timestamp
from storage.journal import Journal

logger = logging.getLogger("redkeep")

_RETRY_SECONDS = 1.0
_SYNC_SECONDS = 1.0
# A sync that runs for longer is counted and reported.
_SLOW_SYNC_SECONDS = 2.0


class FsyncPolicy(Enum):
    """The values of `appendfsync`."""

    ALWAYS = "always"
    EVERY_SECOND = "everysec"
    NEVER = "no"


class BackgroundSync:
    """One sync of one file by another thread."""

    def __init__(self, file: LogFile, position: int | None) -> None:
        self.file = file
        # If it succeeds, all batches up to here are synced; None for a retired file.
        self.position = position
        self.succeeded = False
        self.error: OSError | None = None

    def run(self) -> None:
        try:
            self.file.sync_in_background()
        except OSError as error:
            self.error = error
        else:
            self.succeeded = True


class Log:
    """Batches on their way to the open files, and when these are synced."""

    def __init__(
        self,
        instance: Instance,
        files: OpenedFiles,
        on_synced: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_synced` is called between two turns when more of the log was synced."""
        self._keyspace = instance.keyspace
        self._persistence = instance.persistence
        self._status = instance.persistence.log
        self._settings = instance.settings
        self._on_synced = on_synced
        self._monotonic = monotonic
        self._journal = Journal()
        self._files = OpenFiles(files)
        # Encoded but not written; nearly always empty.
        self._pending: list[bytes] = []
        self._written_position = self._status.position
        # The position at the end of the last turn.
        self._turn_position = self._status.position
        # The file's size that the status includes.
        self._counted_size = 0
        self._policy = FsyncPolicy.EVERY_SECOND
        # When the running background sync will be reported as slow.
        self._report_slow_at = float("inf")
        self._retry_at = float("-inf")
        self._last_timestamp = 0
        # Wakes `run`, which began its last sync at this time.
        self._wake = trio.Event()
        self._sync_began_at = float("-inf")
        self._settings.on_change(Settings.appendfsync, self._follow_policy)

    def _follow_policy(self, policy: str) -> None:
        self._policy = FsyncPolicy(policy)

    # --- opening and closing -------------------------------------------------------------

    def open(self, path: Path, install: Callable[[], None] = lambda: None) -> None:
        """Append to this file from now on; the current one, if there is one, is retired.

        `install` makes the file part of the log on disk; it is called once the file is open,
        because after that nothing may fail any more. OSError if it fails or the file cannot
        be opened; then nothing has changed.
        """
        assert not self._pending, "pending batches belong to the current file"
        self._files.open(path, install)
        # A retired file has to be synced.
        self._wake.set()
        self._begin_file()

    def restart(self, path: Path) -> None:
        """Begin the log anew in this file: a base that holds all data up to now will follow.

        Batches that are not written are discarded: replayed on top of that base, they would
        change the data a second time. OSError if the file cannot be opened; then nothing has
        changed.
        """
        self._files.restart(path)
        self._gather()
        self._discard_pending()
        # The log counts only when that base is on disk, and these batches are then, too.
        self._status.synced(self._status.position)
        self._begin_file()

    def _begin_file(self) -> None:
        self._counted_size = self._files.current.size
        self._journal.forget_database()
        self._keyspace.journal = self._journal
        self._status.turn_on()

    def drop_retired(self) -> None:
        """A new base holds what is in the retired files."""
        self._files.drop_retired()
        self._recover_if_healthy()
        self._tell_synced(None)

    def close(self) -> None:
        """Write and sync everything, then turn the log off."""
        if not self._files.is_closed:
            try:
                self.finish()
            except OSError as error:
                logger.error(
                    "Cannot write and sync the end of the log %s: %s. Closing it anyway: %d bytes "
                    "are not written, and what is not synced may not survive a power failure",
                    self._files.current.path, error.strerror, self._status.buffered_bytes,
                )  # fmt: skip
            self._files.retire()
            self._wake.set()
        self._keyspace.journal = None
        # The next log begins with a base, which will hold these batches.
        self._discard_pending()
        self._status.turn_off()
        self._recover()

    def _discard_pending(self) -> None:
        self._pending = []
        self._status.written(0, buffered_bytes=0)
        self._written_position = self._status.position

    def finish(self) -> None:
        """Write and sync everything, under every policy; OSError if that fails."""
        self._gather()
        self._write_and_sync(sync=True)
        if self._files.are_suspect or (self._promises_sync and not self._files.are_safe):
            raise OSError(errno.EIO, "an earlier fsync failed, and may have lost a part of the log")

    # --- turns ---------------------------------------------------------------------------

    def append(self) -> bool:
        """Write what the turn has changed; False if its replies must wait for the disk."""
        if self._journal:
            self._gather()
            if not self._status.error:
                self._write_out()
        began_at, self._turn_position = self._turn_position, self._status.position
        return began_at == self._turn_position or self._is_safe()

    def flush(self) -> bool:
        """Write what this turn has changed so far, and sync it under ALWAYS; return success."""
        self._gather()
        return self._write_out()

    def tick(self) -> bool:
        """Retry what failed; whether the replies that are held may be sent."""
        if self._next_to_sync() is not None:
            # It may not have been allowed when the file was written.
            self._wake.set()
        self._report_slow_sync()
        always = self._policy is FsyncPolicy.ALWAYS
        if not self._pending and not (always and self._files.needs_sync()):
            self._recover_if_healthy()
            return self._is_safe()
        if self._monotonic() >= self._retry_at:
            self._write_out()
        return self._is_safe()

    def _is_safe(self) -> bool:
        """Whether all replies may be sent."""
        status = self._status
        if self._promises_sync:
            return status.synced_position == status.position
        return self._written_position == status.position

    @property
    def _promises_sync(self) -> bool:
        """Whether a reply says that its writes are synced, and not only written."""
        return self._policy is FsyncPolicy.ALWAYS and self._persistence.fsync_allowed

    @property
    def needs_base(self) -> bool:
        """Whether only a rewrite can make the log safe, and the disk works again."""
        return self._files.are_suspect and not self._pending and not self._has_failed()

    def _gather(self) -> None:
        requests = self._journal.take()
        if not requests:
            return
        if self._settings.aof_timestamp_enabled:
            now = self._keyspace.now // 1000
            if now != self._last_timestamp:
                self._last_timestamp = now
                self._pending.append(timestamp(now))
        self._pending.append(encode(requests))
        self._status.batch_taken(sum(map(len, self._pending)))

    # --- writing -------------------------------------------------------------------------

    def _write_out(self) -> bool:
        """Write what is pending and sync it if the policy says so; whether that succeeded."""
        file = self._files.current
        try:
            self._write_and_sync(sync=self._promises_sync)
        except OSError as error:
            self._fail(error, file)
            return False
        self._recover_if_healthy()
        if self._policy is FsyncPolicy.EVERY_SECOND and file.state.needs_sync:
            self._wake.set()
        return True

    def _write_and_sync(self, *, sync: bool) -> None:
        """Write all that is pending, and sync all files if `sync`.

        OSError if that fails. What is not in the file then is pending again.
        """
        file, data = self._files.current, b"".join(self._pending)
        size, position = file.size, self._written_position
        if data:
            try:
                file.write(data)
            finally:
                self._keep_rest(data, size)
            self._written_position = self._status.position
        if not sync:
            return
        try:
            self._files.sync()
        except OSError:
            # Under the other policies the batch stays: its replies may have been sent, and
            # the file survives a crash of this process even if it is not synced.
            if data and self._policy is FsyncPolicy.ALWAYS:
                file.undo(size)
                self._keep_rest(data, size)
                if self._pending:
                    self._written_position = position
            raise
        if self._files.are_safe:
            self._status.synced(self._written_position)

    def _keep_rest(self, data: bytes, size: int) -> None:
        """Keep the end of the data that a file that had `size` bytes before does not hold."""
        file = self._files.current
        rest = data[file.size - size :]
        self._pending = [rest] if rest else []
        self._status.written(file.size - self._counted_size, len(rest))
        self._counted_size = file.size

    # --- failures ------------------------------------------------------------------------

    def _fail(self, error: OSError, file: LogFile) -> None:
        self._retry_at = self._monotonic() + _RETRY_SECONDS
        text = error.strerror or str(error)
        if self._status.error != text.encode():
            logger.error(
                "Cannot write or sync the log %s: %s. Refusing writes and retrying every second",
                file.path, text,
            )  # fmt: skip
            self._status.failed(text.encode())

    def _recover_if_healthy(self) -> None:
        if not self._status.error or self._pending or self._has_failed():
            return
        if self._promises_sync and self._files.are_suspect:
            return
        self._recover()

    def _has_failed(self) -> bool:
        # With NEVER nothing promises that the current file is synced.
        return self._files.has_failed(with_current=self._policy is not FsyncPolicy.NEVER)

    def _recover(self) -> None:
        if self._status.error:
            logger.warning("The log works again. Accepting writes")
            self._status.recovered()

    # --- syncing in the background ---------------------------------------------------------

    def _next_to_sync(self) -> LogFile | None:
        every_second = self._policy is FsyncPolicy.EVERY_SECOND
        return self._files.next_to_sync(
            with_current=every_second and self._persistence.fsync_allowed
        )

    def begin_sync(self) -> BackgroundSync | None:
        """Begin a background sync if one is needed; `run` it in a thread, then `end_sync`."""
        file = self._next_to_sync()
        if file is None:
            return None
        file.begin_background_sync()
        self._status.sync_began()
        self._report_slow_at = self._monotonic() + _SLOW_SYNC_SECONDS
        is_current = not self._files.is_closed and file is self._files.current
        return BackgroundSync(file, self._written_position if is_current else None)

    def end_sync(self, sync: BackgroundSync) -> None:
        self._status.sync_ended()
        self._report_slow_at = float("inf")
        if not self._files.end_background_sync(sync.file, succeeded=sync.succeeded):
            return
        if sync.succeeded:
            self._recover_if_healthy()
            self._tell_synced(sync.position)
        elif sync.error is not None and self._files.is_closed:
            logger.warning(
                "Cannot sync %s after the log was turned off: %s. Its last writes may not "
                "survive a power failure", sync.file.path, sync.error.strerror,
            )  # fmt: skip
        elif sync.error is not None:
            self._fail(sync.error, sync.file)
            self._wake.set()

    def _tell_synced(self, position: int | None) -> None:
        """Count batches up to this position, which the current file has synced, as synced."""
        if self._files.is_closed or not self._files.all_before_are_safe:
            return
        current = self._files.current
        if current.suspect:
            return
        if current.is_safe:
            position = self._written_position
        if position is not None:
            self._status.synced(position)
            self._on_synced()

    def _report_slow_sync(self) -> None:
        if self._monotonic() >= self._report_slow_at:
            self._report_slow_at = float("inf")
            self._status.sync_delayed()
            logger.warning(
                "An fsync of the log has been running for more than %.0f seconds; the disk is "
                "slow or busy, and may make the server wait when it writes to the log",
                _SLOW_SYNC_SECONDS,
            )

    async def run(self) -> None:
        """Sync retired files, and with EVERY_SECOND the current one, once a second."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await trio.sleep(max(0.0, self._sync_began_at + _SYNC_SECONDS - trio.current_time()))
            while (sync := self.begin_sync()) is not None:
                self._sync_began_at = trio.current_time()
                try:
                    await trio.to_thread.run_sync(sync.run)
                finally:
                    self.end_sync(sync)
                # Retired files follow each other at once, the current file comes last.
                if not sync.succeeded or sync.position is not None:
                    break
