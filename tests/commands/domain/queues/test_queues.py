"""QUEUE.* as a family: errors, events, and copies of its keys."""

from __future__ import annotations

import json

import pytest

from tests.support.copies import copy_keys
from tests.support.oracles import Oracle
from tests.support.queues import payloads, read
from tests.support.resp import Connection, Error
from tests.support.servers import Loop, RunningServer


def test_a_copy_of_all_keys_behaves_the_same(
    server: RunningServer, loop: Loop, client: Connection, valkey: Oracle
) -> None:
    """The keys are copied through a stock server, which has no QUEUE commands."""
    client("CONFIG", "SET", "queue-max-deliveries", 2)
    for number in range(8):
        client("QUEUE.PUSH", "q", number, "PRIORITY", number % 3, "ID", number)
    client("QUEUE.PUSH", "q", "later", "DELAY", 500)
    for row in read(client, "COUNT", 2):
        client("QUEUE.NACK", "q", "g", row[b"id"])
    for row in read(client, "COUNT", 1):
        client("QUEUE.NACK", "q", "g", row[b"id"])
    read(client, "COUNT", 2, "LEASE", 400)
    other = loop.start_server(queue_max_deliveries="2")
    try:
        other.freeze(server.now_ms())
        copy = other.connect()
        with valkey.connect() as stock:
            # Its clock is running, so keys are copied without their TTL.
            copy_keys(client, stock, deadlines=False)
            copy_keys(stock, copy, deadlines=False)
        for step in range(3):
            for request in (("QUEUE.INFO", "q"), ("QUEUE.DEAD", "q", "g"), ("QUEUE.PRESENCE",)):
                assert copy(*request) == client(*request), (step, request)
            again = ("QUEUE.PUSH", "q", "7", "ID", "7")
            assert copy(*again) == client(*again)
            server.advance(500)
            other.advance(500)
            assert payloads(read(copy, "COUNT", 9)) == payloads(read(client, "COUNT", 9))
    finally:
        other.close()


def test_changes_are_published(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:queue:q")
    client("CONFIG", "SET", "queue-max-deliveries", 2)
    message = client("QUEUE.PUSH", "q", "x")
    read(client, "LEASE", 10)
    server.advance(10)
    client("PING")
    told = [json.loads(listener.read_push().items[2]) for _ in range(4)]
    (again,) = read(client)
    client("QUEUE.NACK", "q", "g", again[b"token"])
    client("QUEUE.REPLAY", "q", "g")
    client("QUEUE.ACK", "q", "g", message)
    told += [json.loads(listener.read_push().items[2]) for _ in range(4)]
    assert [event["event"] for event in told] == [
        "pushed", "registered", "read", "lease-ended", "read", "died", "replayed", "acknowledged"
    ]  # fmt: skip


DURATION = "an integer from 1 to 4503599627370496 (milliseconds)"
DURATION_OR_0 = "an integer from 0 to 4503599627370496 (milliseconds)"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ("PUSH q x PRIORITY 10", "ERR PRIORITY must be an integer from 0 to 9, not '10'"),
        ("PUSH q x PRIORITY -1", "ERR PRIORITY must be an integer from 0 to 9, not '-1'"),
        ("PUSH q x DELAY -1", f"ERR DELAY must be {DURATION_OR_0}, not '-1'"),
        (
            "PUSH q x DELAY 4503599627370497",
            f"ERR DELAY must be {DURATION_OR_0}, not '{2**52 + 1}'",
        ),
        ("PUSH q x ID", "ERR ID is incomplete, expected: ID id"),
        ("READ q g c COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("READ q g c LEASE 0", f"ERR LEASE must be {DURATION}, not '0'"),
        ("READ q g c LEASE 4503599627370497", f"ERR LEASE must be {DURATION}, not '{2**52 + 1}'"),
        ("READ q g c BLOCK -1", f"ERR BLOCK must be {DURATION_OR_0}, not '-1'"),
        ("READ q g c BLOCK 1 BLOCK 2", "ERR BLOCK is given twice"),
        ("READ q g c MORE", "ERR unknown option 'MORE'"),
        ("ACK q g 0-1 nonsense", "ERR 'nonsense' is not the id or token of a message"),
        ("NACK q g 1-1@0", "ERR '1-1@0' is not the id or token of a message"),
        ("NACK q g 1-1/0123", "ERR '1-1/0123' is not the id or token of a message"),
        ("EXTEND q g 1-1 5", "ERR '1-1' is not the token of a message"),
        ("EXTEND q g 1-1/0123456789abcdef 0", f"ERR ms must be {DURATION}, not '0'"),
        (
            "EXTEND q g 1-1/0123456789abcdef 5",
            "NOTOWNER message 1-1 of queue q is not leased in group g",
        ),
        (
            "MPUSH q MESSAGES 2 x",
            "ERR MESSAGES is incomplete, expected: MESSAGES count payload [payload ...]",
        ),
        ("MPUSH q MESSAGES 2 x y IDS 1 a", "ERR IDS must give one ID for each message"),
        ("MPUSH q MESSAGES 2 x y IDS 2 a a", "ERR IDS gives an ID twice"),
        ("CANCEL q 1-1", "ERR '1-1' is not the id of a delayed message"),
        ("LIST CURSOR x", "ERR invalid cursor 'x'"),
        ("PENDING q g CURSOR x", "ERR invalid cursor 'x'"),
        ("CONFIG q LEASE 0", f"ERR LEASE must be {DURATION}, not '0'"),
        ("CONFIG q IDLEGROUP -1", f"ERR IDLEGROUP must be {DURATION_OR_0}, not '-1'"),
        ("NACK q g 1-1 DELAY", "ERR DELAY is incomplete, expected: DELAY milliseconds"),
        ("DEAD q g COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("DEAD q g CURSOR x", "ERR invalid cursor 'x'"),
        ("REPLAY q g COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("REPLAY q g COUNT 1 1-1", "ERR unknown option '1-1'"),
        ("REPLAY q g nonsense", "ERR 'nonsense' is not the id of a message"),
        ("PUSH bad x", WRONG_TYPE),
        ("PUSH bad x DELAY 5", WRONG_TYPE),
        ("READ bad g c", WRONG_TYPE),
        ("ACK bad g 1-1", WRONG_TYPE),
        ("NACK bad g 1-1", WRONG_TYPE),
        ("DEAD bad g", WRONG_TYPE),
        ("REPLAY bad g", WRONG_TYPE),
    ],
)
def test_errors_change_nothing(client: Connection, request_: str, text: str) -> None:
    client("QUEUE.PUSH", "q", "x")
    read(client)
    client("SET", "redkeep:queue:{bad}:stream:0", "x")
    for name in ("delayed", "leases:g", "dead:g"):
        client("SET", f"redkeep:queue:{{bad}}:{name}", "x")
    before = client("DEBUG", "DIGEST")
    assert client(*("QUEUE." + request_).split()) == Error(text)
    assert client("DEBUG", "DIGEST") == before


def test_empty_names(client: Connection) -> None:
    for request in (("PUSH", "", "x"), ("READ", "", "g", "c"), ("HEARTBEAT", "", "g", "c")):
        reply = client(f"QUEUE.{request[0]}", *request[1:])
        assert reply == Error("ERR the name of the queue is empty")
    client("QUEUE.PUSH", "q", "")
    assert payloads(read(client, group="")) == [b""]
