"""Which core runs what: the measured server has one to itself, the load has another."""

from __future__ import annotations

import os

SERVER_CORE = 0
LOAD_CORE = 1


def pin(pid: int, core: int) -> None:
    """Keep a process (0 is this one) on one core, on systems that can and have two."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})
