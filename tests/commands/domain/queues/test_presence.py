"""QUEUE.HEARTBEAT, DEREGISTER, PRESENCE, ACTIVE and PRUNE: which consumers are alive."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.copies import copy_keys
from tests.support.queues import NOW
from tests.support.resp import Connection, Error, Map
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

TTL = 30_000
KEEP = 24 * 60 * 60 * 1000
STREAM = "redkeep:queue:{q}:stream:0"
NS = 1_000_000


def presence(client: Connection, *words: Any) -> list[dict[bytes, Any]]:
    rows = client("QUEUE.PRESENCE", *words)
    assert isinstance(rows, list), rows
    return [dict(zip(row[::2], row[1::2], strict=True)) for row in rows]


def states(client: Connection, *words: Any) -> dict[bytes, bytes]:
    return {row[b"consumer"]: row[b"state"] for row in presence(client, *words)}


def active(client: Connection, *words: Any) -> dict[tuple[bytes, bytes], int]:
    return {(row[1], row[3]): row[5] for row in client("QUEUE.ACTIVE", *words)}


# --- heartbeats, states, pruning --------------------------------------------------------------


def test_first_heartbeat_registers_an_active_consumer(client: Connection) -> None:
    assert client("QUEUE.HEARTBEAT", "orders", "workers", "w1", "LEASES", 0) == "OK"
    assert presence(client) == [
        {
            b"queue": b"orders",
            b"group": b"workers",
            b"consumer": b"w1",
            b"registered_at_ns": NOW * NS,
            b"last_heartbeat_ns": NOW * NS,
            b"last_seen_age_ms": 0,
            b"lease_count": 0,
            b"state": b"active",
        }
    ]


def test_heartbeat_refreshes_and_keeps_when_it_was_registered(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.HEARTBEAT", "orders", "workers", "w1")
    server.advance(5000)
    client("QUEUE.HEARTBEAT", "orders", "workers", "w1", "LEASES", 3)
    (row,) = presence(client)
    assert row[b"registered_at_ns"] == NOW * NS
    assert row[b"last_heartbeat_ns"] == (NOW + 5000) * NS
    assert (row[b"last_seen_age_ms"], row[b"lease_count"]) == (0, 3)
    client("QUEUE.HEARTBEAT", "orders", "workers", "w1")
    assert presence(client)[0][b"lease_count"] == 3


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (0, b"active"),
        (TTL - 1, b"active"),
        (TTL, b"active"),
        (TTL + 1, b"stale"),
        (2 * TTL, b"stale"),
        (2 * TTL + 1, b"expired"),
    ],
)
@pytest.mark.parametrize("leases", [0, 5])
def test_states_at_their_boundaries(
    server: RunningServer, client: Connection, age: int, state: bytes, leases: int
) -> None:
    client("QUEUE.HEARTBEAT", "orders", "workers", "w1", "LEASES", leases)
    server.advance(age)
    client("PING")
    (row,) = presence(client, "orders")
    assert (row[b"last_seen_age_ms"], row[b"state"], row[b"lease_count"]) == (age, state, leases)
    assert active(client) == ({(b"orders", b"workers"): 1} if state == b"active" else {})


@pytest.mark.parametrize(
    ("ttl", "state"),
    [(100, b"active"), (99, b"stale"), (50, b"stale"), (49, b"expired"), (0, b"expired")],
)
def test_a_ttl_option_replaces_the_setting(
    server: RunningServer, client: Connection, ttl: int, state: bytes
) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    server.advance(100)
    for scope in ([], ["q"], ["q", "g"]):
        assert states(client, *scope, "TTL", ttl) == {b"c": state}
    assert len(client("QUEUE.ACTIVE", "q", "TTL", ttl)) == (state == b"active")
    assert client("QUEUE.PRUNE", "TTL", ttl) == (state == b"expired")


def test_prune_removes_only_expired_consumers(server: RunningServer, client: Connection) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "expired")
    server.advance(TTL)
    client("QUEUE.HEARTBEAT", "q", "g", "edge")
    server.advance(TTL // 2)
    client("QUEUE.HEARTBEAT", "q", "g", "stale")
    server.advance(TTL + TTL // 2)
    client("QUEUE.HEARTBEAT", "q", "g", "alive")
    assert client("QUEUE.PRUNE") == 1
    assert states(client) == {b"alive": b"active", b"edge": b"stale", b"stale": b"stale"}
    assert client("QUEUE.PRUNE") == 0


def test_active_counts_by_queue_and_group(server: RunningServer, client: Connection) -> None:
    client("QUEUE.HEARTBEAT", "orders", "workers", "ghost")
    server.advance(TTL + 1)
    for queue, group, consumer in (
        ("orders", "workers", "w1"),
        ("orders", "workers", "w2"),
        ("orders", "audit", "a1"),
        ("billing", "workers", "b1"),
    ):
        client("QUEUE.HEARTBEAT", queue, group, consumer)
    assert active(client) == {
        (b"billing", b"workers"): 1,
        (b"orders", b"audit"): 1,
        (b"orders", b"workers"): 2,
    }
    assert active(client, "billing") == {(b"billing", b"workers"): 1}


def test_presence_follows_heartbeats_and_not_pending_messages(
    server: RunningServer, client: Connection
) -> None:
    for number in range(5):
        client("QUEUE.PUSH", "q", number)
    assert len(client("QUEUE.READ", "q", "g", "stuck", "COUNT", 5, "LEASE", 10**9)) == 5
    client("QUEUE.HEARTBEAT", "q", "g", "stuck", "LEASES", 5)
    server.advance(2 * TTL + 1)
    client("QUEUE.HEARTBEAT", "q", "g", "idle", "LEASES", 0)
    assert states(client) == {b"idle": b"active", b"stuck": b"expired"}
    assert {row[b"consumer"]: row[b"lease_count"] for row in presence(client)} == {
        b"idle": 0, b"stuck": 5
    }  # fmt: skip
    assert active(client) == {(b"q", b"g"): 1}


def test_deregister_removes_a_consumer(client: Connection) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "w1")
    client("QUEUE.HEARTBEAT", "q", "g", "w2")
    assert client("QUEUE.DEREGISTER", "q", "g", "w1") == 1
    assert client("QUEUE.DEREGISTER", "q", "g", "w1") == 0
    assert states(client) == {b"w2": b"active"}


def test_rows_are_ordered(client: Connection) -> None:
    names = [("zeta", "g", "c"), ("alpha", "z", "a"), ("alpha", "a", "z"), ("alpha", "a", "a")]
    for name in names:
        client("QUEUE.HEARTBEAT", *name)
    rows = presence(client)
    shape = [(row[b"queue"], row[b"group"], row[b"consumer"]) for row in rows]
    assert shape == sorted(tuple(map(str.encode, name)) for name in names)
    assert [row[b"consumer"] for row in presence(client, "alpha", "a")] == [b"a", b"z"]


# --- reading is a heartbeat --------------------------------------------------------------------


def test_every_read_is_a_heartbeat(server: RunningServer, client: Connection) -> None:
    assert client("QUEUE.READ", "q", "g", "poller") is not None
    assert states(client) == {b"poller": b"active"}
    server.advance(TTL)
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.READ", "q", "g", "poller")
    server.advance(TTL)
    client("QUEUE.READ", "q", "g", "poller")
    (row,) = presence(client)
    assert (row[b"last_seen_age_ms"], row[b"registered_at_ns"]) == (0, NOW * NS)


def test_redelivery_alone_is_a_heartbeat(server: RunningServer, client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.READ", "q", "g", "first", "LEASE", 10)
    server.advance(10)
    client("QUEUE.READ", "q", "g", "second", "LEASE", 10)
    ages = {row[b"consumer"]: row[b"last_seen_age_ms"] for row in presence(client)}
    assert ages == {b"first": 10, b"second": 0}


def test_xreadgroup_on_a_queue_is_a_heartbeat(server: RunningServer, client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.PUSH", "q", "x", "PRIORITY", 7)
    client("XADD", "plain", "*", "a", "b")
    for stream in ("redkeep:queue:{q}:stream:0", "redkeep:queue:{q}:stream:7", "plain"):
        client("XGROUP", "CREATE", stream, "g", 0)
    read = ("XREADGROUP", "GROUP", "g", "w", "STREAMS", "redkeep:queue:{q}:stream:0", ">")
    assert client(*read)
    assert states(client) == {b"w": b"active"}
    server.advance(100)
    assert client(*read) is not None  # nothing more, and still a heartbeat
    assert presence(client)[0][b"last_seen_age_ms"] == 0
    client("XREADGROUP", "GROUP", "g", "seven", "STREAMS", "redkeep:queue:{q}:stream:7", ">")
    assert set(states(client)) == {b"seven", b"w"}
    before = client("KEYS", "*")
    client("XREADGROUP", "GROUP", "g", "plain", "STREAMS", "plain", ">")
    assert sorted(client("KEYS", "*")) == sorted(before)
    client("MULTI")
    client("XREADGROUP", "GROUP", "g", "within", "STREAMS", "redkeep:queue:{q}:stream:0", ">")
    client("EXEC")
    assert set(states(client)) == {b"seven", b"w", b"within"}


@pytest.mark.parametrize(
    "read",
    [
        ("QUEUE.READ", "q", "g", "w", "BLOCK", 0),
        ("QUEUE.READ", "q", "g", "w", "BLOCK", 10**9),
        ("XREADGROUP", "GROUP", "g", "w", "BLOCK", 0, "STREAMS", STREAM, ">"),
    ],
)
def test_a_consumer_that_waits_stays_active(
    server: RunningServer, client: Connection, read: tuple[str | int, ...]
) -> None:
    client("XGROUP", "CREATE", STREAM, "g", 0, "MKSTREAM")
    waiting = server.connect()
    server.block(waiting, *read)
    for _ in range(30):
        server.advance(TTL // 3)
        wait_until(lambda: presence(client)[0][b"last_seen_age_ms"] == 0, "a heartbeat")
    assert states(client) == {b"w": b"active"}
    waiting.close()
    server.wait_for_blocked(0)
    server.advance(TTL + 1)
    assert states(client) == {b"w": b"stale"}
    assert server.entries_for_blocked() == 0


def test_others_that_wait_do_not_all_write_when_a_message_comes(
    server: RunningServer, client: Connection
) -> None:
    waiting = [server.connect() for _ in range(5)]
    for number, one in enumerate(waiting):
        server.block(one, "QUEUE.READ", "q", "g", f"w{number}", "BLOCK", 0)
    server.advance(TTL // 10)
    client("QUEUE.PUSH", "q", "x")
    ages = {row[b"consumer"]: row[b"last_seen_age_ms"] for row in presence(client)}
    assert ages == {b"w0": 0} | {b"w%d" % number: TTL // 10 for number in range(1, 5)}


def test_a_waiting_consumer_sends_no_heartbeat_during_a_pause(
    server: RunningServer, client: Connection
) -> None:
    waiting = server.connect()
    server.block(waiting, "QUEUE.READ", "q", "g", "w", "BLOCK", 0)
    client("CLIENT", "PAUSE", 10 * TTL, "WRITE")
    server.advance(TTL)
    assert presence(client)[0][b"last_seen_age_ms"] == TTL
    client("CLIENT", "UNPAUSE")
    server.advance(TTL // 3)
    wait_until(lambda: presence(client)[0][b"last_seen_age_ms"] == 0, "a heartbeat")


def test_an_overwritten_presence_key_does_not_prevent_reading(client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    client("XGROUP", "CREATE", "redkeep:queue:{q}:stream:0", "g", 0)
    client("SET", "redkeep:queue:{q}:seen", "poison")
    reply = client("XREADGROUP", "GROUP", "g", "w", "STREAMS", "redkeep:queue:{q}:stream:0", ">")
    assert not isinstance(reply, Error)
    assert presence(client) == []


# --- copies, the sweep, replies -----------------------------------------------------------------


def test_a_copy_of_all_keys_returns_the_same(
    server: RunningServer, loop: Loop, client: Connection
) -> None:
    for consumer in ("w1", "w2", "a:b\\c", ""):
        client("QUEUE.HEARTBEAT", "orders}\\{", "gr:oup", consumer, "LEASES", 2)
        server.advance(20_000)
    other = loop.start_server()
    try:
        other.freeze(server.now_ms())
        copy = other.connect()
        assert copy_keys(client, copy) > 0
        for asked in (("QUEUE.PRESENCE",), ("QUEUE.ACTIVE",), ("QUEUE.PRESENCE", "orders}\\{")):
            assert copy(*asked) == client(*asked)
        assert len(presence(copy)) == 4
        other.advance(KEEP + 1)
        # The sweep of the copy finds what is due, too.
        wait_until(lambda: copy("KEYS", "*") == [], "the sweep")
    finally:
        other.close()


def test_the_sweep_prunes(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:queue:q")
    client("QUEUE.HEARTBEAT", "q", "g", "gone")
    server.advance(KEEP)
    client("QUEUE.HEARTBEAT", "q", "g", "here")
    server.advance(1)
    told = [listener.read_push().items[2] for _ in range(3)]
    assert json.loads(told[2]) == {
        "family": "queue",
        "event": "expired",
        "command": None,
        "at": NOW + KEEP + 1,
        "group": "g",
        "consumer": "gone",
    }
    assert states(client) == {b"here": b"active"}


def test_rows_are_kept_longer_than_any_reader_asks(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    server.advance(KEEP)
    client("PING")
    assert states(client) == {b"c": b"expired"}
    assert states(client, "TTL", KEEP // 2) == {b"c": b"stale"}
    assert states(client, "TTL", KEEP) == {b"c": b"active"}
    server.advance(1)
    wait_until(lambda: client("KEYS", "*") == [], "the sweep")


def test_how_long_rows_are_kept_is_a_setting(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "presence-keep-ms", 500)
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    server.advance(500)
    client("PING")
    assert states(client) == {b"c": b"active"}
    server.advance(1)
    wait_until(lambda: client("KEYS", "*") == [], "the sweep")


def test_replies_in_resp3(client3: Connection) -> None:
    client3("QUEUE.HEARTBEAT", "q", "g", "c")
    (row,) = client3("QUEUE.PRESENCE")
    assert isinstance(row, Map) and row[b"state"] == b"active"
    assert client3("QUEUE.ACTIVE") == [Map([(b"queue", b"q"), (b"group", b"g"), (b"active", 1)])]


def test_ages_are_never_negative(server: RunningServer, client: Connection) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    server.call(server.instance.clock.set, NOW - 1000)
    (row,) = presence(client)
    assert (row[b"last_seen_age_ms"], row[b"state"]) == (0, b"active")


def test_names_that_look_like_keys_stay_apart(client: Connection) -> None:
    names = ["a", "a}", "a}:seen", "{a}", "a\\", "a\\}", "a:b", "}", "due", "TTL"]
    for name in names:
        client("QUEUE.HEARTBEAT", name, "g:h", "c")
        client("QUEUE.HEARTBEAT", name, "g", "h:c")
    for name in names:
        assert [(row[b"group"], row[b"consumer"]) for row in presence(client, name)] == [
            (b"g", b"h:c"), (b"g:h", b"c")
        ]  # fmt: skip
    assert len(presence(client)) == 2 * len(names)
    assert client("COMMAND", "GETKEYS", "QUEUE.PRESENCE", "q", "g", "TTL", 1) == [b"q"]


DURATION_OR_0 = "an integer from 0 to 4503599627370496 (milliseconds)"
LEASES = "an integer from 0 to 4294967295"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("HEARTBEAT q g c LEASES", "ERR LEASES is incomplete, expected: LEASES count"),
        ("HEARTBEAT q g c LEASES -1", f"ERR LEASES must be {LEASES}, not '-1'"),
        ("HEARTBEAT q g c LEASES 4294967296", f"ERR LEASES must be {LEASES}, not '4294967296'"),
        ("HEARTBEAT q g c MORE", "ERR unknown option 'MORE'"),
        ("PRESENCE q g h", "ERR unknown option 'h'"),
        ("PRESENCE q TTL -1", f"ERR TTL must be {DURATION_OR_0}, not '-1'"),
        ("PRESENCE q TTL x", f"ERR TTL must be {DURATION_OR_0}, not 'x'"),
        ("ACTIVE q g", "ERR unknown option 'g'"),
        ("ACTIVE q TTL", "ERR TTL is incomplete, expected: TTL milliseconds"),
        ("PRUNE q", "ERR unknown option 'q'"),
        (
            "HEARTBEAT poison g c",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
    ],
)
def test_errors_change_nothing(client: Connection, request_: str, text: str) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    client("SET", "redkeep:queue:{poison}:seen", "x")
    before = client("DEBUG", "DIGEST")
    assert client(*("QUEUE." + request_).split()) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_rows_that_cannot_be_read_are_skipped(server: RunningServer, client: Connection) -> None:
    client("QUEUE.HEARTBEAT", "q", "g", "good")
    client("ZADD", "redkeep:queue:{q}:seen", 1, "no-facts:c", NOW, "nocolon")
    client("HSET", "redkeep:queue:{q}:consumers", "no-facts:c", "{", "nocolon", "{}")
    client("SET", "redkeep:queue:{other}:seen", "x")
    client("ZADD", "redkeep:queue:{third}:seen", 1, "g:c")
    client("SET", "redkeep:queue:{third}:consumers", "x")
    client("SET", "redkeep:queue:due:00000000000000000001:{third}", "x")
    client("SET", "redkeep:queue:{broken", "x")
    client("SET", "redkeep:queue:due:00000000000000000001:{other}", "x")
    client("SET", "redkeep:queue:due:nonsense", "x")
    assert states(client) == {b"good": b"active"}
    server.advance(2 * TTL + 1)
    # The two rows that cannot be read have long expired.
    assert client("QUEUE.PRUNE") == 3
    client("QUEUE.HEARTBEAT", "q", "g", "good")
    server.advance(10 * TTL)
    client("QUEUE.HEARTBEAT", "q", "g", "later")
    assert states(client)[b"later"] == b"active"
