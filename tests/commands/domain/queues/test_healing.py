"""The patrol of queues mends what other clients deleted or changed."""

from __future__ import annotations

from typing import Any

import pytest

from commands.instance.context import Context
from server.patrolling import Patrolling
from storage.database import Database
from tests.support.offline import Recorded
from tests.support.queues import NOW, rows

BASE = "redkeep:queue:{q}:"
STREAM = BASE + "stream:0"


@pytest.fixture
def stopped_clock() -> None:
    """These tests have no server."""


class Patrolled(Recorded):
    """A client whose server only patrols and sweeps when it is told to."""

    def patrol(self) -> None:
        """Do one round."""
        patrolling = Patrolling(self.instance, self._run_patrol)
        for _ in patrolling._steps():
            pass

    def _run_patrol(self, database: Database, run: Any) -> bool:
        def begun(ctx: Context) -> bool:
            ctx.begin("")
            return bool(run(ctx))

        return self._run_step(database, begun)

    def take(self, *words: Any, group: str = "g") -> list[dict[bytes, Any]]:
        reply = self("QUEUE.READ", "q", group, "c", *words)
        return rows(reply) if isinstance(reply, list) else []

    def group(self, name: bytes = b"g") -> dict[bytes, Any]:
        reply = self("QUEUE.INFO", "q")
        facts = dict(zip(reply[::2], reply[1::2], strict=True))
        return {row[b"name"]: row for row in rows(facts[b"groups"])}[name]


@pytest.fixture
def client() -> Patrolled:
    return Patrolled(NOW)


def test_a_round_changes_nothing_that_is_right(client: Patrolled) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 2)
    for number in range(50):
        client("QUEUE.PUSH", "q", number, "PRIORITY", number % 2, "ORDER", number % 7)
    client("QUEUE.PUSH", "q", "later", "DELAY", 5000, "ID", "one")
    client.take(group="h")
    for number, row in enumerate(client.take("COUNT", 9)):
        if number % 3:
            client("QUEUE.NACK", "q", "g", row[b"token"], "DELAY", 1000 * (number % 3 - 1))
    for row in client.take("COUNT", 2):
        client("QUEUE.NACK", "q", "g", row[b"token"])
    before = client("DEBUG", "DIGEST")
    client.patrol()
    assert client("DEBUG", "DIGEST") == before


@pytest.mark.parametrize("key", ["redkeep:queue:due:*", BASE + "next"])
def test_an_entry_that_is_missing_in_the_agenda(client: Patrolled, key: str) -> None:
    client("QUEUE.PUSH", "q", "x", "DELAY", 10)
    client("DEL", *client("KEYS", key))
    client.patrol()
    client.advance(10)
    client.sweep()
    assert client("XLEN", STREAM) == 1


@pytest.mark.parametrize("kind", ["leases", "returned", "dead"])
def test_rows_of_messages_that_are_gone(client: Patrolled, kind: str) -> None:
    for _ in range(30):
        client("QUEUE.PUSH", "q", "x")
    client.take("COUNT", 30)
    for number in range(50):
        client("ZADD", BASE + f"{kind}:g", NOW + 90_000, f"{number}-1")
    client("ZADD", BASE + f"{kind}:g", NOW + 90_000, "nonsense")
    client.patrol()
    assert client("ZCARD", BASE + f"{kind}:g") == (30 if kind == "leases" else 0)


def test_a_message_whose_lease_was_deleted_can_be_read_again(client: Patrolled) -> None:
    client("QUEUE.PUSH", "q", "x")
    client.take()
    client("DEL", BASE + "leases:g")
    assert client.take() == []
    client.patrol()
    assert [row[b"attempt"] for row in client.take()] == [2]


def test_tokens_of_messages_that_are_gone(client: Patrolled) -> None:
    client("QUEUE.PUSH", "q", "x")
    (row,) = client.take()
    client("XACK", STREAM, "g", row[b"id"])
    client("HSET", BASE + "tokens:g", "5-5", "0123456789abcdef", "nonsense", "x")
    client.patrol()
    assert client("EXISTS", BASE + "tokens:g", BASE + "leases:g") == 0


def test_messages_that_plain_commands_confirmed_are_deleted(client: Patrolled) -> None:
    client("QUEUE.MPUSH", "q", "MESSAGES", 90, *range(90))
    found = client.take("COUNT", 80)
    assert len(client.take("COUNT", 90, group="h")) == 90
    ids = [row[b"id"] for row in found]
    client("XACK", STREAM, "g", *ids)
    client("XACK", STREAM, "h", *ids[5:])
    client.patrol()
    assert [row[0] for row in client("XRANGE", STREAM, "-", "+")][:5] == ids[:5]
    assert client("XLEN", STREAM) == 15


def test_a_group_that_xgroup_destroyed(client: Patrolled) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    client.take(group="gone")
    client("QUEUE.MPUSH", "q", "MESSAGES", 30, *range(30), "ORDER", "k")
    for group in ("g", "gone"):
        for _ in range(30):
            for row in client.take("COUNT", 30, group=group):
                client("QUEUE.ACK" if group == "g" else "QUEUE.NACK", "q", group, row[b"token"])
    assert client("XLEN", STREAM) == 30
    client("XGROUP", "DESTROY", STREAM, "gone")
    client.patrol()
    assert client("XLEN", STREAM) == 0
    assert client("KEYS", BASE + "*:gone") == []
    assert client("ZRANGE", BASE + "groups", 0, -1) == [b"g"]


def test_an_empty_stream_without_groups_goes(client: Patrolled) -> None:
    message = client("QUEUE.PUSH", "q", "x")
    client("XDEL", STREAM, message)
    client.patrol()
    assert client("KEYS", BASE + "*") == []


def test_a_group_that_was_never_read_becomes_idle(client: Patrolled) -> None:
    client("QUEUE.PUSH", "q", "x")
    client("XGROUP", "CREATE", STREAM, "g", 0)
    client.patrol()
    client.advance(7 * 24 * 60 * 60 * 1000)
    client.sweep()
    client.advance(10 * 60 * 1000)
    client.sweep()
    assert client("XINFO", "GROUPS", STREAM) == []
    assert client("XLEN", STREAM) == 1


def test_a_turn_whose_message_was_confirmed_by_a_plain_command(client: Patrolled) -> None:
    client("QUEUE.MPUSH", "q", "MESSAGES", 3, 0, 1, 2, "ORDER", "k")
    (row,) = client.take("COUNT", 9)
    client("XACK", STREAM, "g", row[b"id"])
    client.patrol()
    assert [row[b"payload"] for row in client.take("COUNT", 9)] == [b"1"]


def test_turns_that_were_deleted(client: Patrolled) -> None:
    client("QUEUE.MPUSH", "q", "MESSAGES", 3, 0, 1, 2, "ORDER", "k")
    (row,) = client.take("COUNT", 9)
    client("QUEUE.ACK", "q", "g", row[b"token"])
    client("DEL", BASE + "turns:g", BASE + "leases:g")
    client("ZADD", BASE + "behind:g", 0, "nonsense")
    client.patrol()
    assert client("ZRANGE", BASE + "behind:g", 0, -1) == []
    assert [row[b"payload"] for row in client.take("COUNT", 9)] == [b"2"]


def test_rows_without_their_other_half(client: Patrolled) -> None:
    client("QUEUE.PUSH", "q", "x", "DELAY", 10)
    client("QUEUE.HEARTBEAT", "q", "g", "c")
    for sorted_set, hash_ in (("delayed", "late"), ("seen", "consumers")):
        client("ZADD", BASE + sorted_set, NOW, "alone")
        client("HSET", BASE + hash_, "alone", "x")
        client("HSET", BASE + hash_, "other", "x")
        client("HDEL", BASE + hash_, "alone")
    client.patrol()
    for key, command in (("delayed", "ZCARD"), ("seen", "ZCARD"), ("late", "HLEN")):
        assert client(command, BASE + key) == 1
    assert client("HKEYS", BASE + "consumers") == [b"g:c"]
