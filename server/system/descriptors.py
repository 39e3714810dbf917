"""The limit of open files, behind an interface that tests can make fail."""

from __future__ import annotations

import os
import resource
from typing import Protocol


class Descriptors(Protocol):
    """The file descriptors that this process may have."""

    def raise_limit(self, wanted: int) -> int:
        """Raise the limit towards `wanted` where it is lower; return the limit in force."""

    def spare(self) -> int:
        """Open a descriptor that can be closed when all others are used; OSError if none is
        left."""

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""


class SystemDescriptors:
    """The descriptors that the operating system gives this process."""

    def raise_limit(self, wanted: int) -> int:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return wanted
        if soft >= wanted:
            return soft
        # The system does not say what it allows, so the highest limit that works is searched for.
        works, fails, attempt = soft, wanted + 1, wanted
        while fails - works > 1:
            if _set_limit(attempt):
                works = attempt
            else:
                fails = attempt
            attempt = (works + fails) // 2
        return works

    def spare(self) -> int:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


def _set_limit(wanted: int) -> bool:
    """Set the limit, and the hard limit too where it is lower; whether that is allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        hard = max(hard, wanted)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError, OverflowError):
        return False
    return True
