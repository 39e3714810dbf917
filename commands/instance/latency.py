"""The latency monitor: when, for how long and by which kind of work the server was blocked."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_MAX_SAMPLES = 160


@dataclass(slots=True)
class LatencyEvent:
    """One kind of work: its latest samples as (epoch seconds, ms), and the worst."""

    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_MAX_SAMPLES))
    worst_ms: int = 0


class LatencyMonitor:
    """Events by name. The monitor is off while the threshold is zero."""

    def __init__(self) -> None:
        self.events: dict[str, LatencyEvent] = {}
        self.threshold_ms = 0

    def follow_threshold(self, milliseconds: int) -> None:
        self.threshold_ms = milliseconds

    def record(self, name: str, milliseconds: int, now_seconds: int) -> None:
        """Record work that took `milliseconds`, if the threshold is reached.

        Of several samples within a second, only the worst is kept.
        """
        if not self.threshold_ms or milliseconds < self.threshold_ms:
            return
        event = self.events.setdefault(name, LatencyEvent())
        event.worst_ms = max(event.worst_ms, milliseconds)
        samples = event.samples
        if samples and samples[-1][0] == now_seconds:
            samples[-1] = (now_seconds, max(samples[-1][1], milliseconds))
        else:
            samples.append((now_seconds, milliseconds))

    def reset(self, names: list[str] | None = None) -> int:
        """Remove the named events, or all, and return the number removed."""
        selected = list(self.events) if names is None else names
        return sum(self.events.pop(name, None) is not None for name in selected)
