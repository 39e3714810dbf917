"""Child processes: forked, killed, waited for, and ended with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from typing import Protocol

# <sys/prctl.h>: the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


class Processes(Protocol):
    """What background work needs. `fork` and `wait` raise OSError on failure."""

    @property
    def can_fork(self) -> bool:
        """Whether this system has fork at all."""

    def fork(self) -> int:
        """Fork; return 0 in the child, and the child's id in the parent."""

    def end_with_parent(self) -> None:
        """Have the system kill this process when its parent ends, if it can do that."""

    def parent(self) -> int:
        """Return the id of this process's parent: another one once the parent has ended."""

    def kill(self, pid: int) -> None:
        """Kill a child that was not waited for."""

    def wait(self, pid: int) -> int:
        """Wait until a child has ended; return its status as `os.waitpid` does."""


class SystemProcesses:
    """The processes of the operating system."""

    def __init__(self) -> None:
        # Loaded here because a child should do little after the fork.
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    @property
    def can_fork(self) -> bool:
        return hasattr(os, "fork")

    def fork(self) -> int:
        with warnings.catch_warnings():
            # It warns of threads that hold a lock. Ours hold none while they wait for the disk.
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()

    def end_with_parent(self) -> None:
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def parent(self) -> int:
        return os.getppid()

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def wait(self, pid: int) -> int:
        return os.waitpid(pid, 0)[1]
