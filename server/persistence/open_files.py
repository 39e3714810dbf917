"""The open files of the log: the current one, and older ones that are not closed yet.

- The current file is written to.
- Retired files were current before a rewrite switched to the next one, and are not safe.
  They are still part of the log on disk: under every policy they are synced in the
  background, and the log does not count as synced before they are. One that is suspect stays
  until a base holds its data.
- Dropped files hold nothing that a base does not hold by now. They are only kept until the
  background sync that is running on them ends.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server.persistence.log_file import FileState, LogFile
from server.system.files import OpenedFiles


class OpenFiles:
    """Opens files, and closes each as soon as it is no longer needed."""

    def __init__(self, files: OpenedFiles) -> None:
        self._files = files
        self._current: LogFile | None = None
        self._retired: list[LogFile] = []
        self._dropped: list[LogFile] = []

    @property
    def current(self) -> LogFile:
        assert self._current is not None, "the log is closed"
        return self._current

    @property
    def is_closed(self) -> bool:
        """Whether there is no current file."""
        return self._current is None

    @property
    def all_before_are_safe(self) -> bool:
        """Whether every file before the current one survives a power failure."""
        return not self._retired

    @property
    def are_safe(self) -> bool:
        """Whether everything written survives a power failure."""
        return not self._retired and self.current.is_safe

    @property
    def are_suspect(self) -> bool:
        """Whether a failed sync may have lost a part of the log for good."""
        return any(file.suspect for file in self._all())

    def _all(self, *, with_current: bool = True) -> list[LogFile]:
        current = [self._current] if with_current and self._current is not None else []
        return [*self._retired, *current]

    def open(self, path: Path, install: Callable[[], None]) -> None:
        """Make this file the current one and retire the one before.

        `install` is called in between. OSError if that or opening fails; then nothing has
        changed.
        """
        file = LogFile(path, self._files)
        try:
            install()
        except OSError:
            file.close()
            raise
        if self._current is not None:
            self._retired.append(self._current)
        self._current = file
        self._close_safe()

    def restart(self, path: Path) -> None:
        """Make this file the current one and drop all others; OSError if that fails."""
        file = LogFile(path, self._files)
        self.drop_retired()
        if self._current is not None:
            self._drop(self._current)
        self._current = file

    def retire(self) -> None:
        """Leave no current file."""
        if self._current is not None:
            self._retired.append(self._current)
            self._current = None
            self._close_safe()

    def drop_retired(self) -> None:
        for file in self._retired:
            self._drop(file)
        self._retired = []

    def _drop(self, file: LogFile) -> None:
        if file.state.in_background:
            self._dropped.append(file)
        else:
            file.close()

    def _close_safe(self) -> None:
        """Close the retired files for which nothing is left to do."""
        kept = []
        for file in self._retired:
            # In a log that was turned off, nothing mends a suspect file.
            if file.is_safe or (self.is_closed and file.state is FileState.CLEAN):
                file.close()
            else:
                kept.append(file)
        self._retired = kept

    # --- syncing -------------------------------------------------------------------------

    def sync(self) -> None:
        """Wait until everything is synced; OSError if that fails."""
        for file in self._retired:
            file.sync()
        self.current.sync()
        self._close_safe()

    def needs_sync(self) -> bool:
        """Whether anything written is covered neither by a sync nor by a running one."""
        covered = (FileState.CLEAN, FileState.SYNCING)
        return any(file.state not in covered for file in self._all())

    def next_to_sync(self, *, with_current: bool) -> LogFile | None:
        """Return the file that should be synced in the background, if there is one."""
        files = self._all(with_current=with_current)
        return next((file for file in files if file.state.needs_sync), None)

    def end_background_sync(self, file: LogFile, *, succeeded: bool) -> bool:
        """A background sync of the file has ended; whether the file still matters."""
        file.end_background_sync(succeeded=succeeded)
        if file in self._dropped:
            self._dropped.remove(file)
            file.close()
            return False
        self._close_safe()
        if not succeeded and self._current is None:
            # The log is closed, and nothing would wait for a retry.
            self._retired.remove(file)
            file.close()
        return True

    def has_failed(self, *, with_current: bool) -> bool:
        """Whether the last sync of any file has failed."""
        return any(file.state.has_failed for file in self._all(with_current=with_current))
