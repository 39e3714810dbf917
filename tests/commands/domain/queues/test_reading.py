"""QUEUE.READ, QUEUE.NACK and QUEUE.ACK: leases, redelivery, groups, blocking."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.queues import LEASE, NOW, payloads, read, rows
from tests.support.resp import NULL_ARRAY, Connection
from tests.support.servers import RunningServer


def test_push_read_ack(client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", b"\0binary\xff")
    (row,) = read(client)
    assert re.fullmatch(message + rb"/[0-9a-f]{16}", row[b"token"])
    assert row == {
        b"id": message,
        b"payload": b"\0binary\xff",
        b"priority": 0,
        b"attempt": 1,
        b"token": row[b"token"],
        b"lease_until": NOW + LEASE,
    }
    assert read(client) == []
    assert client("QUEUE.ACK", "q", "g", message) == 1
    assert client("QUEUE.ACK", "q", "g", message) == 0
    assert client("XLEN", "redkeep:queue:{q}:stream:0") == 0


def test_a_queue_is_a_stream(client: Connection) -> None:
    stream = "redkeep:queue:{q}:stream:0"
    message = client("QUEUE.PUSH", "q", "one")
    assert client("XRANGE", stream, "-", "+") == [[message, [b"payload", b"one"]]]
    other = client("XADD", stream, "*", "sender", "plain", "payload", "two")
    assert payloads(read(client, "COUNT", 10)) == [b"one", b"two"]
    assert [row[0] for row in client("XPENDING", stream, "g", "-", "+", 10)] == [message, other]
    client("XACK", stream, "g", other)
    assert client("QUEUE.ACK", "q", "g", message, other) == 1


def test_count_and_lease(client: Connection) -> None:
    for number in range(5):
        client("QUEUE.PUSH", "q", number)
    assert payloads(read(client)) == [b"0"]
    found = read(client, "LEASE", 5, "COUNT", 2)
    assert payloads(found) == [b"1", b"2"]
    assert found[0][b"lease_until"] == NOW + 5
    assert payloads(read(client, "COUNT", 2**62)) == [b"3", b"4"]


def test_an_expired_lease_ends_without_a_sweep(server: RunningServer, client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    (first,) = read(client, "LEASE", 100)
    server.call(setattr, server.instance, "background_paused", True)
    server.advance(99)
    assert read(client) == []
    server.advance(1)
    (second,) = read(client, "LEASE", 100)
    assert second[b"id"] == first[b"id"]
    assert second[b"attempt"] == 2
    assert second[b"lease_until"] == NOW + 200


def test_nack_returns_a_message_at_once_or_after_a_delay(
    server: RunningServer, client: Connection
) -> None:
    message = client("QUEUE.PUSH", "q", "x")
    assert client("QUEUE.NACK", "q", "g", message) == 0
    read(client)
    assert client("QUEUE.NACK", "q", "g", message) == 1
    (again,) = read(client)
    assert again[b"attempt"] == 2
    assert client("QUEUE.NACK", "q", "g", again[b"token"], "DELAY", 50) == 1
    server.advance(49)
    assert read(client) == []
    server.advance(1)
    assert read(client)[0][b"attempt"] == 3
    client("QUEUE.ACK", "q", "g", message)
    assert client("QUEUE.NACK", "q", "g", message) == 0


def test_returned_messages_are_read_in_the_order_of_their_pushes(client: Connection) -> None:
    for number in range(12):
        client("QUEUE.PUSH", "q", f"{number:02}")
    for row in reversed(read(client, "COUNT", 12)):
        client("QUEUE.NACK", "q", "g", row[b"id"])
    assert payloads(read(client, "COUNT", 12)) == [b"%02d" % number for number in range(12)]


def test_each_group_gets_every_message(client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", "x", "PRIORITY", 2)
    stream = "redkeep:queue:{q}:stream:2"
    assert read(client, group="b") != []
    assert read(client, group="a") != []
    assert client("QUEUE.ACK", "q", "a", message) == 1
    assert client("XLEN", stream) == 1
    assert client("QUEUE.ACK", "q", "b", message) == 1
    assert client("XLEN", stream) == 0
    # A group that only ever looked is waited for, at every priority.
    read(client, group="c")
    other = client("QUEUE.PUSH", "q", "y", "PRIORITY", 8)
    for group in ("a", "b"):
        read(client, group=group)
        client("QUEUE.ACK", "q", group, other)
    assert payloads(read(client, group="c")) == [b"y"]


# --- blocking ----------------------------------------------------------------------------------


@pytest.fixture
def waiter(server: RunningServer) -> Connection:
    return server.connect()


@pytest.mark.parametrize("priority", [0, 6])
def test_a_push_wakes_a_reader(
    server: RunningServer, client: Connection, waiter: Connection, priority: int
) -> None:
    server.block(waiter, "QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    message = client("QUEUE.PUSH", "q", "x", "PRIORITY", priority)
    assert rows(waiter.read())[0][b"id"] == message


def test_readers_are_served_in_order(server: RunningServer, client: Connection) -> None:
    waiters = [server.connect() for _ in range(3)]
    for number, one in enumerate(waiters):
        server.block(one, "QUEUE.READ", "q", "g", number, "BLOCK", 0)
    client("MULTI")
    client("QUEUE.PUSH", "q", "a")
    client("QUEUE.PUSH", "q", "b", "PRIORITY", 1)
    client("EXEC")
    assert payloads(rows(waiters[0].read())) == [b"b"]
    assert payloads(rows(waiters[1].read())) == [b"a"]
    client("QUEUE.PUSH", "q", "c")
    assert payloads(rows(waiters[2].read())) == [b"c"]


@pytest.mark.parametrize("kind", ["delay", "lease", "nack", "replay", "xadd"])
def test_anything_that_can_be_read_wakes_a_reader(
    server: RunningServer, client: Connection, waiter: Connection, kind: str
) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1 if kind == "replay" else 5)
    message: Any = None
    if kind != "xadd":
        message = client("QUEUE.PUSH", "q", "x", "DELAY", 50 if kind == "delay" else 0)
    if kind in ("lease", "nack", "replay"):
        read(client, "LEASE", 50)
    if kind == "replay":
        client("QUEUE.NACK", "q", "g", message)
    server.block(waiter, "QUEUE.READ", "q", "g", "w", "BLOCK", 0)
    if kind in ("delay", "lease"):
        server.advance(50)
    elif kind == "nack":
        client("QUEUE.NACK", "q", "g", message)
    elif kind == "replay":
        client("QUEUE.REPLAY", "q", "g")
    else:
        client("XADD", "redkeep:queue:{q}:stream:0", "*", "payload", "x")
    assert payloads(rows(waiter.read())) == [b"x"]


def test_blocked_reads_time_out(
    server: RunningServer, client: Connection, waiter: Connection
) -> None:
    server.block(waiter, "QUEUE.READ", "q", "g", "c", "BLOCK", 100)
    server.advance(100)
    assert waiter.read() is NULL_ARRAY
    client("MULTI")
    client("QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    replies = client("EXEC")
    assert replies[0] is NULL_ARRAY
    assert payloads(rows(replies[2])) == [b"x"]
