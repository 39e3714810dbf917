"""What the scenarios share: the address of the server, worker processes, and waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

URL = os.environ["REDIS_URL"]
TOOLS = Path(sys.executable).parent
SECONDS = 40


@contextmanager
def worker(tool: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process, started by the library's own command and ended with SIGTERM."""
    process = subprocess.Popen([str(TOOLS / tool), *words], cwd=Path(__file__).parent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.02)
