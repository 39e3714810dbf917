"""One open file of the log, and which of its bytes survive a power failure.

A file is synced (forced to disk with fsync) in one of two ways: by the serving thread, which
waits for the result, or in the background by another thread, which may take long. While the
background sync runs, the serving thread may go on writing, and may even sync. The states:

- CLEAN      everything written is synced
- WRITTEN    some of it is not
- FAILED     some of it is not, and the last sync failed
- SYNCING    a background sync is running that covers everything written
- OVERTAKEN  a background sync is running, and more was written since it began
- RETRYING   a background sync is running after a failed sync, or a sync failed meanwhile

The transitions, by event; a dash marks what cannot happen:

              serving thread                 background sync
              writes     syncs    sync fails begins     succeeds  fails
  CLEAN       WRITTEN    CLEAN    FAILED     -          -         -
  WRITTEN     WRITTEN    CLEAN    FAILED     SYNCING    -         -
  FAILED      FAILED     CLEAN    FAILED     RETRYING   -         -
  SYNCING     OVERTAKEN  SYNCING  RETRYING   -          CLEAN     FAILED
  OVERTAKEN   OVERTAKEN  SYNCING  RETRYING   -          WRITTEN   FAILED
  RETRYING    RETRYING   SYNCING  RETRYING   -          WRITTEN   FAILED

RETRYING does not note further writes. When the sync succeeds, the file therefore counts as
WRITTEN and is synced once more, which is rare and does no harm.

A failed sync may have made the system drop the pages it could not write, after which the next
sync succeeds without them. A caller that still has the data should undo the write (`undo`)
and write it again. If other data was not synced either, the file is *suspect*: it may have a
hole for good, and no later sync makes it safe.
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from pathlib import Path

from server.system.files import OpenedFiles

logger = logging.getLogger("redkeep")


class FileState(Enum):
    CLEAN = auto()
    WRITTEN = auto()
    FAILED = auto()
    SYNCING = auto()
    OVERTAKEN = auto()
    RETRYING = auto()

    @property
    def needs_sync(self) -> bool:
        """Whether a background sync should begin."""
        return self in (FileState.WRITTEN, FileState.FAILED)

    @property
    def in_background(self) -> bool:
        """Whether a background sync is running."""
        return self in (FileState.SYNCING, FileState.OVERTAKEN, FileState.RETRYING)

    @property
    def has_failed(self) -> bool:
        """Whether the last sync that ended has failed."""
        return self in (FileState.FAILED, FileState.RETRYING)


class FileEvent(Enum):
    """The columns of the table."""

    WRITE = 0
    SYNC = 1
    SYNC_FAILS = 2
    BACKGROUND_BEGINS = 3
    BACKGROUND_SUCCEEDS = 4
    BACKGROUND_FAILS = 5


_CLEAN, _WRITTEN, _FAILED, _SYNCING, _OVERTAKEN, _RETRYING = FileState
TRANSITIONS = {
    _CLEAN: (_WRITTEN, _CLEAN, _FAILED, None, None, None),
    _WRITTEN: (_WRITTEN, _CLEAN, _FAILED, _SYNCING, None, None),
    _FAILED: (_FAILED, _CLEAN, _FAILED, _RETRYING, None, None),
    _SYNCING: (_OVERTAKEN, _SYNCING, _RETRYING, None, _CLEAN, _FAILED),
    _OVERTAKEN: (_OVERTAKEN, _SYNCING, _RETRYING, None, _WRITTEN, _FAILED),
    _RETRYING: (_RETRYING, _SYNCING, _RETRYING, None, _WRITTEN, _FAILED),
}


class LogFile:
    """An open file that is only appended to."""

    def __init__(self, path: Path, files: OpenedFiles) -> None:
        """Open an existing file; OSError if that fails."""
        self._path = path
        self._files = files
        self._descriptor = files.open(path)
        self._size = files.size(self._descriptor)
        self._state = FileState.CLEAN
        # So many bytes survive a power failure, whatever fails later.
        self._safe_size = 0
        # What the background sync covers of the file.
        self._covered_size = 0
        self._suspect = False

    def __repr__(self) -> str:
        return f"<LogFile {self._path.name} {self._state.name} {self._size} bytes>"

    @property
    def path(self) -> Path:
        return self._path

    @property
    def size(self) -> int:
        return self._size

    @property
    def state(self) -> FileState:
        return self._state

    @property
    def suspect(self) -> bool:
        """Whether a failed sync may have lost data that was not written again."""
        return self._suspect

    @property
    def is_safe(self) -> bool:
        """Whether everything written survives a power failure."""
        return self._state is FileState.CLEAN and not self._suspect

    def _follow(self, event: FileEvent) -> None:
        after = TRANSITIONS[self._state][event.value]
        assert after is not None, f"{self} cannot follow {event.name}"
        self._state = after

    def write(self, data: bytes) -> None:
        """Append the data, or nothing of it and raise OSError.

        A part of it stays in the file if it cannot be cut off again; `size` tells.
        """
        written = 0
        try:
            written = self._files.write(self._descriptor, data)
            while written < len(data):
                written += self._files.write(self._descriptor, memoryview(data)[written:])
        except OSError:
            if written:
                # A log that ends inside a request has to be repaired before it is loaded.
                size = self._size
                self._size += written
                self.undo(size)
                if self._size > size:
                    self._follow(FileEvent.WRITE)
            raise
        self._size += written
        self._follow(FileEvent.WRITE)

    def undo(self, size: int) -> None:
        """Cut the file off at this size. If that fails it stays as long as it is."""
        try:
            self._files.truncate(self._descriptor, size)
        except OSError as error:
            logger.error(
                "Cannot truncate the log file %s to %d bytes after a failed write or fsync: %s. "
                "It keeps %d bytes of the failed write; the rest is appended to them later",
                self._path, size, error.strerror, self._size - size,
            )  # fmt: skip
        else:
            self._size = size
            self._covered_size = min(self._covered_size, size)
            if size <= self._safe_size:
                self._suspect = False

    def sync(self) -> None:
        """Wait until everything written is on disk; OSError if that fails."""
        try:
            self._files.sync(self._descriptor)
        except OSError:
            self._follow(FileEvent.SYNC_FAILS)
            self._note_failure()
            raise
        self._covered_size = self._size
        # The system reports an error once: a sync that is running may have got it.
        if not self._state.in_background:
            self._note_success()
        self._follow(FileEvent.SYNC)

    def _note_success(self) -> None:
        if not self._suspect:
            self._safe_size = max(self._safe_size, self._covered_size)

    def _note_failure(self) -> None:
        if self._size > self._safe_size:
            self._suspect = True

    def begin_background_sync(self) -> None:
        """The background sync begins: `sync_in_background` follows, then `end_...`."""
        self._covered_size = self._size
        self._follow(FileEvent.BACKGROUND_BEGINS)

    def sync_in_background(self) -> None:
        """Do the work, in any thread; OSError if it fails."""
        self._files.sync(self._descriptor)

    def end_background_sync(self, *, succeeded: bool) -> None:
        if succeeded:
            self._note_success()
            self._follow(FileEvent.BACKGROUND_SUCCEEDS)
        else:
            self._note_failure()
            self._follow(FileEvent.BACKGROUND_FAILS)

    def close(self) -> None:
        """Close the file; it need not be synced, but no background sync may be running."""
        assert not self._state.in_background, f"{self} is being synced"
        self._files.close(self._descriptor)
