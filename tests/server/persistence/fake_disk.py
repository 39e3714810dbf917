"""A disk in memory that can be full, fail to sync or truncate, and lose unsynced pages."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class FakeFile:
    """What a reader of a file finds, and which of its bytes survive a power failure."""

    def __init__(self) -> None:
        self.content = bytearray()
        # For each byte: when it was written, and what became of it.
        self._written_at: list[int] = []
        self._durable: list[bool] = []
        self._lost: list[bool] = []

    def append(self, data: bytes, now: int) -> None:
        self.content += data
        self._written_at += [now] * len(data)
        self._durable += [False] * len(data)
        self._lost += [False] * len(data)

    def truncate(self, size: int) -> None:
        for column in (self.content, self._written_at, self._durable, self._lost):
            del column[size:]

    def sync(self, before: int) -> None:
        """Make durable what was written before a moment, except lost pages."""
        for index, written_at in enumerate(self._written_at):
            if written_at < before and not self._lost[index]:
                self._durable[index] = True

    def lose_unsynced(self) -> None:
        """Drop the dirty pages: a later sync succeeds without them."""
        self._lost = [not durable for durable in self._durable]

    @property
    def durable_content(self) -> bytes:
        """The file after a power failure, up to the first byte that is not on disk."""
        size = self._durable.index(False) if False in self._durable else len(self._durable)
        return bytes(self.content[:size])


class FakeDisk:
    """Files by path; descriptors are numbers that are never used twice."""

    def __init__(self) -> None:
        self.files: dict[Path, FakeFile] = {}
        self.open_files: dict[int, FakeFile] = {}
        self._opened = 0
        self.now = 0
        # How many more bytes can be written; None is no limit.
        self.room: int | None = None
        self.most_bytes_per_write = 1 << 20
        self.sync_fails = False
        self.truncate_fails = False
        # Whether a failed sync drops the pages it could not write, as Linux may.
        self.loses_pages = False
        # For a sync in the background: it covers what was written before this moment.
        self.sync_began_at: int | None = None

    def unlink(self, path: Path) -> None:
        self.files.pop(path, None)

    def open(self, path: Path) -> int:
        self._opened += 1
        self.open_files[self._opened] = self.files.setdefault(path, FakeFile())
        return self._opened

    def size(self, descriptor: int) -> int:
        return len(self.open_files[descriptor].content)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self.now += 1
        part = bytes(data[: self.most_bytes_per_write])
        if self.room is not None:
            part = part[: self.room]
            if not part:
                raise failure(errno.ENOSPC)
            self.room -= len(part)
        self.open_files[descriptor].append(part, self.now)
        return len(part)

    def sync(self, descriptor: int) -> None:
        self.now += 1
        file = self.open_files[descriptor]
        if self.sync_fails:
            if self.loses_pages:
                file.lose_unsynced()
            raise failure(errno.EIO)
        file.sync(self.now if self.sync_began_at is None else self.sync_began_at)

    def truncate(self, descriptor: int, size: int) -> None:
        if self.truncate_fails:
            raise failure(errno.EIO)
        self.open_files[descriptor].truncate(size)

    def close(self, descriptor: int) -> None:
        del self.open_files[descriptor]
