"""QUEUE.INFO: the numbers of a queue and its groups."""

from __future__ import annotations

from tests.support.queues import info, read
from tests.support.resp import Connection, Map
from tests.support.servers import RunningServer


def test_info(server: RunningServer, client: Connection, client3: Connection) -> None:
    assert client("QUEUE.INFO", "q") is None
    for number in range(6):
        client("QUEUE.PUSH", "q", number, "PRIORITY", number % 2)
    client("QUEUE.PUSH", "q", "later", "DELAY", 1000)
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    found = read(client, "COUNT", 3)
    read(client, group="h")
    client("QUEUE.NACK", "q", "g", found[0][b"id"])
    client("QUEUE.ACK", "q", "g", found[1][b"id"])
    facts = info(client)
    assert (facts[b"messages"], facts[b"delayed"]) == (6, 1)
    assert facts[b"groups"][b"g"] == {
        b"name": b"g", b"ready": 3, b"held": 1, b"returned": 0, b"behind": 0, b"dead": 1,
        b"active": 1,
    }  # fmt: skip
    assert facts[b"groups"][b"h"][b"ready"] == 5
    assert isinstance(client3("QUEUE.INFO", "q"), Map)
    assert isinstance(client3("QUEUE.READ", "q", "g", "c")[0], Map)
    assert client3("QUEUE.READ", "none", "g", "c") is None


def test_ready_counts_exactly_after_deletions(client: Connection) -> None:
    """The stream itself does not know it when a group is created after entries were deleted."""
    for number in range(10):
        client("QUEUE.PUSH", "q", number)
    for message in read(client, "COUNT", 4):
        client("QUEUE.ACK", "q", "g", message[b"id"])
    read(client, group="late")
    assert info(client)[b"groups"][b"late"][b"ready"] == 5
    (kept, *_) = read(client, "COUNT", 3)
    client("QUEUE.ACK", "q", "g", kept[b"id"])
    client("XDEL", "redkeep:queue:{q}:stream:0", client("QUEUE.PUSH", "q", "gone"))
    groups = info(client)[b"groups"]
    assert (groups[b"late"][b"ready"], groups[b"g"][b"ready"]) == (5, 3)
