"""Groups that nobody reads any more do not hold messages back for ever."""

from __future__ import annotations

import pytest

from commands.domain.queues.due import GRACE_MS
from tests.support.queues import info, payloads, read
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

STREAM = "redkeep:queue:{q}:stream:%d"
WEEK = 7 * 24 * 60 * 60 * 1000


def groups(client: Connection) -> set[bytes]:
    return set(info(client)[b"groups"])


def settle(server: RunningServer, client: Connection) -> None:
    """Let the sweep and its following ticks run."""
    for _ in range(5):
        server.advance(0)
        server.call(lambda: None)
        client("PING")


@pytest.fixture
def two_groups(client: Connection) -> None:
    """A group that confirmed everything, and one that read nothing after its creation."""
    read(client, group="idle")
    for number in range(3):
        client("QUEUE.PUSH", "q", number, "PRIORITY", number)
    for message in read(client, "COUNT", 9):
        assert client("QUEUE.ACK", "q", "g", message[b"token"]) == 1


@pytest.mark.usefixtures("two_groups")
def test_a_group_that_is_not_read_is_dropped(server: RunningServer, client: Connection) -> None:
    assert info(client)[b"messages"] == 3
    server.advance(WEEK - 1)
    read(client)
    server.advance(1)
    settle(server, client)
    server.advance(GRACE_MS - 1)
    settle(server, client)
    assert groups(client) == {b"g", b"idle"}
    server.advance(1)
    wait_until(lambda: groups(client) == {b"g"}, "the end of the group")
    wait_until(lambda: info(client)[b"messages"] == 0, "the removal of what g has confirmed")
    assert client("KEYS", "*idle*") == []


@pytest.mark.usefixtures("two_groups")
def test_a_read_keeps_a_group(server: RunningServer, client: Connection) -> None:
    server.advance(WEEK)
    settle(server, client)
    # Its consumers come back after a long pause, in time.
    assert len(read(client, "COUNT", 9, group="idle")) == 3
    server.advance(GRACE_MS)
    settle(server, client)
    assert groups(client) == {b"idle"}


@pytest.mark.usefixtures("two_groups")
def test_xreadgroup_keeps_a_group(server: RunningServer, client: Connection) -> None:
    server.advance(WEEK)
    settle(server, client)
    client("XREADGROUP", "GROUP", "idle", "c", "STREAMS", STREAM % 0, ">")
    server.advance(GRACE_MS)
    settle(server, client)
    assert b"idle" in groups(client)


def test_a_consumer_that_waits_keeps_its_group(server: RunningServer, client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "IDLEGROUP", 1)
    waiting = server.connect()
    server.block(waiting, "QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    seen = "redkeep:queue:{q}:seen"
    for _ in range(10):
        server.advance(10_000)
        wait_until(
            lambda: client("ZSCORE", seen, "g:c") == str(server.now_ms()).encode(), "a heartbeat"
        )
    assert groups(client) == {b"g"}


@pytest.mark.usefixtures("two_groups")
def test_a_group_can_be_kept_for_ever(server: RunningServer, client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "IDLEGROUP", 0)
    server.advance(10 * WEEK)
    settle(server, client)
    server.advance(GRACE_MS)
    settle(server, client)
    assert groups(client) == {b"g", b"idle"}


@pytest.mark.usefixtures("two_groups")
def test_a_dropped_group_begins_with_what_is_in_the_queue(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.PUSH", "q", "unread")
    assert client("QUEUE.DROP", "q", "idle") == 1
    assert client("QUEUE.DROP", "q", "idle") == 0
    wait_until(lambda: info(client)[b"messages"] == 1, "the removal of confirmed messages")
    assert payloads(read(client, "COUNT", 9, group="idle")) == [b"unread"]


@pytest.mark.usefixtures("two_groups")
def test_a_shorter_time_applies_at_once(server: RunningServer, client: Connection) -> None:
    server.advance(60_000)
    read(client)
    client("QUEUE.CONFIG", "q", "IDLEGROUP", 60_000)
    settle(server, client)
    server.advance(59_999)
    read(client)
    settle(server, client)
    assert groups(client) == {b"g", b"idle"}
    server.advance(1)
    wait_until(lambda: groups(client) == {b"g"}, "the end of the group")
