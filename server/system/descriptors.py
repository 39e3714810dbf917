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
        unlimited = resource.RLIM_INFINITY
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft in (unlimited, wanted) or soft > wanted:
            return wanted if soft == unlimited else soft
        # Only a privileged process may exceed the hard limit; others get as much as it allows.
        ceiling = wanted if hard == unlimited else hard
        for new in (wanted, max(hard, wanted)), (min(ceiling, wanted), hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, new)
                break
            except (OSError, ValueError, OverflowError):
                continue
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def spare(self) -> int:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
