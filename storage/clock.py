"""The clock of an instance.

It has two faces. Wall time dates what is kept: TTLs, leases, stream ids. It may be set back
or ahead by the administrator or NTP, so durations (blocking timeouts, pauses, idle times)
follow monotonic time, which never goes back. A test can stop and move both.

How long work takes is measured with the machine's own clock instead: a frozen instance must
still report how long a command took.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Wall time and monotonic time, in milliseconds; can be frozen, set and advanced."""

    __slots__ = (
        "_ahead_ns",
        "_frozen_ns",
        "_listeners",
        "_monotonic_ns",
        "_offset_ns",
        "_stopped_ns",
        "_wall_ns",
    )

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The arguments are the clocks of the machine."""
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        # Wall time: where it stands, or how far it is from that of the machine.
        self._frozen_ns: int | None = None
        self._offset_ns = 0
        # Monotonic time: the same.
        self._stopped_ns = 0
        self._ahead_ns = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def frozen(self) -> bool:
        return self._frozen_ns is not None

    def now_ns(self) -> int:
        frozen = self._frozen_ns
        if frozen is not None:
            return frozen
        return self._wall_ns() + self._offset_ns

    def now_ms(self) -> int:
        return self.now_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return self._elapsed_ns() // 1_000_000

    def _elapsed_ns(self) -> int:
        if self._frozen_ns is not None:
            return self._stopped_ns
        return self._monotonic_ns() + self._ahead_ns

    def freeze(self, at_ms: int | None = None) -> None:
        """Stop time at the current or the given moment."""
        now_ns = self.now_ns()
        self._stopped_ns = self._elapsed_ns()
        self._frozen_ns = now_ns
        self._move(0 if at_ms is None else at_ms * 1_000_000 - now_ns)

    def unfreeze(self) -> None:
        """Let time continue from where it stopped."""
        if self._frozen_ns is not None:
            self._offset_ns = self._frozen_ns - self._wall_ns()
            self._ahead_ns = self._stopped_ns - self._monotonic_ns()
            self._frozen_ns = None
        self._notify()

    def set(self, at_ms: int) -> None:
        self._move(at_ms * 1_000_000 - self.now_ns())

    def advance(self, ms: int) -> None:
        self._move(ms * 1_000_000)

    def reset(self) -> None:
        """Return to the machine's own time; monotonic time goes on from where it is."""
        self.unfreeze()
        self._offset_ns = 0
        self._notify()

    def _move(self, by_ns: int) -> None:
        passed = max(0, by_ns)
        if self._frozen_ns is not None:
            self._frozen_ns += by_ns
            self._stopped_ns += passed
        else:
            self._offset_ns += by_ns
            self._ahead_ns += passed
        self._notify()

    def on_jump(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever time is frozen, unfrozen, set or advanced."""
        self._listeners.append(listener)

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()
