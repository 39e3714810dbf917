"""Disks that fail or are slow, and child processes that wait, in place of the system's."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

from server.persistence.background import Source
from server.persistence.children import Child, start_child
from server.persistence.disk import SystemDisk
from tests.support.resp import TIMEOUT
from tests.support.waiting import wait_until


class FailingDisk(SystemDisk):
    """A disk on which every sync fails between `fail` and `repair`."""

    def __init__(self) -> None:
        self._failing = False

    def fail(self) -> None:
        self._failing = True

    def repair(self) -> None:
        self._failing = False

    def sync(self, descriptor: int) -> None:
        if self._failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


class SlowDisk(SystemDisk):
    """A disk on which no sync ends before `free` is set; it counts the syncs."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        self.free.wait(TIMEOUT)
        super().sync(descriptor)
        self.syncs += 1


class SlowChild:
    """Forks children that begin their work when `go` is called.

    The signal is a file, because a child shares no memory with the test.
    """

    def __init__(self, gate: Path) -> None:
        self._gate = gate
        self.child: Child

    def start(self, source: Source) -> Child:
        def slowly() -> None:
            wait_until(self._gate.exists, "the signal to work")
            source.write()

        self.child = start_child(slowly)
        return self.child

    def go(self) -> None:
        self._gate.touch()
