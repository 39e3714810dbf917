"""QUEUE.MPUSH, CANCEL, LIST, PENDING, PURGE and DROP."""

from __future__ import annotations

import pytest

from tests.support.queues import NOW, dead, info, payloads, read, rows
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

STREAM = "redkeep:queue:{q}:stream:%d"


# --- pushing several ----------------------------------------------------------------------------


def test_mpush_adds_all_messages_in_order(server: RunningServer, client: Connection) -> None:
    ids = client("QUEUE.MPUSH", "q", "MESSAGES", 3, "a", "b", "PRIORITY", "PRIORITY", 2)
    assert ids == [b"%d-%d@2" % (NOW, number) for number in range(3)]
    later = client("QUEUE.MPUSH", "q", "MESSAGES", 2, "c", "d", "DELAY", 10)
    assert later == [b"d0000000000000001", b"d0000000000000002"]
    server.advance(10)
    assert payloads(read(client, "COUNT", 9)) == [b"a", b"b", b"PRIORITY", b"c", b"d"]


def test_mpush_adds_what_is_not_known(client: Connection) -> None:
    first = client("QUEUE.PUSH", "q", "b", "ID", "two")
    words = ("QUEUE.MPUSH", "q", "MESSAGES", 3, "a", "b", "c", "IDS", 3, "one", "two", "three")
    ids = client(*words)
    assert ids[1] == first
    assert client(*words) == ids
    assert payloads(read(client, "COUNT", 9)) == [b"b", b"a", b"c"]


def test_ids_do_not_repeat_when_the_clock_is_set_back(
    server: RunningServer, client: Connection
) -> None:
    made = []
    for now in (NOW, NOW - 5000, NOW - 5000):
        server.call(server.instance.clock.set, now)
        made.append(client("QUEUE.PUSH", "q", "x"))
        for row in read(client):
            client("QUEUE.ACK", "q", "g", row[b"token"])
    assert made == [b"%d-%d" % (NOW, number) for number in range(3)]


# --- cancelling ---------------------------------------------------------------------------------


def test_cancel_removes_a_delayed_message(server: RunningServer, client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", "x", "DELAY", 50)
    kept = client("QUEUE.PUSH", "q", "y", "DELAY", 50)
    assert client("QUEUE.CANCEL", "q", message) == 1
    assert client("QUEUE.CANCEL", "q", message) == 0
    assert info(client)[b"delayed"] == 1
    server.advance(50)
    assert payloads(read(client, "COUNT", 9)) == [b"y"]
    assert client("QUEUE.CANCEL", "q", kept) == 0
    assert client("EXISTS", "redkeep:queue:{q}:late") == 0


# --- what consumers hold ------------------------------------------------------------------------


def test_pending_lists_what_is_held(server: RunningServer, client: Connection) -> None:
    client("QUEUE.MPUSH", "q", "MESSAGES", 5, *range(5), "PRIORITY", 1)
    assert client("QUEUE.PENDING", "q", "g") == [b"0", []]
    first, second = read(client, "COUNT", 2)
    client("QUEUE.READ", "q", "g", "d", "LEASE", 10)
    client("QUEUE.READ", "q", "g", "d", "LEASE", 5)
    client("QUEUE.NACK", "q", "g", second[b"token"], "DELAY", 60_000)
    cursor, found = client("QUEUE.PENDING", "q", "g", "COUNT", 2)
    last_cursor, rest = client("QUEUE.PENDING", "q", "g", "CURSOR", cursor)
    assert last_cursor == b"0"
    listed = rows([*found, *rest])
    assert [row[b"consumer"] for row in listed] == [b"d", b"d", b"c"]
    assert listed[-1] == {
        b"id": first[b"id"], b"consumer": b"c", b"attempt": 1, b"lease_until": NOW + 30_000
    }  # fmt: skip
    server.advance(10)
    read(client)
    read(client)
    consumers = [row[b"consumer"] for row in rows(client("QUEUE.PENDING", "q", "g")[1])]
    assert consumers == [b"c", b"c", b"c"]


# --- purging ------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [4, 1500])
def test_purge_removes_all_messages_and_keeps_the_rest(
    server: RunningServer, client: Connection, many: int
) -> None:
    for _ in range(many // 4):
        client("QUEUE.MPUSH", "q", "MESSAGES", 4, *range(4), "PRIORITY", 3)
    client("QUEUE.PUSH", "q", "x", "ORDER", "k", "ID", "one")
    client("QUEUE.PUSH", "q", "x", "ORDER", "k")
    client("QUEUE.PUSH", "q", "later", "DELAY", 50)
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    held = [*read(client, "COUNT", 2), *read(client, "COUNT", 400, group="h")]
    client("QUEUE.NACK", "q", "g", held[0][b"id"])
    assert client("QUEUE.PURGE", "q") == many + 3
    assert client("QUEUE.PURGE", "q") == 0
    facts = info(client)
    assert (facts[b"messages"], facts[b"delayed"]) == (0, 0)
    for group in facts[b"groups"].values():
        assert [group[name] for name in (b"ready", b"held", b"dead", b"behind")] == [0] * 4
    assert client("QUEUE.CONFIG", "q")[1] == 1
    assert client("QUEUE.ACK", "q", "g", held[1][b"token"]) == 0
    message = client("QUEUE.PUSH", "q", "new", "PRIORITY", 3)
    assert message not in [row[b"id"] for row in held]
    server.advance(50)
    for group in ("g", "h"):
        assert payloads(read(client, group=group)) == [b"new"]
        assert client("QUEUE.ACK", "q", group, message) == 1
    assert info(client)[b"messages"] == 0
    wait_until(lambda: client("KEYS", "redkeep:queue:gone:*") == [], "the removal")


# --- dropping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [4, 1500])
def test_drop_leaves_nothing(server: RunningServer, client: Connection, many: int) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    for number in range(many // 4):
        client("QUEUE.MPUSH", "q", "MESSAGES", 4, *range(4), "PRIORITY", number % 3)
    client("QUEUE.MPUSH", "q", "MESSAGES", 2, 1, 2, "DELAY", 50, "ORDER", "k", "IDS", 2, 1, 2)
    read(client, "COUNT", 2)
    read(client, "COUNT", 1, group="h")
    client("QUEUE.CONFIG", "q", "MAXLEN", 10_000)
    assert client("QUEUE.DROP", "q") == 1
    assert client("QUEUE.DROP", "q") == 0
    assert client("QUEUE.INFO", "q") is None
    assert client("QUEUE.LIST") == [b"0", []]
    wait_until(
        lambda: sorted(client("KEYS", "*")) == sorted(client("KEYS", "redkeep:queue:id:*")),
        "the removal of large keys",
    )
    # The IDs of the queue that is gone mean nothing to a new one.
    assert client("QUEUE.PUSH", "q", "x", "ID", 1) == b"%d-0" % server.now_ms()
    assert payloads(read(client)) == [b"x"]
    server.advance(2 * 24 * 60 * 60 * 1000)
    client("QUEUE.DROP", "q")
    wait_until(lambda: client("KEYS", "*") == [], "the end of all IDs")


def test_a_reader_that_waits_survives_a_drop(server: RunningServer, client: Connection) -> None:
    waiting = server.connect()
    server.block(waiting, "QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    client("QUEUE.DROP", "q")
    client("QUEUE.PUSH", "q", "x")
    assert waiting.read()[0][3] == b"x"


def test_events_go_with_their_queue(client: Connection) -> None:
    client("CONFIG", "SET", "domain-events", "yes")
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.PUSH", "r", "x")
    assert client("XLEN", "redkeep:events:queue:{q}") == 1
    client("QUEUE.DROP", "q")
    assert client("KEYS", "redkeep:events:*") == [b"redkeep:events:queue:{r}"]


def test_dropping_a_group_leaves_the_others(server: RunningServer, client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    client("QUEUE.MPUSH", "q", "MESSAGES", 3, *range(3))
    found = read(client, "COUNT", 2)
    client("QUEUE.NACK", "q", "g", found[0][b"token"])
    assert read(client, group="h") != []
    assert client("QUEUE.DROP", "q", "g") == 1
    assert client("QUEUE.DROP", "q", "none") == 0
    assert list(info(client)[b"groups"]) == [b"h"]
    assert client("KEYS", "*:g") == []
    assert len(client("QUEUE.PRESENCE", "q")) == 2
    assert client("QUEUE.ACK", "q", "g", found[1][b"token"]) == 0
    assert len(read(client, "COUNT", 9, group="h")) == 2
    assert dead(client) == []


def test_replies_without_a_queue(client: Connection) -> None:
    for request, expected in (
        ("QUEUE.PURGE none", 0),
        ("QUEUE.DROP none", 0),
        ("QUEUE.DROP none g", 0),
        ("QUEUE.CANCEL none d0000000000000001", 0),
        ("QUEUE.LIST", [b"0", []]),
        ("QUEUE.PENDING none g", [b"0", []]),
        ("QUEUE.EXTEND none g 1-1/0123456789abcdef 5", None),
    ):
        reply = client(*request.split())
        assert reply == expected or isinstance(reply, Error)
    assert client("KEYS", "*") == []
