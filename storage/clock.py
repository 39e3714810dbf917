"""The clock of an instance.

TTLs, leases, timeouts and idle times all use their instance's clock, so a test can stop and
move time. Durations of work are measured with the machine's monotonic clock instead: a
frozen instance must still report how long a command took.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Wall time in milliseconds since the epoch; can be frozen, set and advanced."""

    __slots__ = ("_frozen_ns", "_listeners", "_offset_ns")

    def __init__(self) -> None:
        self._frozen_ns: int | None = None
        self._offset_ns = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def frozen(self) -> bool:
        return self._frozen_ns is not None

    def now_ns(self) -> int:
        frozen = self._frozen_ns
        if frozen is not None:
            return frozen
        return time.time_ns() + self._offset_ns

    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    def freeze(self, at_ms: int | None = None) -> None:
        """Stop time at the current or the given moment."""
        self._frozen_ns = self.now_ns() if at_ms is None else at_ms * 1_000_000
        self._notify()

    def unfreeze(self) -> None:
        """Let time continue from where it stopped."""
        if self._frozen_ns is not None:
            self._offset_ns = self._frozen_ns - time.time_ns()
            self._frozen_ns = None
        self._notify()

    def set(self, at_ms: int) -> None:
        if self.frozen:
            self._frozen_ns = at_ms * 1_000_000
        else:
            self._offset_ns = at_ms * 1_000_000 - time.time_ns()
        self._notify()

    def advance(self, ms: int) -> None:
        if self._frozen_ns is not None:
            self._frozen_ns += ms * 1_000_000
        else:
            self._offset_ns += ms * 1_000_000
        self._notify()

    def reset(self) -> None:
        """Return to the machine's own time."""
        self._frozen_ns = None
        self._offset_ns = 0
        self._notify()

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever time is frozen, unfrozen, set or advanced."""
        self._listeners.append(listener)

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()
