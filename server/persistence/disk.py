"""The operations on an open log file, behind an interface that tests can make fail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from server.persistence.files import sync_data


class Disk(Protocol):
    """What the log needs of the file system. All operations raise OSError on failure."""

    def open(self, path: Path) -> int:
        """Open a file for appending, create it if it is missing; return its descriptor."""

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


class SystemDisk:
    """The file system of the operating system."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        sync_data(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
