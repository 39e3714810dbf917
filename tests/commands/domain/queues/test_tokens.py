"""Tokens: who holds a message, and what a consumer that lost it may still do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.queues import NOW, dead, info, payloads, read
from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer

OUT_OF_DATE = (
    "NOTOWNER message {} of queue q was delivered again in group g: this token is out of date"
)
IN_DOUBT = (
    "NOTOWNER message {} of queue q was delivered more than once in group g and is leased:"
    " name it by its token"
)
NOT_LEASED = "NOTOWNER message {} of queue q is not leased in group g"


def text(value: bytes) -> str:
    return value.decode()


@pytest.fixture
def deliveries(server: RunningServer, client: Connection) -> list[dict[bytes, Any]]:
    """Two deliveries of one message: the lease of the first one ran out."""
    client("QUEUE.PUSH", "q", "x", "PRIORITY", 5)
    (first,) = read(client, "LEASE", 100)
    server.advance(100)
    (second,) = read(client, "LEASE", 100)
    # The sweep would end leases, and so change keys, during a test.
    server.call(setattr, server.instance, "background_paused", True)
    return [first, second]


def test_each_delivery_has_a_token_of_its_own(deliveries: list[dict[bytes, Any]]) -> None:
    first, second = deliveries
    assert first[b"id"] == second[b"id"]
    assert first[b"token"] != second[b"token"]
    assert first[b"token"].startswith(first[b"id"] + b"/")
    assert [row[b"attempt"] for row in deliveries] == [1, 2]


@pytest.mark.parametrize("command", ["ACK", "NACK", "EXTEND"])
def test_a_token_of_an_earlier_delivery_is_refused(
    client: Connection, deliveries: list[dict[bytes, Any]], command: str
) -> None:
    first, second = deliveries
    more = [1000] if command == "EXTEND" else []
    before = client("DEBUG", "DIGEST")
    refused = Error(OUT_OF_DATE.format(text(first[b"id"])))
    assert client(f"QUEUE.{command}", "q", "g", first[b"token"], *more) == refused
    assert client("DEBUG", "DIGEST") == before
    taken = client(f"QUEUE.{command}", "q", "g", second[b"token"], *more)
    assert taken == (NOW + 1100 if more else 1)


def test_a_request_with_one_token_that_is_out_of_date_confirms_nothing(
    client: Connection, deliveries: list[dict[bytes, Any]]
) -> None:
    client("QUEUE.PUSH", "q", "y")
    (other,) = read(client)
    before = client("DEBUG", "DIGEST")
    tokens = [other[b"token"], deliveries[0][b"token"]]
    reply = client("QUEUE.ACK", "q", "g", *tokens)
    assert reply == Error(OUT_OF_DATE.format(text(deliveries[0][b"id"])))
    assert client("DEBUG", "DIGEST") == before


def test_an_id_confirms_whoever_holds_the_message(
    client: Connection, deliveries: list[dict[bytes, Any]]
) -> None:
    first, second = deliveries
    assert client("QUEUE.ACK", "q", "g", first[b"id"]) == 1
    # The message is confirmed: both tokens say so again, and nobody holds it.
    for one in deliveries:
        assert client("QUEUE.ACK", "q", "g", one[b"token"]) == 0
        assert client("QUEUE.NACK", "q", "g", one[b"token"]) == 0
    refused = Error(NOT_LEASED.format(text(second[b"id"])))
    assert client("QUEUE.EXTEND", "q", "g", second[b"token"], 5) == refused
    assert client("EXISTS", "redkeep:queue:{q}:tokens:g") == 0


def test_an_id_returns_a_message_only_without_doubt(
    server: RunningServer, client: Connection, deliveries: list[dict[bytes, Any]]
) -> None:
    message = deliveries[0][b"id"]
    before = client("DEBUG", "DIGEST")
    assert client("QUEUE.NACK", "q", "g", message) == Error(IN_DOUBT.format(text(message)))
    assert client("DEBUG", "DIGEST") == before
    # Once the lease has ended nobody holds it.
    server.advance(100)
    assert client("QUEUE.NACK", "q", "g", message) == 1


def test_a_holder_that_is_late_may_confirm_while_nobody_else_has_the_message(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client, "LEASE", 100)
    server.advance(5000)
    client("PING")
    assert client("QUEUE.ACK", "q", "g", row[b"token"]) == 1
    assert read(client) == []


def test_extend_renews_a_lease(server: RunningServer, client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client, "LEASE", 100)
    server.advance(99)
    assert client("QUEUE.EXTEND", "q", "g", row[b"token"], 200) == NOW + 299
    assert client("ZSCORE", "redkeep:queue:{q}:leases:g", row[b"id"]) == str(NOW + 299).encode()
    server.advance(199)
    assert read(client) == []
    server.advance(1)
    assert [again[b"attempt"] for again in read(client)] == [2]


def test_extend_after_the_lease_ended(server: RunningServer, client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client, "LEASE", 100)
    server.call(setattr, server.instance, "background_paused", True)
    server.advance(100)
    # Neither the sweep nor a reader has taken it yet.
    assert client("QUEUE.EXTEND", "q", "g", row[b"token"], 100) == NOW + 200
    assert client("QUEUE.NACK", "q", "g", row[b"token"], "DELAY", 50) == 1
    refused = Error(NOT_LEASED.format(text(row[b"id"])))
    assert client("QUEUE.EXTEND", "q", "g", row[b"token"], 100) == refused


def test_a_token_of_another_group_or_queue_is_refused(client: Connection) -> None:
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client)
    (other,) = read(client, group="h")
    refused = OUT_OF_DATE.format(text(row[b"id"])).replace("group g", "group h")
    assert client("QUEUE.ACK", "q", "h", row[b"token"]) == Error(refused)
    assert client("QUEUE.ACK", "other", "g", row[b"token"]) == 0
    assert client("QUEUE.ACK", "q", "h", other[b"token"]) == 1


def test_a_dead_letter_can_be_confirmed_by_its_last_holder(client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client)
    assert client("QUEUE.NACK", "q", "g", row[b"token"]) == 1
    assert payloads(dead(client)) == [b"x"]
    assert client("QUEUE.NACK", "q", "g", row[b"token"]) == 0
    assert client("QUEUE.ACK", "q", "g", row[b"token"]) == 1
    assert dead(client) == []


def test_tokens_from_before_a_replay_are_refused(client: Connection) -> None:
    client("QUEUE.CONFIG", "q", "MAXDELIVERIES", 1)
    client("QUEUE.PUSH", "q", "x")
    (row,) = read(client)
    client("QUEUE.NACK", "q", "g", row[b"token"])
    assert client("QUEUE.REPLAY", "q", "g") == 1
    refused = Error(OUT_OF_DATE.format(text(row[b"id"])))
    assert client("QUEUE.ACK", "q", "g", row[b"token"]) == refused
    assert info(client)[b"groups"][b"g"][b"ready"] == 1


def test_a_request_names_a_limited_number_of_messages(client: Connection) -> None:
    refused = Error("ERR a request can name 200 messages at most")
    many = [f"{number}-1" for number in range(201)]
    assert client("QUEUE.ACK", "q", "g", *many) == refused
    assert client("QUEUE.REPLAY", "q", "g", *many) == refused
    assert client("QUEUE.MPUSH", "q", "MESSAGES", 201, *many) == refused
    assert client("QUEUE.ACK", "q", "g", *many[1:]) == 0
