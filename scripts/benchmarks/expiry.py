"""What it costs to remove what has run out, beside ten times as many keys that have not.

The reference server samples; there is nothing to compare the count with. So this compares
Redkeep with itself: the same thousand keys run out in a small and in a large database. It
is timed inside the process, on a clock that only the benchmark moves.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark import ROOT, Row

sys.path.insert(0, str(ROOT))

from storage.clock import Clock
from storage.keyspace import Keyspace

DUE = 1000
_HOUR_MS = 3_600_000


class Keys:
    """A database in which so many keys live for hours, and a few run out at each sweep."""

    def __init__(self, count: int) -> None:
        self._clock = Clock()
        self._clock.freeze()
        self._keyspace = Keyspace(self._clock)
        self._database = self._keyspace.databases[0]
        for number in range(count):
            self._put(b"lives:%d" % number, _HOUR_MS + number)

    def _put(self, key: bytes, ms: int) -> None:
        self._database.store(key, b"value", "set")
        self._database.expire_at(key, self._keyspace.now + ms)

    def sweep(self) -> float:
        """Seconds to remove `DUE` keys that have just run out."""
        for number in range(DUE):
            self._put(b"dies:%d" % number, 100)
        self._clock.advance(500)
        self._keyspace.refresh_now()
        before = self._keyspace.expired_keys
        started = perf_counter()
        while self._keyspace.sweep_expired(64) is not None:
            pass
        seconds = perf_counter() - started
        assert self._keyspace.expired_keys - before == DUE
        return seconds


def measure(rounds: int, scale: float = 1.0) -> Iterator[Row]:
    """The row of the table."""
    small = max(10_000, int(100_000 * scale))
    few, many = Keys(small), Keys(10 * small)
    times = [(few.sweep(), many.sweep()) for _ in range(10 * rounds)]
    yield Row(
        f"expiry: {DUE:,} keys that ran out, of {10 * small:,}",
        statistics.median(m / f for f, m in times),
        1.5,
        1.1,
        better="low",
        unit=f"of the time with {small:,}",
    )
