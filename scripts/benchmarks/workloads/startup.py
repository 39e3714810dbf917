"""How long an empty server takes from its start to its first reply."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from scripts.benchmarks.rows import Row
from scripts.benchmarks.servers import REDKEEP, Server
from scripts.benchmarks.session import Session


def measure(session: Session) -> Iterator[Row]:
    # The first start after a change compiles modules.
    Server(REDKEEP).close()
    milliseconds = []
    for _ in range(max(3, session.rounds)):
        with Server(REDKEEP) as server:
            milliseconds.append(server.start_seconds * 1000)
    middle = statistics.median(milliseconds)
    yield Row("start to first reply (ms)", middle, 250, 100, better="low", unit="ms")
