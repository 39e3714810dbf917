"""Messages between clients. Confirmations are compared with real servers in
tests/differential/cases/pubsub.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.resp import Connection, Error, Push
from tests.support.servers import RunningServer


@pytest.fixture
def listener(server: RunningServer) -> Connection:
    return server.connect()


def confirm(client: Connection, *words: str) -> list[Any]:
    """Send a subscription and return its confirmations, one for each name."""
    client.send(*words)
    return [client.read() for _ in words[1:]]


def test_a_message_reaches_its_channel(client: Connection, listener: Connection) -> None:
    assert listener("SUBSCRIBE", "a") == [b"subscribe", b"a", 1]
    assert client("PUBLISH", "a", b"\x00\r\n") == 1
    assert listener.read() == [b"message", b"a", b"\x00\r\n"]
    assert client("PUBLISH", "b", "text") == 0


def test_resp3_messages_are_pushes(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    assert listener("SUBSCRIBE", "a") == Push([b"subscribe", b"a", 1])
    assert listener("PSUBSCRIBE", "a*") == Push([b"psubscribe", b"a*", 2])
    assert listener("SSUBSCRIBE", "a") == Push([b"ssubscribe", b"a", 1])
    assert client("PUBLISH", "a", "text") == 2
    assert client("SPUBLISH", "a", "shard") == 1
    assert [listener.read() for _ in range(3)] == [
        Push([b"message", b"a", b"text"]),
        Push([b"pmessage", b"a*", b"a", b"text"]),
        Push([b"smessage", b"a", b"shard"]),
    ]
    # In RESP3 a subscriber may send any command.
    assert listener("SET", "k", "v") == "OK"


def test_a_message_is_sent_once_for_the_channel_and_each_pattern(
    client: Connection, listener: Connection
) -> None:
    listener("SUBSCRIBE", "news.tech")
    confirm(listener, "PSUBSCRIBE", "news.*", "*tech", "other.*")
    assert client("PUBLISH", "news.tech", "text") == 3
    received = [listener.read() for _ in range(3)]
    assert received[0] == [b"message", b"news.tech", b"text"]
    assert sorted(message[1] for message in received[1:]) == [b"*tech", b"news.*"]
    assert all(message[0] == b"pmessage" and len(message) == 4 for message in received[1:])


def test_every_subscriber_gets_the_message(server: RunningServer, client: Connection) -> None:
    listeners = [server.connect(resp=2 + number % 2) for number in range(6)]
    for one in listeners:
        one("SUBSCRIBE", "a")
    assert client("PUBLISH", "a", "text") == 6
    for one in listeners:
        message = one.read()
        items = message.items if isinstance(message, Push) else message
        assert items == [b"message", b"a", b"text"]


def test_no_messages_come_after_unsubscribing(client: Connection, listener: Connection) -> None:
    confirm(listener, "SUBSCRIBE", "a", "b")
    assert listener("UNSUBSCRIBE", "a") == [b"unsubscribe", b"a", 1]
    assert client("PUBLISH", "a", "lost") == 0
    assert client("PUBLISH", "b", "found") == 1
    assert listener.read() == [b"message", b"b", b"found"]
    assert listener("UNSUBSCRIBE") == [b"unsubscribe", b"b", 0]
    assert listener("PING") == "PONG"


def test_unsubscribing_from_all_confirms_in_order_of_subscription(listener: Connection) -> None:
    confirm(listener, "SUBSCRIBE", "c", "a", "b")
    listener.send("UNSUBSCRIBE")
    assert [listener.read() for _ in range(3)] == [
        [b"unsubscribe", b"c", 2],
        [b"unsubscribe", b"a", 1],
        [b"unsubscribe", b"b", 0],
    ]


def test_shard_channels_are_counted_separately(listener: Connection) -> None:
    assert confirm(listener, "SUBSCRIBE", "a", "b")[-1][2] == 2
    assert confirm(listener, "SSUBSCRIBE", "a", "b", "c")[-1][2] == 3
    assert confirm(listener, "PSUBSCRIBE", "a*")[-1][2] == 3
    assert confirm(listener, "SUNSUBSCRIBE", "a")[-1][2] == 2


def test_a_shard_subscription_restricts_commands_as_others_do(listener: Connection) -> None:
    listener("SSUBSCRIBE", "a")
    assert listener("GET", "k") == Error(
        "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context"
    )
    assert listener("SUNSUBSCRIBE", "a") == [b"sunsubscribe", b"a", 0]
    assert listener("GET", "k") is None


def test_pubsub_commands_report_the_subscriptions(
    server: RunningServer, client: Connection
) -> None:
    one, other = server.connect(), server.connect()
    confirm(one, "SUBSCRIBE", "a", "b")
    confirm(other, "SUBSCRIBE", "b", "x1")
    confirm(one, "PSUBSCRIBE", "p*", "q*")
    confirm(other, "PSUBSCRIBE", "p*")
    confirm(other, "SSUBSCRIBE", "s1", "t1")
    assert sorted(client("PUBSUB", "CHANNELS")) == [b"a", b"b", b"x1"]
    assert client("PUBSUB", "CHANNELS", "x*") == [b"x1"]
    assert client("PUBSUB", "NUMSUB", "a", "b", "none") == [b"a", 1, b"b", 2, b"none", 0]
    assert client("PUBSUB", "NUMPAT") == 2
    assert sorted(client("PUBSUB", "SHARDCHANNELS")) == [b"s1", b"t1"]
    assert client("PUBSUB", "SHARDCHANNELS", "t?") == [b"t1"]
    assert client("PUBSUB", "SHARDNUMSUB", "s1", "a") == [b"s1", 1, b"a", 0]
    assert any("NUMPAT" in line for line in client("PUBSUB", "HELP"))


def test_a_disconnected_subscriber_is_removed(
    server: RunningServer, client: Connection, listener: Connection
) -> None:
    confirm(listener, "SUBSCRIBE", "a", "b")
    confirm(listener, "PSUBSCRIBE", "p*")
    confirm(listener, "SSUBSCRIBE", "s")
    listener.close()
    server.wait_for_clients(1)
    assert client("PUBLISH", "a", "text") == 0
    assert client("PUBSUB", "CHANNELS") == []
    assert client("PUBSUB", "NUMPAT") == 0
    assert client("PUBSUB", "SHARDCHANNELS") == []


def test_a_pattern_with_many_stars_is_matched_quickly(
    client: Connection, listener: Connection
) -> None:
    listener("PSUBSCRIBE", "*a" * 60 + "b")
    assert client("PUBLISH", "a" * 20_000, "text") == 0
    assert client("PING") == "PONG"


def test_messages_and_confirmations_are_sent_while_replies_are_off(
    client: Connection, listener: Connection
) -> None:
    listener.send("CLIENT", "REPLY", "OFF")
    assert confirm(listener, "SUBSCRIBE", "a", "b")[-1] == [b"subscribe", b"b", 2]
    client("PUBLISH", "b", "text")
    assert listener.read() == [b"message", b"b", b"text"]
