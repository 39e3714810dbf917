"""`maxmemory` and `maxmemory-clients` through the wire: refusals, evictions, what others see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.instance.guards import Guard
from storage.ledger import Ledger
from tests.support.info import info
from tests.support.keyspace import listen
from tests.support.oracles import Oracle
from tests.support.resp import NULL_ARRAY, Connection, Error
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

OUT_OF_MEMORY = Error("OOM command not allowed when used memory > 'maxmemory'.")
MB = 1 << 20


def number(client: Connection, name: str) -> int:
    return int(info(client, name))


def limit_to(client: Connection, room: int, policy: str = "noeviction") -> int:
    """Set a limit that leaves so much room; return it."""
    client("CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", "1gb")
    limit = number(client, "used_memory") + room
    client("CONFIG", "SET", "maxmemory", limit)
    return limit


def recount(server: RunningServer) -> tuple[int, int]:
    """The sum that the server keeps, and one that is made anew."""

    def both() -> tuple[int, int]:
        keyspace, memory = server.instance.keyspace, server.instance.memory
        kept = memory.used() - memory.other - (1 << 20)
        parts = [database.derived for database in keyspace.databases]
        for database in keyspace.databases:
            database.derived = {}
        fresh = Ledger(keyspace, lambda: None)
        fresh.count(lambda: False)
        total = fresh.measure()
        fresh.close()
        for database, part in zip(keyspace.databases, parts, strict=True):
            database.derived = part
        return kept, total

    return server.call(both)


def test_writes_are_refused_at_the_limit_and_possible_again_below_it(client: Connection) -> None:
    limit = limit_to(client, 100_000)
    replies = [client("SET", f"k{n}", "x" * 1000) for n in range(200)]
    accepted = replies.index(OUT_OF_MEMORY)
    assert 70 <= accepted <= 90
    assert set(map(str, replies[accepted:])) == {str(OUT_OF_MEMORY)}
    assert number(client, "used_memory") <= limit + 2000
    assert client("GET", "k1") == b"x" * 1000
    for n in range(10):
        client("DEL", f"k{n}")
    assert client("SET", "again", "x" * 1000) == "OK"


def test_a_pipeline_is_refused_at_the_same_request(server: RunningServer) -> None:
    client = server.connect()
    limit = limit_to(client, 50_000)
    for n in range(300):
        client.send("SET", f"k{n}", "x" * 1000)
    replies = [client.read() for _ in range(300)]
    assert 30 <= replies.index(OUT_OF_MEMORY) <= 50
    assert number(client, "used_memory") <= limit + 2000


def test_flushing_makes_room_at_once(client: Connection) -> None:
    limit_to(client, 20_000)
    assert any(client("SET", f"k{n}", "x" * 1000) == OUT_OF_MEMORY for n in range(30))
    client("FLUSHALL")
    assert client("SET", "k", "v") == "OK"


def test_a_transaction_with_such_a_request_is_not_executed(
    server: RunningServer, redis7: Oracle
) -> None:
    replies = []
    for connect in (server.connect, redis7.connect):
        one, other = connect(), connect()
        one("MULTI")
        one("GET", "k")
        one("SET", "k", "v")
        other("CONFIG", "SET", "maxmemory", 1)
        refused = one("EXEC")
        other("CONFIG", "SET", "maxmemory", 0)
        one("MULTI")
        one("GET", "k")
        other("CONFIG", "SET", "maxmemory", 1)
        replies.append((refused, one("EXEC"), one("GET", "k")))
        other("CONFIG", "SET", "maxmemory", 0)
    assert replies[0] == replies[1]
    assert isinstance(replies[0][0], Error)


def test_scripts_that_have_begun_to_write_go_on(client: Connection) -> None:
    client("SET", "k", "v")
    client("CONFIG", "SET", "maxmemory", 1)
    script = "redis.call('del', 'k') redis.call('set', 'a', 1) return redis.call('set', 'b', 2)"
    assert client("EVAL", script, 0) == "OK"
    assert isinstance(client("EVAL", "return redis.call('set', 'c', 1)", 0), Error)


@pytest.mark.parametrize(
    "policy",
    ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
     "volatile-random", "volatile-ttl"],
)  # fmt: skip
def test_memory_stays_within_the_limit(policy: str, client: Connection) -> None:
    limit = limit_to(client, 200_000, policy)
    for n in range(1000):
        assert client("SET", f"k{n}", "x" * 500, "EX", 1000) == "OK"
        assert number(client, "used_memory") <= limit + 1500
    assert number(client, "evicted_keys") > 500
    assert client("DBSIZE") > 150


def test_an_eviction_is_seen_like_a_deletion(server: RunningServer) -> None:
    client, watcher, waiting = server.connect(), server.connect(), server.connect()
    client("XADD", "stream", "1-1", "f", "v")
    client("XGROUP", "CREATE", "stream", "g", "$")
    watcher("WATCH", "stream")
    watcher("MULTI")
    watcher("PING")
    server.block(waiting, "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "stream", ">")
    events = listen(server)
    journal = server.record()
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    client("CONFIG", "SET", "maxmemory", 1)
    client("PING")
    assert (0, b"stream", "evicted", True) in events
    assert b"DEL" in server.call(lambda: b" ".join(w for e in journal.take() for w in e))
    assert watcher("EXEC") is NULL_ARRAY
    assert isinstance(waiting.read(), Error)
    assert client("DBSIZE") == 0


def test_requests_are_checked_only_near_the_limit(server: RunningServer) -> None:
    client = server.connect()

    def is_held() -> bool:
        return server.call(lambda: Guard.MEMORY in set(server.instance.guards))

    client("CONFIG", "SET", "maxmemory", "4mb")
    client("SET", "k", "v")
    assert not is_held()
    client("SET", "k", "x" * 4 * MB)
    assert is_held()
    assert client("SET", "other", "v") == OUT_OF_MEMORY
    client("DEL", "k")
    wait_until(lambda: not is_held(), "requests on the straight path")
    client("CONFIG", "SET", "maxmemory", 1)
    assert is_held()
    client("CONFIG", "SET", "maxmemory", 0)
    assert not is_held()
    assert server.call(lambda: server.instance.keyspace.observers) == []


def test_a_limit_on_a_full_server_counts_the_keys_in_the_background(server: RunningServer) -> None:
    client = server.connect()
    client("DEBUG", "POPULATE", 30_000, "key", 50)
    client("CONFIG", "SET", "maxmemory", "1gb")
    wait_until(lambda: not server.call(lambda: server.instance.memory.is_counting), "a count")
    kept, total = recount(server)
    assert kept == total > 30_000 * 200
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "3mb")
    wait_until(lambda: number(client, "used_memory") <= 3 * MB, "evictions")
    assert 0 < client("DBSIZE") < 12_000


def test_times_over_the_limit_are_in_info(client: Connection) -> None:
    assert number(client, "current_eviction_exceeded_time") == 0
    client("CONFIG", "SET", "maxmemory", 1)
    client("SET", "k", "v")
    wait_until(lambda: number(client, "current_eviction_exceeded_time") > 0, "a time")
    assert number(client, "total_eviction_exceeded_time") > 0
    client("CONFIG", "SET", "maxmemory", 0)
    assert number(client, "current_eviction_exceeded_time") == 0
    assert number(client, "total_eviction_exceeded_time") > 0
    client("CONFIG", "RESETSTAT")
    assert number(client, "total_eviction_exceeded_time") == 0


def test_info_shows_what_is_compared_with_the_limit(client: Connection) -> None:
    resident = number(client, "used_memory_rss")
    assert number(client, "used_memory") > 8 * MB
    client("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "volatile-ttl")
    used = number(client, "used_memory")
    assert MB < used < 2 * MB
    assert number(client, "used_memory_rss") > resident // 2
    assert number(client, "maxmemory") == 100 * MB
    assert info(client, "maxmemory_policy") == "volatile-ttl"
    client("SET", "k", "x" * MB)
    assert number(client, "used_memory") - used == pytest.approx(MB, rel=0.1)


def test_pending_entries_of_consumers_count(server: RunningServer) -> None:
    client = server.connect()
    client("CONFIG", "SET", "maxmemory", "1gb")
    client("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    for n in range(200):
        client("XADD", "s", f"{n + 1}-1", "f", "v")
    before = number(client, "used_memory")
    client("XREADGROUP", "GROUP", "g", "c", "COUNT", 200, "STREAMS", "s", ">")
    assert number(client, "used_memory") > before + 200 * 100
    kept, total = recount(server)
    assert kept == total


# --- counters in snapshots and payloads --------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lfu", "allkeys-lru"])
def test_a_snapshot_keeps_uses(policy: str, server: RunningServer) -> None:
    client = server.connect()
    server.freeze(1_700_000_000_000)
    client("CONFIG", "SET", "maxmemory-policy", policy, "lfu-log-factor", 0)
    client("SET", "k", "v")
    for _ in range(20):
        client("GET", "k")
    payload = client("DUMP", "k")
    server.advance(30_000)
    asked = ("OBJECT", "FREQ" if policy.endswith("lfu") else "IDLETIME", "k")
    before = client(*asked)
    assert before == (26 if policy.endswith("lfu") else 30)
    client("DEBUG", "RELOAD")
    assert client(*asked) == before
    word = asked[1]
    client("RESTORE", "k", 0, payload, "REPLACE", word, 100)
    assert client(*asked) == 100


def test_redis_reads_frequencies_of_our_snapshot_payloads(client: Connection) -> None:
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    client("SET", "k", "v")
    client("RESTORE", "r", 0, client("DUMP", "k"), "FREQ", 255)
    assert client("OBJECT", "FREQ", "r") == 255
    client("RESTORE", "idle", 0, client("DUMP", "k"), "IDLETIME", 1000)
    assert client("OBJECT", "FREQ", "idle") == 5
    client("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert client("OBJECT", "IDLETIME", "r") == 0


def test_flushing_keeps_counting_uses(client: Connection) -> None:
    client("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    client("FLUSHALL")
    client("SET", "k", "v")
    assert client("OBJECT", "FREQ", "k") == 5


# --- clients ------------------------------------------------------------------------------------


def unread(connection: Connection, size: int) -> None:
    """Leave an unfinished request of this size in the server's buffer."""
    connection.send_raw(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (size * 2) + b"x" * size)


@pytest.fixture
def crowded(server: RunningServer) -> Iterator[list[Connection]]:
    """Clients of one, two and four megabytes."""
    clients = [server.connect() for _ in range(3)]
    for place, connection in enumerate(clients):
        unread(connection, MB << place)
    memory = server.instance.client_memory
    wait_until(lambda: server.call(memory) > 7 * MB, "seven megabytes of requests")
    yield clients


def test_the_largest_clients_are_disconnected(
    server: RunningServer, client: Connection, crowded: list[Connection]
) -> None:
    client("CONFIG", "SET", "maxmemory-clients", "4mb")
    server.wait_for_clients(3)
    assert number(client, "evicted_clients") == 1
    client("CONFIG", "SET", "maxmemory", "2mb", "maxmemory-clients", "90%")
    server.wait_for_clients(2)
    assert client("PING") == "PONG"


def test_clients_may_be_spared(server: RunningServer) -> None:
    client, spared, other = (server.connect() for _ in range(3))
    spared("CLIENT", "NO-EVICT", "on")
    unread(spared, 4 * MB)
    unread(other, MB)
    wait_until(lambda: server.call(server.instance.client_memory) > 5 * MB, "five megabytes")
    client("CLIENT", "NO-EVICT", "on")
    client("CONFIG", "SET", "maxmemory-clients", "2mb")
    server.wait_for_clients(2)
    assert number(client, "evicted_clients") == 1
    assert b"flags=e" in client("CLIENT", "LIST")


# --- random writes ------------------------------------------------------------------------------

KEYS = st.sampled_from([f"k{n}" for n in range(12)])
TEXTS = st.sampled_from(["v", "x" * 100, "y" * 3000, "17"])
WRITES = st.one_of(
    st.tuples(st.just("SET"), KEYS, TEXTS),
    st.tuples(st.just("SET"), KEYS, TEXTS, st.just("EX"), st.just("1000")),
    st.tuples(st.just("APPEND"), KEYS, TEXTS),
    st.tuples(st.just("INCR"), KEYS),
    st.tuples(st.just("SETRANGE"), KEYS, st.just("500"), TEXTS),
    st.tuples(st.sampled_from(["LPUSH", "RPUSH"]), KEYS, TEXTS, TEXTS),
    st.tuples(st.sampled_from(["LPOP", "RPOP", "DEL", "UNLINK", "PERSIST", "SPOP"]), KEYS),
    st.tuples(st.just("LTRIM"), KEYS, st.just("1"), st.just("2")),
    st.tuples(st.just("HSET"), KEYS, TEXTS, TEXTS),
    st.tuples(st.just("HDEL"), KEYS, TEXTS),
    st.tuples(st.just("HPEXPIRE"), KEYS, st.just("50"), *map(st.just, ("FIELDS", "1", "v"))),
    st.tuples(st.just("SADD"), KEYS, TEXTS),
    st.tuples(st.just("SREM"), KEYS, TEXTS),
    st.tuples(st.just("SMOVE"), KEYS, KEYS, TEXTS),
    st.tuples(st.just("ZADD"), KEYS, st.just("3"), TEXTS),
    st.tuples(st.just("ZREM"), KEYS, TEXTS),
    st.tuples(st.just("ZPOPMIN"), KEYS),
    st.tuples(st.just("XADD"), KEYS, st.just("*"), st.just("f"), TEXTS),
    st.tuples(st.just("XTRIM"), KEYS, st.just("MAXLEN"), st.just("1")),
    st.tuples(*map(st.just, ("XGROUP", "CREATE")), KEYS, *map(st.just, ("g", "0", "MKSTREAM"))),
    st.tuples(*map(st.just, ("XREADGROUP", "GROUP", "g", "c", "STREAMS")), KEYS, st.just(">")),
    st.tuples(st.sampled_from(["RENAME", "COPY", "LCS"]), KEYS, KEYS),
    st.tuples(st.just("SINTERSTORE"), KEYS, KEYS, KEYS),
    st.tuples(st.just("SORT"), KEYS, *map(st.just, ("ALPHA", "STORE")), KEYS),
    st.tuples(st.just("PEXPIRE"), KEYS, st.sampled_from(["-1", "30", "100000"])),
    st.tuples(st.just("PFADD"), KEYS, TEXTS),
    st.tuples(st.just("GETEX"), KEYS, st.just("PX"), st.just("20")),
    st.tuples(st.just("MOVE"), KEYS, st.just("1")),
    st.tuples(st.just("SWAPDB"), st.just("0"), st.just("1")),
    st.tuples(st.just("FLUSHDB")),
    st.tuples(st.just("GET"), KEYS),
)
POLICIES = ("noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru",
            "volatile-lfu", "volatile-random", "volatile-ttl")  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    policy=st.sampled_from(POLICIES),
    before=st.lists(WRITES, max_size=20),
    writes=st.lists(st.one_of(WRITES, st.integers(1, 60)), max_size=60),
    room=st.integers(3000, 40_000),
)
def test_the_sum_is_right_and_within_the_limit_after_any_writes(
    policy: str,
    before: list[tuple[str, ...]],
    writes: list[tuple[str, ...] | int],
    room: int,
    limited: RunningServer,
) -> None:
    client = limited.connect()
    client("CONFIG", "SET", "maxmemory", 0)
    client("FLUSHALL")
    limited.freeze()
    for words in before:
        client(*words)
    limit = limit_to(client, room, policy)
    for step in writes:
        if isinstance(step, int):
            limited.advance(step)
            continue
        used = number(client, "used_memory")
        reply = client(*step)
        after = number(client, "used_memory")
        if used > limit and policy == "noeviction" and reply == OUT_OF_MEMORY:
            assert after <= used
        # A request is checked before it runs, so only its own growth may exceed the limit.
        assert after <= max(limit, used) + 15_000
    kept, total = recount(limited)
    assert kept == total
    client.close()


@pytest.fixture(scope="module")
def limited(loop: Loop) -> Iterator[RunningServer]:
    running = loop.start_server(maxmemory_eviction_tenacity="100")
    yield running
    running.close()
