"""The operations on data files: everything that a full or failing disk can refuse.

All raise OSError on failure. Data files may hold anything, so they are made readable by their
owner only; who wants others to read them changes the mode of the files that are there, which
their successors take over.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700


class OpenedFiles(Protocol):
    """What is done with a file that is open for appending."""

    def open(self, path: Path) -> int:
        """Open an existing file for appending; return its descriptor."""

    def size(self, descriptor: int) -> int:
        """Return the file's size in bytes."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Append some of the data, at least one byte; return how many bytes."""

    def sync(self, descriptor: int) -> None:
        """Return once everything written survives a power failure. Runs in any thread."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file off after `size` bytes."""

    def close(self, descriptor: int) -> None:
        """Close the file."""


class Files(OpenedFiles, Protocol):
    """The files and directories by their names as well."""

    def create(self, path: Path, mode: int) -> int:
        """Create a file for appending that must not exist, not even as a link, and lock it."""

    def lock(self, path: Path) -> int:
        """Open and lock a file or directory until the descriptor is closed.

        BlockingIOError if another process holds the lock.
        """

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of a file that has it."""

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name; FileExistsError if that is taken."""

    def remove(self, path: Path) -> None:
        """Remove a file or a link, if it exists."""

    def read(self, path: Path) -> bytes:
        """Return the content of a file; FileNotFoundError if it does not exist."""

    def size_at(self, path: Path) -> int:
        """Return the size of the file with this name."""

    def mode_at(self, path: Path) -> int | None:
        """Return who may read and write the file; None if there is no regular file."""

    def names(self, directory: Path) -> list[str]:
        """Return the names of everything in a directory."""

    def make_directory(self, path: Path) -> None:
        """Make a directory that only its owner can use."""

    def sync_directory(self, path: Path) -> None:
        """Return once the names in a directory survive a power failure. Runs in any thread."""


_CREATE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SystemFiles:
    """The files of the operating system."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        _sync_data(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def create(self, path: Path, mode: int) -> int:
        descriptor = os.open(path, _CREATE, PRIVATE_FILE)
        # Some file systems lock no files, and `lock` fails there as well.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if mode != PRIVATE_FILE:
            try:
                os.fchmod(descriptor, mode)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def lock(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def size_at(self, path: Path) -> int:
        return path.stat().st_size

    def mode_at(self, path: Path) -> int | None:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return None
        return stat.S_IMODE(mode) & 0o666 if stat.S_ISREG(mode) else None

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def make_directory(self, path: Path) -> None:
        path.mkdir(PRIVATE_DIRECTORY)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Syncs the bytes and the size only, where the system can leave out the other metadata.
_sync_data = getattr(os, "fdatasync", os.fsync)
