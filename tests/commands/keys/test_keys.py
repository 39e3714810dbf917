"""Statistics, events and random choices of commands on keys.

Replies are compared with real servers in tests/differential.
"""

from __future__ import annotations

from tests.support.keyspace import dirty, listen
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import pages


def lookups(server: RunningServer) -> tuple[int, int]:
    keyspace = server.instance.keyspace
    return server.call(lambda: (keyspace.hits, keyspace.misses))


def test_reads_count_hits_and_misses(server: RunningServer, client: Connection) -> None:
    client("SET", "k", "v")
    for request in (
        ("EXISTS", "k", "missing"),
        ("TYPE", "k"),
        ("TTL", "missing"),
        ("OBJECT", "ENCODING", "k"),
        ("TOUCH", "k"),
    ):
        client(*request)
    assert lookups(server) == (4, 2)


def test_only_using_a_key_resets_its_idle_time(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("SET", "k", "v")
    server.advance(10_000)
    for request in (("TYPE", "k"), ("TTL", "k"), ("EXISTS", "k"), ("OBJECT", "ENCODING", "k")):
        client(*request)
    assert client("OBJECT", "IDLETIME", "k") == 10
    client("TOUCH", "k")
    assert client("OBJECT", "IDLETIME", "k") == 0


def test_touch_works_for_a_client_in_no_touch_mode(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("MSET", "a", 1, "b", 2)
    client("CLIENT", "NO-TOUCH", "ON")
    server.advance(5_000)
    client("GET", "a")
    assert client("OBJECT", "IDLETIME", "a") == 5
    client("MULTI")
    client("TOUCH", "a")
    client("GET", "b")
    client("EXEC")
    assert client("OBJECT", "IDLETIME", "a") == 0
    assert client("OBJECT", "IDLETIME", "b") == 5
    client("CLIENT", "NO-TOUCH", "OFF")
    client("GET", "b")
    assert client("OBJECT", "IDLETIME", "b") == 0


def test_renaming_announces_both_names(server: RunningServer, client: Connection) -> None:
    client("SET", "a", 1)
    client("SET", "b", 1)
    events = listen(server)
    before = dirty(server)
    client("RENAME", "a", "b")
    assert events == [
        (0, b"a", None, True),
        (0, b"b", "new", False),
        (0, b"b", None, True),
        (0, b"a", "rename_from", False),
        (0, b"b", "rename_to", False),
    ]
    assert dirty(server) == before + 1


def test_moving_and_copying_announce_both_databases(
    server: RunningServer, client: Connection
) -> None:
    client("SET", "a", 1)
    events = listen(server)
    client("COPY", "a", "b", "DB", 2)
    client("MOVE", "a", 1)
    assert [(index, key) for index, key, _, modified in events if modified] == [
        (2, b"b"),
        (0, b"a"),
        (1, b"a"),
    ]
    assert [
        (index, key, event) for index, key, event, _ in events if event not in (None, "new")
    ] == [
        (2, b"b", "copy_to"),
        (0, b"a", "move_from"),
        (1, b"a", "move_to"),
    ]


def test_commands_without_effect_do_not_count_as_changes(
    server: RunningServer, client: Connection
) -> None:
    client("SET", "a", 1)
    client("SET", "b", 1)
    before = dirty(server)
    client("RENAME", "a", "a")
    client("RENAMENX", "a", "b")
    client("COPY", "a", "b")
    client("COPY", "missing", "c")
    client("MOVE", "missing", 1)
    client("DEL", "missing")
    client("PERSIST", "a")
    assert dirty(server) == before


def test_deadlines_of_fields_are_renamed_moved_and_copied_with_their_hash(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("HSET", "h", "short", 1, "long", 2)
    client("HPEXPIRE", "h", 1000, "FIELDS", 1, "short")
    client("RENAME", "h", "renamed")
    client("COPY", "renamed", "copied")
    client("MOVE", "renamed", 1)
    server.advance(1001)
    assert client("HGETALL", "copied") == [b"long", b"2"]
    client("SELECT", 1)
    assert client("HGETALL", "renamed") == [b"long", b"2"]


def test_a_copy_is_independent(client: Connection) -> None:
    client("APPEND", "s", "abc")
    client("HSET", "h", "f", 1)
    client("COPY", "s", "s2")
    client("COPY", "h", "h2")
    client("APPEND", "s2", "d")
    client("HSET", "h2", "f", 2)
    assert client("GET", "s") == b"abc"
    assert client("HGET", "h", "f") == b"1"


def test_swapping_wakes_a_blocked_client(server: RunningServer, client: Connection) -> None:
    client("SELECT", 1)
    client("RPUSH", "l", "x")
    waiting = server.connect()
    server.block(waiting, "BLPOP", "l", 0)
    client("SWAPDB", 0, 1)
    assert waiting.read() == [b"l", b"x"]


def test_randomkey_returns_every_key_eventually(server: RunningServer, client: Connection) -> None:
    names = {b"k%d" % i for i in range(20)}
    client("MSET", *[word for name in names for word in (name, 1)])
    server.call(server.instance.rng.seed, 7)
    assert {client("RANDOMKEY") for _ in range(400)} == names


def test_randomkey_keys_and_scan_skip_expired_keys(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("SET", "gone", 1, "PX", 10)
    client("SET", "here", 1)
    server.call(lambda: setattr(server.instance.keyspace, "expiry_paused", True))
    server.advance(11)
    assert client("KEYS", "*") == [b"here"]
    assert client("SCAN", 0) == [b"0", [b"here"]]
    server.call(lambda: setattr(server.instance.keyspace, "expiry_paused", False))
    assert {client("RANDOMKEY") for _ in range(20)} == {b"here"}


def test_a_scan_returns_every_key_that_exists_throughout(client: Connection) -> None:
    staying = {b"stay%d" % i for i in range(100)}
    client("MSET", *[word for name in staying for word in (name, 1)])
    found: set[bytes] = set()
    step = 0
    for step, keys in enumerate(pages(lambda cursor: client("SCAN", cursor, "COUNT", 7))):
        found.update(keys)
        client("SET", f"new{step}", 1)
        client("DEL", f"new{step - 3}")
    assert staying <= found
    assert step >= 14


def test_a_typed_scan_removes_expired_keys(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("SET", "gone", 1, "PX", 10)
    server.call(lambda: setattr(server.instance.keyspace, "expired_keys", 0))
    server.advance(11)
    client("SCAN", 0, "TYPE", "string")
    assert server.call(lambda: server.instance.keyspace.expired_keys) == 1
