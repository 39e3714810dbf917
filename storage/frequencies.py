"""How often keys are used: Redis' counter of eight bits, which grows slower the higher it is.

Under an LFU policy this takes the place of the dict of access times. Databases say that a key is
used as they always do, by assigning the time, and the counter is what changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

HIGHEST = 255
# What a new key has, so that it is not the first to be evicted.
INITIAL = 5
_MINUTE_MS = 60_000
# Access times in milliseconds are above this, packed counters below it.
_TIMES_FROM = 1 << 40


@dataclass(slots=True)
class Tuning:
    """How fast counters grow and decay: `lfu-log-factor` and `lfu-decay-time`."""

    log_factor: int = 10
    decay_minutes: int = 1


class Frequencies(dict[bytes, int]):
    """For each key its counter, and the minute at which that was right, in one number.

    It may be made from access times, which then count as new keys of that time.
    """

    __slots__ = ("_rng", "_tuning")

    def __init__(self, tuning: Tuning, rng: Random) -> None:
        super().__init__()
        self._tuning = tuning
        self._rng = rng

    def __setitem__(self, key: bytes, now: int) -> None:
        """Count a use of the key."""
        packed = self.get(key)
        if packed is None:
            super().__setitem__(key, now // _MINUTE_MS << 8 | INITIAL)
            return
        minute = now // _MINUTE_MS
        counter = self._decayed(packed, minute)
        if counter < HIGHEST:
            above = counter - INITIAL
            if above <= 0 or self._rng.random() * (above * self._tuning.log_factor + 1) < 1:
                counter += 1
        super().__setitem__(key, minute << 8 | counter)

    def set_counter(self, key: bytes, counter: int, now: int) -> None:
        super().__setitem__(key, now // _MINUTE_MS << 8 | counter)

    def counter(self, key: bytes, now: int) -> int:
        """Return the counter of a key as it is now."""
        packed = self.get(key)
        return INITIAL if packed is None else self._decayed(packed, now // _MINUTE_MS)

    def date(self, now: int) -> None:
        """Keep the counters, but say that they are right now."""
        minute = now // _MINUTE_MS
        for key, packed in self.items():
            super().__setitem__(key, minute << 8 | packed & HIGHEST)

    def copy(self) -> Frequencies:
        twin = Frequencies(self._tuning, self._rng)
        twin.update(self)
        return twin

    def _decayed(self, packed: int, minute: int) -> int:
        if packed >= _TIMES_FROM:
            packed = packed // _MINUTE_MS << 8 | INITIAL
        decay = self._tuning.decay_minutes
        periods = (minute - (packed >> 8)) // decay if decay else 0
        return max(0, (packed & HIGHEST) - periods) if periods > 0 else packed & HIGHEST


# When or how often the keys of a database were used, and the time to which that refers.
Uses = tuple[dict[bytes, int], int]


def uses_of(accessed: dict[bytes, int], now: int, *, idle_times: bool) -> Uses | None:
    """Return what a snapshot tells of uses: frequencies always, times only if `idle_times`."""
    return (accessed, now) if idle_times or isinstance(accessed, Frequencies) else None
