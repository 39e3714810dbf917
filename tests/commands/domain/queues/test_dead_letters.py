"""QUEUE.DEAD and QUEUE.REPLAY: messages that were delivered too often."""

from __future__ import annotations

from tests.support.queues import NOW, dead, info, payloads, read, rows
from tests.support.resp import Connection
from tests.support.servers import RunningServer
from tests.support.waiting import pages


def test_too_many_deliveries_make_a_dead_letter(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 2)
    message = client("QUEUE.PUSH", "q", "x", "PRIORITY", 1)
    read(client, "LEASE", 10)
    server.advance(10)
    read(client, "LEASE", 10)
    server.advance(10)
    assert read(client) == []
    assert dead(client) == [
        {
            b"id": message,
            b"payload": b"x",
            b"priority": 1,
            b"attempt": 2,
            b"died_at": NOW + 20,
        }
    ]
    assert client("QUEUE.NACK", "q", "g", message) == 0
    assert client("QUEUE.REPLAY", "q", "g") == 1
    assert dead(client) == []
    assert read(client)[0][b"attempt"] == 1
    assert client("QUEUE.NACK", "q", "g", message) == 1
    (again,) = read(client)
    assert client("QUEUE.NACK", "q", "g", again[b"token"]) == 1
    assert [row[b"id"] for row in dead(client)] == [message]
    assert client("QUEUE.ACK", "q", "g", message) == 1
    assert dead(client) == []
    assert client("XLEN", "redkeep:queue:{q}:stream:1") == 0


def test_deliveries_without_a_limit(client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 0)
    client("QUEUE.PUSH", "q", "x")
    for delivery in range(1, 20):
        (message,) = read(client)
        assert message[b"attempt"] == delivery
        assert client("QUEUE.NACK", "q", "g", message[b"token"]) == 1


def test_dead_letters_are_paged_and_replayed_in_part(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    messages = [client("QUEUE.PUSH", "q", f"{number:02}") for number in range(25)]
    read(client, "COUNT", 25)
    for message in messages:
        assert client("QUEUE.NACK", "q", "g", message) == 1
        server.advance(1)
    found = pages(lambda cursor: client("QUEUE.DEAD", "q", "g", "COUNT", 10, "CURSOR", cursor))
    seen = [[row[b"id"] for row in rows(page)] for page in found]
    assert [len(page) for page in seen] == [10, 10, 5]
    assert [message for page in seen for message in page] == messages
    assert client("QUEUE.REPLAY", "q", "g", "COUNT", 2) == 2
    assert client("QUEUE.REPLAY", "q", "g", messages[7], messages[0], messages[7]) == 1
    assert payloads(read(client, "COUNT", 30)) == [b"00", b"01", b"07"]
    assert client("QUEUE.REPLAY", "q", "other") == 0
    assert info(client)[b"groups"][b"g"][b"dead"] == 22


def test_replay_skips_what_is_not_a_message(client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    message = client("QUEUE.PUSH", "q", "x")
    read(client)
    client("QUEUE.NACK", "q", "g", message)
    client("ZADD", "redkeep:queue:{q}:dead:g", 0, "nonsense")
    assert client("QUEUE.REPLAY", "q", "g") == 1
    assert payloads(read(client)) == [b"x"]
    assert client("ZRANGE", "redkeep:queue:{q}:dead:g", 0, -1) == [b"nonsense"]
    assert b"bad_records:1" in client("INFO", "redkeep")


def test_an_entry_without_a_payload_is_a_dead_letter(client: Connection) -> None:
    stream = "redkeep:queue:{q}:stream:0"
    client("XADD", stream, "*", "other", "field")
    client("QUEUE.PUSH", "q", "x")
    assert payloads(read(client, "COUNT", 5)) == [b"x"]
    assert payloads(dead(client)) == [None]
    assert b"bad_records:1" in client("INFO", "redkeep")
