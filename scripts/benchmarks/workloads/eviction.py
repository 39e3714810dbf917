"""SET of new keys at the limit of memory: each evicts another key."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.benchmarks.rows import Row
from scripts.benchmarks.servers import Server
from scripts.benchmarks.session import Session

# How many keys are stored before the limit is set, in each round.
_KEYS = 20_000


def measure(session: Session) -> Iterator[Row]:
    """SET under `allkeys-lru`, with room for the same number of keys in both servers."""
    session.flush()
    servers = (session.ours, session.theirs)
    for server in servers:
        server.call(b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lru", b"maxmemory", b"1gb")
    new_keys = ("-t", "set", "-c", "50", "-r", "100000000", "-d", "100")
    try:
        session.loads(*new_keys, "-n", str(_KEYS), "-P", "16")
        for server in servers:
            server.call(b"CONFIG", b"SET", b"maxmemory", b"%d" % _used(server))
        count = str(session.scaled(100_000, at_least=10_000))
        ratio = session.throughput(*new_keys, "-n", count)
        yield Row("SET under maxmemory eviction, 50 clients", ratio, 0.5, 0.9)
    finally:
        for server in servers:
            server.call(b"CONFIG", b"SET", b"maxmemory", b"0", b"maxmemory-policy", b"noeviction")
        session.flush()


def _used(server: Server) -> int:
    found = re.search(rb"used_memory:(\d+)", server.call(b"INFO", b"memory"))
    assert found is not None
    return int(found[1])
