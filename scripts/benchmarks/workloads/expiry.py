"""The cost of removing expired keys beside ten times as many keys that have not expired.

The reference samples keys, so its count of removed keys cannot be compared. Redkeep is
compared with itself instead: the same thousand keys expire in a small and in a large
database. The sweep is timed inside this process, on a clock that only the benchmark advances.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import median_ratio
from scripts.benchmarks.session import Session
from storage.clock import Clock
from storage.keyspace import Keyspace

EXPIRED = 1000
_HOUR_MS = 3_600_000


class Keys:
    """A database of `count` keys that live for hours; `EXPIRED` more expire at each sweep."""

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
        """Seconds to remove `EXPIRED` keys that have just expired."""
        for number in range(EXPIRED):
            self._put(b"dies:%d" % number, 100)
        self._clock.advance(500)
        self._keyspace.refresh_now()
        before = self._keyspace.expired_keys
        started = perf_counter()
        while self._keyspace.sweep_expired(64) is not None:
            pass
        seconds = perf_counter() - started
        assert self._keyspace.expired_keys - before == EXPIRED
        return seconds


def measure(session: Session) -> Iterator[Row]:
    small = session.scaled(100_000, at_least=10_000)
    large = 10 * small
    few, many = Keys(small), Keys(large)
    yield Row(
        f"expiry: {EXPIRED:,} expired keys, of {large:,}",
        median_ratio((many.sweep(), few.sweep()) for _ in range(10 * session.rounds)),
        1.5,
        1.1,
        better="low",
        unit=f"of the time with {small:,}",
    )
