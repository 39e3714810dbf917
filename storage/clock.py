"""Where the time comes from.

Everything that ages in an instance (TTLs, leases, timeouts, idle times) reads its
instance's clock, so a test can stop time and move it. Durations of work are measured
with the machine's monotonic clock instead: a frozen instance still has to report how
long a command took.
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
        """Stop time now, or at the given moment."""
        self._frozen_ns = self.now_ns() if at_ms is None else at_ms * 1_000_000
        self._tell()

    def unfreeze(self) -> None:
        """Let time run on from where it stands."""
        if self._frozen_ns is not None:
            self._offset_ns = self._frozen_ns - time.time_ns()
            self._frozen_ns = None
        self._tell()

    def set(self, at_ms: int) -> None:
        if self.frozen:
            self._frozen_ns = at_ms * 1_000_000
        else:
            self._offset_ns = at_ms * 1_000_000 - time.time_ns()
        self._tell()

    def advance(self, ms: int) -> None:
        if self._frozen_ns is not None:
            self._frozen_ns += ms * 1_000_000
        else:
            self._offset_ns += ms * 1_000_000
        self._tell()

    def reset(self) -> None:
        """Return to the machine's own time."""
        self._frozen_ns = None
        self._offset_ns = 0
        self._tell()

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever time moves by anything but its own passing."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
