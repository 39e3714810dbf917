"""When the timer task wakes up.

The task sleeps until the next moment something may be due. Whatever makes that moment come
sooner rings the alarm: a client that starts to wait with a shorter timeout, a clock that
was moved, a log that reached the disk.
"""

from __future__ import annotations

import trio


class Alarm:
    """An event that can be awaited again and again."""

    def __init__(self) -> None:
        self._event = trio.Event()
        # The deadline of a waiting client, by the monotonic clock in ms, that the task will wake
        # up for.
        self._armed_for: int | None = None

    def ring(self) -> None:
        """Wake the task now."""
        self._event.set()

    def check(self, soonest: int | None) -> None:
        """Wake the task if a deadline is sooner than the one it will wake up for."""
        if soonest is not None and (self._armed_for is None or soonest < self._armed_for):
            self._event.set()

    async def sleep(self, seconds: float, *, armed_for: int | None) -> None:
        """Sleep for so long, or until the alarm rings."""
        self._armed_for = armed_for
        with trio.move_on_after(max(0.0, seconds)):
            await self._event.wait()
        if self._event.is_set():
            self._event = trio.Event()
