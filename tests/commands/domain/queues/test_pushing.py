"""QUEUE.PUSH: priorities, delays, and pushes that are repeated."""

from __future__ import annotations

from tests.support.queues import info, payloads, read
from tests.support.resp import Connection
from tests.support.servers import RunningServer


def test_priorities(server: RunningServer, client: Connection) -> None:
    for payload, priority in (("low", 0), ("high", 9), ("mid", 5), ("high2", 9), ("low2", 0)):
        client("QUEUE.PUSH", "q", payload, "PRIORITY", priority)
    found = read(client, "COUNT", 3)
    assert payloads(found) == [b"high", b"high2", b"mid"]
    assert [row[b"priority"] for row in found] == [9, 9, 5]
    assert found[0][b"id"].endswith(b"@9")
    # A returned message is read before new ones, but not before a higher priority.
    client("QUEUE.NACK", "q", "g", found[2][b"id"])
    client("QUEUE.PUSH", "q", "new-mid", "PRIORITY", 5)
    client("QUEUE.PUSH", "q", "new-high", "PRIORITY", 9)
    assert payloads(read(client, "COUNT", 9)) == [b"new-high", b"mid", b"new-mid", b"low", b"low2"]
    assert client("QUEUE.ACK", "q", "g", *(row[b"id"] for row in found)) == 3


def test_delayed_messages(server: RunningServer, client: Connection) -> None:
    first = client("QUEUE.PUSH", "q", "b", "DELAY", 100)
    client("QUEUE.PUSH", "q", "c", "DELAY", 100)
    client("QUEUE.PUSH", "q", "a", "DELAY", 50, "PRIORITY", 3)
    assert first.startswith(b"d")
    assert read(client) == []
    assert info(client)[b"delayed"] == 3
    server.advance(99)
    assert payloads(read(client, "COUNT", 9)) == [b"a"]
    server.call(setattr, server.instance, "background_paused", True)
    server.advance(1)
    assert payloads(read(client, "COUNT", 9)) == [b"b", b"c"]
    assert info(client)[b"delayed"] == 0


def test_a_push_with_a_known_id_adds_nothing(server: RunningServer, client: Connection) -> None:
    day = 24 * 60 * 60 * 1000
    message = client("QUEUE.PUSH", "q", "x", "ID", "one")
    assert client("QUEUE.PUSH", "q", "x", "ID", "one") == message
    read(client)
    client("QUEUE.ACK", "q", "g", message)
    assert client("QUEUE.PUSH", "q", "x", "ID", "one", "PRIORITY", 4) == message
    assert read(client) == []
    later = client("QUEUE.PUSH", "q", "y", "ID", "two", "DELAY", 1000)
    assert client("QUEUE.PUSH", "q", "y", "ID", "two", "DELAY", 1000) == later
    assert info(client)[b"delayed"] == 1
    server.advance(day + 1)
    assert client("QUEUE.PUSH", "q", "x", "ID", "one") != message
    assert client("QUEUE.PUSH", "q", "y", "ID", "two") == later
    assert client("QUEUE.PUSH", "other", "x", "ID", "two") != later
