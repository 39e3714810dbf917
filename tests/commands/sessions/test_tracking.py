"""Client-side caching: the table and its limit, clients that go, and what others see of it."""

from __future__ import annotations

import pytest
import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

from tests.support.info import info
from tests.support.resp import Connection, Error, Push
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until


def invalidated(client: Connection) -> list[bytes]:
    """The keys that the client was told of since the last call."""
    assert client("PING") == "PONG"
    pushes, client.pushes = client.pushes, []
    assert all(push.items[0] == b"invalidate" for push in pushes)
    return [key for push in pushes for key in push.items[1]]


def numbers(client: Connection) -> tuple[int, int, int, int]:
    """The tracking clients, keys, items and prefixes in INFO."""
    names = "tracking_clients", "tracking_total_keys", "tracking_total_items"
    clients, keys, items, prefixes = (
        int(info(client, name)) for name in (*names, "tracking_total_prefixes")
    )
    return clients, keys, items, prefixes


def test_only_clients_that_track_have_a_guard_or_a_table(
    server: RunningServer, client3: Connection
) -> None:
    instance = server.instance
    observers = server.call(lambda: list(instance.keyspace.observers))
    ours = instance.clients[client3("CLIENT", "ID")]
    client3("CLIENT", "TRACKING", "ON", "OPTIN")
    assert ours.guards
    assert server.call(lambda: len(instance.keyspace.observers)) == len(observers) + 1
    client3("CLIENT", "TRACKING", "OFF")
    assert not ours.guards
    client3("CLIENT", "TRACKING", "ON")
    assert ours.straight_commands is not None
    client3("RESET")
    assert ours.straight_commands is None
    assert not ours.guards
    client3.close()
    server.wait_for_clients(0)
    assert server.call(lambda: list(instance.keyspace.observers)) == observers


def test_a_client_that_gets_messages_of_others_has_a_guard_meanwhile(
    server: RunningServer, client3: Connection
) -> None:
    target = server.connect(resp=3)
    ident = target("CLIENT", "ID")
    others = [server.connect() for _ in range(2)]
    for each in others:
        assert each("CLIENT", "TRACKING", "ON", "REDIRECT", ident) == "OK"
        assert each("CLIENT", "GETREDIR") == ident
    ours = server.instance.clients[ident]
    others[0]("CLIENT", "TRACKING", "OFF")
    assert ours.guards
    others[1]("CLIENT", "TRACKING", "ON")
    assert not ours.guards


def test_client_list_shows_who_tracks(server: RunningServer, client: Connection) -> None:
    target = server.connect()
    ident = target("CLIENT", "ID")
    assert client("CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", ident) == "OK"
    assert b" flags=tB " in client("CLIENT", "INFO")
    assert b" redir=%d " % ident in client("CLIENT", "INFO")
    target.close()
    server.wait_for_clients(1)
    server.connect()("SET", "k", 1)
    assert b" flags=tRB " in client("CLIENT", "INFO")
    assert b"broken_redirect" in client("CLIENT", "TRACKINGINFO")[1]
    client("CLIENT", "TRACKING", "OFF")
    assert b" flags=N " in client("CLIENT", "INFO")
    assert b" redir=-1 " in client("CLIENT", "INFO")


def test_the_table_keeps_to_its_limit(server: RunningServer, client3: Connection) -> None:
    client3("CONFIG", "SET", "tracking-table-max-keys", 3)
    client3("CLIENT", "TRACKING", "ON")
    for number in range(10):
        client3("GET", f"k{number}")
    assert numbers(client3) == (1, 3, 3, 0)
    assert invalidated(client3) == [b"k%d" % number for number in range(7)]
    server.connect()("MSET", "k0", 1, "k9", 1)
    assert invalidated(client3) == [b"k9"]
    client3("CONFIG", "SET", "tracking-table-max-keys", 1)
    assert len(invalidated(client3)) == 1
    client3("CONFIG", "SET", "tracking-table-max-keys", 0)
    client3("MGET", *(f"k{number}" for number in range(100)))
    assert numbers(client3) == (1, 100, 100, 0)
    assert invalidated(client3) == []


def test_a_lowered_limit_is_reached_in_steps(server: RunningServer, client3: Connection) -> None:
    client3("CLIENT", "TRACKING", "ON", "NOLOOP")
    for number in range(500):
        client3("GET", f"k{number}")
    server.connect()("CONFIG", "SET", "tracking-table-max-keys", 10)
    assert numbers(client3)[1] == 400
    for _ in range(4):
        client3("GET", "k499")
        client3("GET", "new")
        server.connect()("DEL", "new")
        server.connect()("SET", "new", 1)
    assert numbers(client3)[1] <= 10


def test_entries_of_clients_that_are_gone_are_removed(
    server: RunningServer, client3: Connection
) -> None:
    client3("CLIENT", "TRACKING", "ON")
    client3("GET", "mine")
    for _ in range(2):
        other = server.connect(resp=3)
        other("CLIENT", "TRACKING", "ON")
        other("MGET", "mine", *range(1500))
        other.close()
        server.wait_for_clients(1)
        assert numbers(client3) == (1, 1, 1, 0)
    server.connect()("SET", "mine", 1)
    assert invalidated(client3) == [b"mine"]
    assert numbers(client3) == (1, 0, 0, 0)


def test_the_table_is_empty_when_the_last_client_is_gone(
    server: RunningServer, client: Connection
) -> None:
    for options in ([], ["BCAST", "PREFIX", "a"], ["OPTOUT"]):
        other = server.connect(resp=3)
        other("CLIENT", "TRACKING", "ON", *options)
        other("MGET", "a", "b")
        assert numbers(client)[0] == 1
        other.close()
        server.wait_for_clients(1)
        assert numbers(client) == (0, 0, 0, 0)


def test_keys_that_expire_are_reported(server: RunningServer, client3: Connection) -> None:
    server.freeze()
    client3("CLIENT", "TRACKING", "ON")
    client3("SET", "k", 1, "PX", 100)
    client3("GET", "k")
    # More than the width of a bucket of deadlines: the clock stands still afterwards.
    server.advance(1000)
    assert client3.read() == Push([b"invalidate", [b"k"]])
    client3("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client3("SET", "k", 1, "PX", 100)
    client3("GET", "k")
    server.advance(101)
    # The client finds it expired itself: the message follows its reply.
    client3.send("GET", "k")
    assert [client3.read(), client3.read()] == [None, Push([b"invalidate", [b"k"]])]


def test_a_read_that_fails_is_tracked_as_in_redis(
    server: RunningServer, client3: Connection
) -> None:
    client3("CLIENT", "TRACKING", "ON")
    client3("RPUSH", "k", 1)
    assert isinstance(client3("GET", "k"), Error)
    server.connect()("DEL", "k")
    assert invalidated(client3) == [b"k"]


def test_a_monitor_does_not_keep_tracking_clients_from_their_messages(
    server: RunningServer, client3: Connection
) -> None:
    client3("CLIENT", "TRACKING", "ON")
    server.connect()("MONITOR")
    client3.send_raw(b"GET k\r\nSET k 1\r\nGeT k\r\n")
    assert [client3.read() for _ in range(4)] == [None, "OK", Push([b"invalidate", [b"k"]]), b"1"]
    server.connect()("SET", "k", 2)
    assert invalidated(client3) == [b"k"]


def test_a_large_number_of_reads_and_writes_leaves_nothing(
    server: RunningServer, client: Connection
) -> None:
    """Reads that are tracked, writes with events: what they leave is bounded, and then gone."""
    client("CONFIG", "SET", "notify-keyspace-events", "KEA")
    client("CONFIG", "SET", "tracking-table-max-keys", 100)
    reader = server.connect(resp=3)
    reader("CLIENT", "TRACKING", "ON")
    for start in range(0, 5000, 100):
        keys = range(start, start + 100)
        reader.pipeline([("GET", key) for key in keys])
        client.pipeline([("SET", key % 500, key) for key in keys])
        reader.pushes.clear()
        assert numbers(client)[1] <= 100
    reader.close()
    server.wait_for_clients(1)
    assert numbers(client) == (0, 0, 0, 0)


@pytest.mark.parametrize("prefixes", [(), ("PREFIX", "k")])
def test_broadcasts_go_out_once_per_turn(
    server: RunningServer, client3: Connection, prefixes: tuple[str, ...]
) -> None:
    client3("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)
    server.connect().pipeline([("SET", "k2", 1), ("SET", "k1", 1), ("SET", "k2", 2)])
    assert client3.read() == Push([b"invalidate", [b"k1", b"k2"]])


def test_the_cache_of_redis_py_works(
    server: RunningServer, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # redis-py refuses every server that does not call itself Redis 7.4 or later.
    monkeypatch.setattr(CacheProxyConnection, "MIN_ALLOWED_VERSION", "7.2.0")
    cached = redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig())
    client("SET", "k", "old")
    assert cached.get("k") == b"old"
    calls = info_calls(client)
    assert cached.get("k") == b"old"
    assert info_calls(client) == calls
    client("SET", "k", "new")
    # The message is on its way when the writer has its reply, and may arrive a little later.
    wait_until(lambda: cached.get("k") == b"new", "the new value")
    assert info_calls(client) == calls + 1
    client("FLUSHALL")
    wait_until(lambda: cached.get("k") is None, "no value")
    cached.close()


def info_calls(client: Connection) -> int:
    """How often GET was run."""
    text = client("INFO", "commandstats").decode()
    return int(text.partition("cmdstat_get:calls=")[2].partition(",")[0])
