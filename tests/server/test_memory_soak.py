"""A hundred thousand keys pass through a server with room for a few thousand."""

from __future__ import annotations

import pytest

from tests.support.info import info
from tests.support.memory import resident
from tests.support.processes import ServeProcess
from tests.support.resp import Connection

MB = 1 << 20
_BATCH = 1000


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_memory_is_flat_while_keys_are_evicted(policy: str) -> None:
    limit = 8 * MB
    words = ("--maxmemory", str(limit), "--maxmemory-policy", policy, "--appendonly", "no")
    with ServeProcess(*words) as server, Connection(server.port) as client:
        sizes = []
        for start in range(0, 100_000, _BATCH):
            replies = client.pipeline(
                [
                    ("SET", f"key:{n}", "x" * (100 + n % 900), "EX", 10_000 + n)
                    for n in range(start, start + _BATCH)
                ]
            )
            assert set(replies) == {"OK"}
            assert int(info(client, "used_memory")) < limit + MB
            sizes.append(resident(server.pid))
        assert int(info(client, "evicted_keys")) > 85_000
    # Half way through, everything that can grow has grown.
    assert sizes[-1] < sizes[len(sizes) // 2] + 4 * MB
    assert sizes[-1] - sizes[0] < 3 * limit
