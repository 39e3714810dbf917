"""QUEUE.PUSH ... ORDER key: of the messages with one key a group has one at a time, in order."""

from __future__ import annotations

from typing import Any

from tests.support.queues import dead, info, payloads, read
from tests.support.resp import Connection
from tests.support.servers import RunningServer


def push(client: Connection, payload: str, order: str | None, *words: Any) -> None:
    options = [] if order is None else ["ORDER", order]
    assert isinstance(client("QUEUE.PUSH", "q", payload, *options, *words), bytes)


def test_messages_of_a_key_are_read_one_at_a_time(client: Connection) -> None:
    for payload, order in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("n", None), ("a3", "a")):
        push(client, payload, order)
    first = read(client, "COUNT", 9)
    assert payloads(first) == [b"a1", b"b1", b"n"]
    assert info(client)[b"groups"][b"g"][b"behind"] == 2
    assert read(client, "COUNT", 9) == []
    # Another group has turns of its own.
    assert payloads(read(client, "COUNT", 9, group="h")) == [b"a1", b"b1", b"n"]
    client("QUEUE.ACK", "q", "g", first[0][b"token"])
    (second,) = read(client, "COUNT", 9)
    assert (second[b"payload"], second[b"attempt"]) == (b"a2", 1)
    client("QUEUE.ACK", "q", "g", second[b"token"])
    (third,) = read(client, "COUNT", 9)
    assert client("QUEUE.ACK", "q", "g", third[b"token"], first[1][b"id"], first[2][b"id"]) == 3
    assert read(client, "COUNT", 9) == []
    assert client("KEYS", "*:turns:g") == client("KEYS", "*:behind:g") == []
    push(client, "a4", "a")
    assert payloads(read(client)) == [b"a4"]


def test_a_message_that_is_returned_keeps_its_turn(
    server: RunningServer, client: Connection
) -> None:
    push(client, "a1", "a")
    push(client, "a2", "a")
    (first,) = read(client, "COUNT", 9)
    client("QUEUE.NACK", "q", "g", first[b"token"], "DELAY", 50)
    assert read(client, "COUNT", 9) == []
    server.advance(50)
    (again,) = read(client, "COUNT", 9, "LEASE", 10)
    assert again[b"payload"] == b"a1"
    server.advance(10)
    assert payloads(read(client, "COUNT", 9)) == [b"a1"]


def test_a_dead_letter_gives_its_turn_away_and_gets_it_back(client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    for payload in ("a1", "a2", "a3"):
        push(client, payload, "a")
    (first,) = read(client, "COUNT", 9)
    client("QUEUE.NACK", "q", "g", first[b"token"])
    assert payloads(dead(client)) == [b"a1"]
    (second,) = read(client, "COUNT", 9)
    assert second[b"payload"] == b"a2"
    assert client("QUEUE.REPLAY", "q", "g") == 1
    assert read(client, "COUNT", 9) == []
    client("QUEUE.ACK", "q", "g", second[b"token"])
    # It is older than a3.
    assert payloads(read(client, "COUNT", 9)) == [b"a1"]


def test_messages_that_wait_can_be_confirmed(client: Connection) -> None:
    messages = [client("QUEUE.PUSH", "q", n, "ORDER", "a:\\") for n in range(4)]
    read(client, "COUNT", 9)
    assert client("QUEUE.NACK", "q", "g", messages[1]) == 0  # nobody holds it
    assert client("QUEUE.ACK", "q", "g", messages[1], messages[0]) == 2
    assert payloads(read(client, "COUNT", 9)) == [b"2"]
    assert client("QUEUE.ACK", "q", "g", messages[3], messages[2]) == 2
    assert client("KEYS", "*:turns:g") == client("KEYS", "*:behind:g") == []


def test_higher_priorities_of_a_key_come_first(client: Connection) -> None:
    push(client, "first", "a")
    (first,) = read(client, "COUNT", 9)
    for payload, priority in (("low", 0), ("high", 9), ("mid", 5), ("high2", 9)):
        push(client, payload, "a", "PRIORITY", priority)
    seen = []
    while first:
        client("QUEUE.ACK", "q", "g", first[b"token"])
        found = read(client, "COUNT", 9)
        first = found[0] if found else {}
        seen += payloads(found)
    assert seen == [b"high", b"high2", b"mid", b"low"]


def test_delayed_messages_have_an_order_too(server: RunningServer, client: Connection) -> None:
    push(client, "a2", "a\0 b", "DELAY", 50)
    push(client, "a3", "a\0 b", "DELAY", 50)
    push(client, "a1", "a\0 b")
    (first,) = read(client, "COUNT", 9)
    server.advance(50)
    assert read(client, "COUNT", 9) == []
    client("QUEUE.ACK", "q", "g", first[b"token"])
    assert payloads(read(client, "COUNT", 9)) == [b"a2"]


def test_a_turn_wakes_a_reader(server: RunningServer, client: Connection) -> None:
    push(client, "a1", "a")
    push(client, "a2", "a")
    (first,) = read(client, "COUNT", 9)
    waiting = server.connect()
    server.block(waiting, "QUEUE.READ", "q", "g", "w", "BLOCK", 0)
    client("QUEUE.ACK", "q", "g", first[b"token"])
    assert waiting.read()[0][3] == b"a2"


def test_many_messages_that_wait_do_not_hide_one_behind_them(
    server: RunningServer, client: Connection
) -> None:
    push(client, "first", "a")
    read(client)
    for _ in range(3):
        client("QUEUE.MPUSH", "q", "MESSAGES", 200, *range(200), "ORDER", "a")
    push(client, "other", "b")
    waiting = server.connect()
    waiting.send("QUEUE.READ", "q", "g", "w", "BLOCK", 0)
    for _ in range(10):
        server.advance(10)
        client("PING")
    assert waiting.read()[0][3] == b"other"
    assert info(client)[b"groups"][b"g"][b"behind"] == 600
