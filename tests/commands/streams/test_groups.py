"""Consumer groups: idle times, pending entries and events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.keyspace import listen
from tests.support.resp import Connection
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


@pytest.fixture
def group(server: RunningServer, client: Connection) -> Connection:
    """A client of a server with a frozen clock and a group `g` of stream `s`."""
    server.freeze(NOW)
    for entry_id in ("1-0", "2-0", "3-0"):
        client("XADD", "s", entry_id, "a", "b")
    client("XGROUP", "CREATE", "s", "g", "0")
    return client


def read(client: Connection, consumer: str, *more: str) -> Any:
    return client("XREADGROUP", "GROUP", "g", consumer, *more, "STREAMS", "s", ">")


def consumers(client: Connection) -> dict[bytes, tuple[int, int, int]]:
    """Return pending, idle and inactive of each consumer by name."""
    return {row[1]: (row[3], row[5], row[7]) for row in client("XINFO", "CONSUMERS", "s", "g")}


def pending(client: Connection) -> list[tuple[bytes, bytes, int, int]]:
    return [tuple(row) for row in client("XPENDING", "s", "g", "-", "+", "10")]


def test_idle_counts_from_the_last_attempt_and_inactive_from_the_last_success(
    server: RunningServer, group: Connection
) -> None:
    assert read(group, "alice") is not None
    server.advance(100)
    read(group, "alice")
    read(group, "bob")
    server.advance(10)
    assert consumers(group) == {b"alice": (3, 10, 110), b"bob": (0, 10, -1)}


def test_a_read_with_noack_does_not_make_the_consumer_active(group: Connection) -> None:
    assert len(read(group, "alice", "NOACK")[0][1]) == 3
    assert consumers(group) == {b"alice": (0, 0, -1)}
    assert pending(group) == []


def test_reading_the_history_counts_as_a_delivery(server: RunningServer, group: Connection) -> None:
    read(group, "alice", "COUNT", "2")
    server.advance(50)
    group("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", "1-0")
    assert pending(group) == [(b"1-0", b"alice", 50, 1), (b"2-0", b"alice", 0, 2)]


def test_claims_respect_idle_times(server: RunningServer, group: Connection) -> None:
    read(group, "alice", "COUNT", "1")
    server.advance(50)
    read(group, "alice", "COUNT", "1")
    server.advance(50)
    assert group("XCLAIM", "s", "g", "bob", "60", "1-0", "2-0") == [[b"1-0", [b"a", b"b"]]]
    assert pending(group) == [(b"1-0", b"bob", 0, 2), (b"2-0", b"alice", 50, 1)]
    assert group("XAUTOCLAIM", "s", "g", "bob", "50", "0", "JUSTID") == [b"0-0", [b"2-0"], []]
    assert pending(group) == [(b"1-0", b"bob", 0, 2), (b"2-0", b"bob", 0, 1)]
    assert group("XPENDING", "s", "g", "IDLE", "1", "-", "+", "10") == []


@pytest.mark.parametrize(
    ("option", "idle"),
    [
        (("IDLE", "70"), 70),
        (("TIME", str(NOW - 30)), 30),
        (("TIME", str(NOW + 1)), 0),
        (("IDLE", str(NOW + 1)), 0),
    ],
)
def test_a_claim_can_set_the_delivery_time_but_not_to_the_future(
    group: Connection, option: tuple[str, str], idle: int
) -> None:
    read(group, "alice", "COUNT", "1")
    group("XCLAIM", "s", "g", "bob", "0", "1-0", *option)
    assert pending(group) == [(b"1-0", b"bob", idle, 2)]


def test_a_clock_set_back_hides_no_pending_entries(
    server: RunningServer, group: Connection
) -> None:
    read(group, "alice", "COUNT", "2")
    server.freeze(NOW - 1000)
    assert pending(group) == [(b"1-0", b"alice", 0, 1), (b"2-0", b"alice", 0, 1)]
    assert group("XCLAIM", "s", "g", "bob", "0", "1-0", "JUSTID") == [b"1-0"]
    assert group("XAUTOCLAIM", "s", "g", "bob", "0", "0", "JUSTID")[1] == [b"1-0", b"2-0"]


def test_xautoclaim_examines_ten_times_its_count(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    for number in range(1, 31):
        client("XADD", "s", f"{number}-0", "a", "b")
    client("XGROUP", "CREATE", "s", "g", "0")
    read(client, "alice")
    assert client("XAUTOCLAIM", "s", "g", "bob", "1", "0", "COUNT", "2") == [b"21-0", [], []]


def test_deleting_a_consumer_deletes_its_pending_entries(group: Connection) -> None:
    read(group, "alice", "COUNT", "2")
    read(group, "bob")
    assert group("XGROUP", "DELCONSUMER", "s", "g", "alice") == 2
    assert group("XPENDING", "s", "g") == [1, b"3-0", b"3-0", [[b"bob", b"1"]]]


def test_group_commands_announce_their_changes(server: RunningServer, group: Connection) -> None:
    events = listen(server)
    for words in (
        "XGROUP CREATE s h 0",
        "XREADGROUP GROUP g alice STREAMS s >",
        "XCLAIM s g bob 0 1-0",
        "XAUTOCLAIM s g carol 0 0",
        "XACK s g 1-0",
        "XGROUP CREATECONSUMER s g alice",
        "XGROUP SETID s g 0",
        "XGROUP DELCONSUMER s g nobody",
        "XGROUP DELCONSUMER s g alice",
        "XGROUP DESTROY s g",
        "XSETID s 9-0",
    ):
        group(*words.split())
    assert [(event, modified) for _, _, event, modified in events] == [
        ("xgroup-create", False),
        *[("xgroup-createconsumer", False)] * 3,
        ("xgroup-setid", False),
        ("xgroup-delconsumer", False),
        ("xgroup-destroy", False),
        ("xsetid", False),
    ]
