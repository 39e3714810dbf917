"""What the operating system says about this process."""

from __future__ import annotations

import os
import resource
import sys

_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory_use() -> int:
    """Bytes of memory that the process occupies now."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return peak_memory()


def peak_memory() -> int:
    """Bytes it has occupied at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kilobytes here, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024


def machine_memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE
