"""A million small keys: the memory they take, and the slowest replies under load."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from scripts.benchmarks.rows import Row
from scripts.benchmarks.servers import Server
from scripts.benchmarks.session import Session


def measure(session: Session) -> Iterator[Row]:
    count = session.scaled(1_000_000, at_least=10_000)
    session.flush()
    ratio = _growth(session.ours, count) / _growth(session.theirs, count)
    yield Row(f"memory of {count:,} small keys", ratio, 1.8, 1.3, better="low")
    requests = str(session.scaled(300_000, at_least=20_000))
    pairs = session.loads("-t", "get", "-n", requests, "-c", "50", "-r", str(count))
    late = statistics.median(
        # redis-benchmark reports 0 for latencies below its resolution.
        ours.late_ms / theirs.late_ms if theirs.late_ms else 0.0
        for ours, theirs in pairs
    )
    yield Row(f"GET p99.9 with {count:,} keys", late, 2.0, 1.2, better="low")
    session.flush()


def _growth(server: Server, count: int) -> int:
    """Bytes by which the process grows when `count` keys are set."""
    before = server.memory()
    server.load_keys(count)
    return server.memory() - before
