"""A group exists on all streams of a queue or on none, and no message goes that it must read."""

from __future__ import annotations

import pytest

from tests.support.queues import payloads, read
from tests.support.resp import Connection

STREAM = "redkeep:queue:{q}:stream:%d"


def groups(client: Connection, level: int) -> list[bytes]:
    return sorted(group[1] for group in client("XINFO", "GROUPS", STREAM % level))


@pytest.mark.parametrize("unread", [0, 3])
def test_a_message_stays_until_every_group_has_read_its_priority(
    client: Connection, unread: int
) -> None:
    client("QUEUE.PUSH", "q", "high", "PRIORITY", 9)
    client("QUEUE.PUSH", "q", "low", "PRIORITY", unread)
    assert payloads(read(client, group="A")) == [b"high"]
    both = read(client, "COUNT", 10, group="B")
    assert payloads(both) == [b"high", b"low"]
    assert client("QUEUE.ACK", "q", "B", *(message[b"id"] for message in both)) == 2
    assert payloads(read(client, group="A")) == [b"low"]


def test_a_group_exists_on_all_streams_from_its_first_read(client: Connection) -> None:
    for level in (0, 4, 9):
        client("QUEUE.PUSH", "q", "x", "PRIORITY", level)
    read(client, group="A")
    assert [groups(client, level) for level in (0, 4, 9)] == [[b"A"]] * 3


def test_a_group_exists_on_streams_that_are_created_later(client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x", "PRIORITY", 9)
    read(client, group="A")
    read(client, group="B")
    client("QUEUE.PUSH", "q", "x", "PRIORITY", 2)
    client("QUEUE.PUSH", "q", "x", "PRIORITY", 3, "DELAY", 1)
    assert [groups(client, level) for level in (0, 2, 9)] == [[b"A", b"B"]] * 3


def test_a_message_of_a_stream_that_xadd_created_stays_for_all_groups(client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    read(client, group="A")
    client("XADD", STREAM % 5, "*", "payload", "plain")
    (message,) = read(client, group="B")
    assert client("QUEUE.ACK", "q", "B", message[b"id"]) == 1
    assert payloads(read(client, group="A")) == [b"plain"]


def test_a_key_of_another_type_does_not_stop_a_push(client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    read(client, group="A")
    client("SET", STREAM % 7, "not a stream")
    assert isinstance(client("QUEUE.PUSH", "q", "y", "PRIORITY", 3), bytes)
    assert groups(client, 3) == [b"A"]
