"""QUEUE.CONFIG, and that no request and no key grows without a bound."""

from __future__ import annotations

from typing import Any

import pytest

from commands.instance.context import Context
from tests.support.queues import NOW, dead, info, payloads, read
from tests.support.resp import Connection, Error, Map
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

TOO_MUCH = Error("ERR too much for one reply: read pages with CURSOR 0")
DEFAULTS = [
    b"maxdeliveries", 5, b"lease", 30_000, b"idlegroup", 604_800_000, b"maxlen", 0
]  # fmt: skip


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The names of the commands that recipes call."""
    found: list[bytes] = []
    call = Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        found.append(words[0])
        return call(ctx, *words)

    monkeypatch.setattr(Context, "call", counted)
    return found


def test_config_shows_and_sets_what_applies(client: Connection, client3: Connection) -> None:
    assert client("QUEUE.CONFIG", "q") == DEFAULTS
    assert client("EXISTS", "redkeep:queue:{q}:config") == 0
    client("CONFIG", "SET", "queue-max-deliveries", 7)
    assert client("QUEUE.CONFIG", "q")[1] == 7
    changed = [b"maxdeliveries", 2, b"lease", 500, b"idlegroup", 0, b"maxlen", 9]
    options = ("MAXDELIVERIES", 2, "LEASE", 500, "IDLEGROUP", 0, "MAXLEN", 9)
    assert client("QUEUE.CONFIG", "q", *options) == changed
    assert client("QUEUE.CONFIG", "q") == changed
    assert client("QUEUE.CONFIG", "other")[1] == 7
    assert isinstance(client3("QUEUE.CONFIG", "q"), Map)


def test_config_that_cannot_be_read_counts_as_not_set(client: Connection) -> None:
    client("HSET", "redkeep:queue:{q}:config", "lease", "0", "maxlen", "x", "maxdeliveries", "-1")
    assert client("QUEUE.CONFIG", "q") == DEFAULTS
    assert b"bad_records:3" in client("INFO", "redkeep")


def test_the_lease_and_the_deliveries_of_a_queue(server: RunningServer, client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "LEASE", 50, "MAXDELIVERIES", 1)
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client)
    assert row[b"lease_until"] == server.now_ms() + 50
    server.advance(50)
    assert read(client) == []
    assert payloads(dead(client)) == [b"x"]


def test_a_full_queue_refuses_messages(server: RunningServer, client: Connection) -> None:
    full = Error("FULL queue q can hold 3 messages (MAXLEN)")
    client("QUEUE.CONFIG", "q", "MAXLEN", 3)
    client("QUEUE.PUSH", "q", "1", "ID", "one")
    client("QUEUE.PUSH", "q", "2", "PRIORITY", 4)
    before = client("DEBUG", "DIGEST")
    assert client("QUEUE.MPUSH", "q", "MESSAGES", 2, "3", "4") == full
    assert client("DEBUG", "DIGEST") == before
    client("QUEUE.PUSH", "q", "3", "DELAY", 50)
    assert client("QUEUE.PUSH", "q", "4") == full
    assert client("QUEUE.PUSH", "q", "4", "DELAY", 50) == full
    assert isinstance(client("QUEUE.PUSH", "q", "1", "ID", "one"), bytes)
    for row in read(client):
        client("QUEUE.ACK", "q", "g", row[b"token"])
    assert isinstance(client("QUEUE.PUSH", "q", "4"), bytes)


def test_only_the_newest_dead_letters_are_kept(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-dead-letters", 250)
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    for _ in range(5):
        client("QUEUE.MPUSH", "q", "MESSAGES", 100, *range(100))
        for row in read(client, "COUNT", 100):
            client("QUEUE.NACK", "q", "g", row[b"token"])
        server.advance(1)
    wait_until(lambda: info(client)[b"groups"][b"g"][b"dead"] == 250, "the removal of old ones")
    assert info(client)[b"messages"] == 250
    (oldest, *_) = dead(client, "COUNT", 1)
    assert oldest[b"died_at"] == NOW + 2


def test_no_request_touches_more_than_its_share(client: Connection, calls: list[bytes]) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    for _ in range(3):
        client("QUEUE.MPUSH", "q", "MESSAGES", 200, *range(200))
    calls.clear()
    found = read(client, "COUNT", 10_000)
    assert len(found) == 200
    assert len(calls) < 50
    found += read(client, "COUNT", 10_000)
    for row in found:
        client("QUEUE.NACK", "q", "g", row[b"id"])
    for expected in (200, 200, 0):
        calls.clear()
        assert client("QUEUE.REPLAY", "q", "g") == expected
        assert len(calls) < 900
    calls.clear()
    assert len(read(client, "COUNT", 10_000)) == 200
    assert len(calls) < 900


def test_confirming_asks_for_the_groups_once(client: Connection, calls: list[bytes]) -> None:
    for level in range(10):
        client("QUEUE.PUSH", "q", "x", "PRIORITY", level)
    client("QUEUE.MPUSH", "q", "MESSAGES", 100, *range(100))
    for group in ("g", "h", "i"):
        found = read(client, "COUNT", 200, group=group)
    calls.clear()
    assert client("QUEUE.ACK", "q", "g", *(row[b"id"] for row in found)) == 110
    assert calls.count(b"XINFO") == 10
    assert calls.count(b"XACK") == 10


# --- many queues -------------------------------------------------------------------------------


@pytest.fixture
def many(client: Connection) -> list[bytes]:
    """The names of many queues, each with a consumer; the first has more of them."""
    names = [b"q%04d" % number for number in range(1100)]
    for name in names:
        client("QUEUE.HEARTBEAT", name, "g", "c")
    for number in range(30):
        client("QUEUE.HEARTBEAT", names[0], "h", number)
    return names


def all_pages(client: Connection, *words: Any) -> list[list[Any]]:
    cursor, found = b"0", []
    while True:
        cursor, page = client(*words, "CURSOR", cursor)
        found.append(page)
        if cursor == b"0":
            return found


def test_presence_is_read_in_pages(client: Connection, many: list[bytes]) -> None:
    assert client("QUEUE.PRESENCE") == client("QUEUE.ACTIVE") == TOO_MUCH
    pages = all_pages(client, "QUEUE.PRESENCE", "COUNT", 20)
    assert {len(page) for page in pages[:-1]} == {20}
    rows = [(row[1], row[3], row[5]) for page in pages for row in page]
    assert len(rows) == 1130
    assert rows == sorted(rows)
    assert len(all_pages(client, "QUEUE.PRESENCE", many[0], "COUNT", 20)) == 2
    assert len(client("QUEUE.PRESENCE", many[0], "h")) == 30
    pages = all_pages(client, "QUEUE.ACTIVE", "TTL", 5)
    assert sum(len(page) for page in pages) == 1101
    assert len(pages) == 3


def test_prune_is_bounded(server: RunningServer, client: Connection, many: list[bytes]) -> None:
    server.advance(100)
    before = client("DEBUG", "DIGEST")
    assert client("QUEUE.PRUNE", "TTL", 49) == TOO_MUCH
    assert client("DEBUG", "DIGEST") == before
    cursor = b"0"
    removed: list[int] = []
    while cursor != b"0" or not removed:
        cursor, number = client("QUEUE.PRUNE", "TTL", 49, "COUNT", 25, "CURSOR", cursor)
        removed.append(number)
    assert (sum(removed), max(removed)) == (1130, 25)
    assert not any(all_pages(client, "QUEUE.PRESENCE"))


def test_queues_are_listed_in_pages(client: Connection, many: list[bytes]) -> None:
    client("QUEUE.PUSH", "a}b\\", "x")
    pages = all_pages(client, "QUEUE.LIST", "COUNT", 100)
    assert [name for page in pages for name in page] == [b"a}b\\", *many]
    assert [len(page) for page in pages] == [100] * 11 + [1]
    assert len(client("QUEUE.LIST", "COUNT", 5000)[1]) == 1000
    assert len(client("QUEUE.LIST")[1]) == 100
