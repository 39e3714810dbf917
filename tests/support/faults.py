"""A system in which the n-th operation on files or processes fails, whichever it is."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

from server.system.files import SystemFiles
from server.system.processes import SystemProcesses
from server.system.system import System


class Faults:
    """Counts operations of this process and its children together, and makes some fail."""

    def __init__(self, number: int = errno.EIO, lasting: int = 1) -> None:
        """So many operations in a row fail with this error number."""
        self._number = number
        self._lasting = lasting
        # Shared with forked children. None of the operations is the first while it is 0.
        self._left = multiprocessing.Value("i", 0)
        # What failed in this process, for the messages of tests.
        self.failed: list[str] = []

    def arm(self, first: int) -> None:
        """Make the operation fail that comes after `first` - 1 others."""
        self._left.value = first + self._lasting

    @property
    def has_begun(self) -> bool:
        """Whether the first of the operations that should fail has failed."""
        return bool(self._left.value <= self._lasting)

    def change(self, number: int, lasting: int) -> None:
        """Change what fails, and how often. Nothing may be armed."""
        self._number, self._lasting = number, lasting

    def disarm(self) -> None:
        """Make nothing fail any more."""
        self._left.value = 0

    def step(self, what: str) -> None:
        with self._left.get_lock():
            if self._left.value <= 1:
                return
            self._left.value -= 1
            fails = self._left.value <= self._lasting
        if fails:
            self.failed.append(what)
            raise OSError(self._number, os.strerror(self._number))

    def system(self) -> System:
        return System(FaultyFiles(self), FaultyProcesses(self))


class FaultyFiles(SystemFiles):
    """Files on which the operation fails that the faults choose; writes are short."""

    def __init__(self, faults: Faults) -> None:
        self._step = faults.step

    def open(self, path: Path) -> int:
        self._step(f"open {path.name}")
        return super().open(path)

    def size(self, descriptor: int) -> int:
        self._step("size")
        return super().size(descriptor)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._step("write")
        return super().write(descriptor, data[: len(data) // 2 + 1])

    def sync(self, descriptor: int) -> None:
        # What survives a power failure is the subject of other tests.
        self._step("sync")

    def truncate(self, descriptor: int, size: int) -> None:
        self._step("truncate")
        super().truncate(descriptor, size)

    def create(self, path: Path, mode: int) -> int:
        self._step(f"create {path.name}")
        return super().create(path, mode)

    def lock(self, path: Path) -> int:
        self._step(f"lock {path.name}")
        return super().lock(path)

    def rename(self, source: Path, target: Path) -> None:
        self._step(f"rename {source.name}")
        super().rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        self._step(f"link {source.name}")
        super().link(source, target)

    def remove(self, path: Path) -> None:
        self._step(f"remove {path.name}")
        super().remove(path)

    def read(self, path: Path) -> bytes:
        self._step(f"read {path.name}")
        return super().read(path)

    def size_at(self, path: Path) -> int:
        self._step(f"size of {path.name}")
        return super().size_at(path)

    def mode_at(self, path: Path) -> int | None:
        self._step(f"mode of {path.name}")
        return super().mode_at(path)

    def names(self, directory: Path) -> list[str]:
        self._step(f"names in {directory.name}")
        return super().names(directory)

    def make_directory(self, path: Path) -> None:
        self._step(f"make {path.name}")
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._step(f"sync {path.name}")


class FaultyProcesses(SystemProcesses):
    """Processes that cannot always be forked."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._step = faults.step

    def fork(self) -> int:
        self._step("fork")
        return super().fork()
