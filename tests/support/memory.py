"""How much memory Python objects take, counted by tracemalloc, and a process as a whole."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Memory:
    """What a block has allocated, in bytes: at most at once, and at its end."""

    def __init__(self) -> None:
        self.bytes = 0
        self.kept = 0


@contextmanager
def peak_memory() -> Iterator[Memory]:
    """Count the memory that the block allocates."""
    memory = Memory()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield memory
        after, peak = tracemalloc.get_traced_memory()
        memory.bytes, memory.kept = peak - before, after - before
    finally:
        tracemalloc.stop()


def resident(pid: int) -> int:
    """The resident bytes of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024
