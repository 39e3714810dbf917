"""Files that fail or are slow, and processes that wait or cannot fork, in place of the system's."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from server.system.files import SystemFiles
from server.system.processes import SystemProcesses
from tests.support.resp import TIMEOUT
from tests.support.waiting import wait_until


class _LogFiles(SystemFiles):
    """Knows which descriptors belong to files of the log that are appended to."""

    def __init__(self) -> None:
        self._log: set[int] = set()

    def open(self, path: Path) -> int:
        descriptor = super().open(path)
        self._log.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self._log.discard(descriptor)
        super().close(descriptor)


class FailingDisk(_LogFiles):
    """A disk on which every sync of the log fails between `fail` and `repair`."""

    def __init__(self) -> None:
        super().__init__()
        self._failing = False

    def fail(self) -> None:
        self._failing = True

    def repair(self) -> None:
        self._failing = False

    def sync(self, descriptor: int) -> None:
        if self._failing and descriptor in self._log:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


class SlowDisk(_LogFiles):
    """A disk on which no sync of the log ends before `free` is set; it counts these syncs."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        is_log = descriptor in self._log
        if is_log:
            self.free.wait(TIMEOUT)
        super().sync(descriptor)
        self.syncs += is_log


class NoFork(SystemProcesses):
    """A system without fork."""

    @property
    def can_fork(self) -> bool:
        return False


class SlowChild(SystemProcesses):
    """Forks children that begin their work when `go` is called.

    The signal is a file, because a child shares no memory with the test.
    """

    def __init__(self, gate: Path) -> None:
        super().__init__()
        self._gate = gate
        # The child that was forked last.
        self.pid = 0

    def fork(self) -> int:
        self.pid = super().fork()
        if not self.pid:
            wait_until(self._gate.exists, "the signal to work")
        return self.pid

    def go(self) -> None:
        self._gate.touch()
