"""Waiting for what another thread or process does, and reading replies that come in pages.

Every wait has a deadline in real seconds and fails with the name of what was awaited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.resp import TIMEOUT

# Polling without a pause would take the processor from the process that is waited for.
_PAUSE_SECONDS = 0.001
# Far more pages than any test needs.
_MOST_PAGES = 1000


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = TIMEOUT) -> None:
    """Return as soon as the condition holds; fail when it does not hold in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(_PAUSE_SECONDS)


def pages(read: Callable[[bytes], Any]) -> Iterator[list[Any]]:
    """Yield the pages of a command with a cursor, from cursor 0 until the cursor is 0 again.

    `read` sends the command with the cursor it is given and returns the whole reply.
    """
    cursor = b"0"
    for _ in range(_MOST_PAGES):
        cursor, page = read(cursor)
        yield page
        if cursor == b"0":
            return
    raise AssertionError(f"the cursor is not 0 after {_MOST_PAGES} pages")
