"""MEMORY: estimates that follow the data."""

from __future__ import annotations

import pytest

from tests.support.resp import Connection, Map, Verbatim
from tests.support.servers import RunningServer


@pytest.mark.parametrize(
    "fill",
    [
        lambda client, n: client("SET", "k", "x" * n),
        lambda client, n: client("RPUSH", "k", *("x" * 50 + str(i) for i in range(n))),
        lambda client, n: client("SADD", "k", *("x" * 50 + str(i) for i in range(n))),
        lambda client, n: client("HSET", "k", *(w for i in range(n) for w in (i, "x" * 50))),
        lambda client, n: client("ZADD", "k", *(w for i in range(n) for w in (i, f"m{i}"))),
        lambda client, n: client(
            "XADD", "k", "*", *(w for i in range(n) for w in (f"f{i}", "x" * 9))
        ),
    ],
    ids=["string", "list", "set", "hash", "sorted set", "stream"],
)
def test_a_larger_value_uses_more_memory(client: Connection, fill: object) -> None:
    assert callable(fill)
    fill(client, 10)
    small = client("MEMORY", "USAGE", "k")
    client("DEL", "k")
    fill(client, 1000)
    large = client("MEMORY", "USAGE", "k", "SAMPLES", 0)
    assert 0 < small < large
    assert large > 900
    # With similar members, an estimate from samples is close to the exact one.
    assert client("MEMORY", "USAGE", "k") == pytest.approx(large, rel=0.25)


def test_a_deadline_uses_memory_and_memory_usage_is_no_hit(
    server: RunningServer, client: Connection
) -> None:
    client("SET", "k", "v")
    before = client("MEMORY", "USAGE", "k")
    client("EXPIRE", "k", 100)
    assert client("MEMORY", "USAGE", "k") > before
    assert server.instance.keyspace.hits == 0


def test_memory_stats_describes_each_database(client3: Connection) -> None:
    client3("SET", "a", "b")
    client3("SELECT", 7)
    client3("SET", "a", "b")
    stats = client3("MEMORY", "STATS")
    names = [name for name, _ in stats.items]
    assert b"db.0" in names
    assert b"db.7" in names
    assert isinstance(stats[b"db.7"], Map)
    assert stats[b"keys.count"] == 2
    assert stats[b"peak.allocated"] >= stats[b"total.allocated"]


def test_memory_doctor_reports_maxmemory(client3: Connection) -> None:
    assert client3("MEMORY", "DOCTOR").text.endswith(b"\n")
    client3("CONFIG", "SET", "maxmemory", 1 << 20)
    assert b"maxmemory is 1 MB" in client3("MEMORY", "DOCTOR").text


def test_memory_purge_and_malloc_stats(client3: Connection) -> None:
    assert client3("MEMORY", "PURGE") == "OK"
    counters = client3("MEMORY", "MALLOC-STATS")
    assert isinstance(counters, Verbatim)
    assert b"generation 2: collections " in counters.text
