"""QUEUE.*: messages that are out on a lease, come back, come later, and die."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from commands.instance.context import Context
from tests.support.copies import copy_keys
from tests.support.oracles import Oracle
from tests.support.resp import NULL_ARRAY, Connection, Error, Map
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_000
LEASE = 30_000


@pytest.fixture(autouse=True)
def stopped_clock(server: RunningServer) -> None:
    server.freeze(NOW)


def read(client: Connection, *words: Any, queue: str = "q", group: str = "g") -> list[Any]:
    """Rows as dicts; none for nil."""
    reply = client("QUEUE.READ", queue, group, "c", *words)
    if reply is NULL_ARRAY:
        return []
    assert isinstance(reply, list), reply
    return rows(reply)


def rows(reply: list[Any]) -> list[dict[bytes, Any]]:
    return [dict(zip(row[::2], row[1::2], strict=True)) for row in reply]


def payloads(found: list[dict[bytes, Any]]) -> list[bytes]:
    return [row[b"payload"] for row in found]


def info(client: Connection, queue: str = "q") -> dict[bytes, Any]:
    reply = client("QUEUE.INFO", queue)
    found = dict(zip(reply[::2], reply[1::2], strict=True))
    found[b"groups"] = {row[b"name"]: row for row in rows(found[b"groups"])}
    return found


def dead(client: Connection) -> list[dict[bytes, Any]]:
    cursor, found = client("QUEUE.DEAD", "q", "g")
    assert cursor == b"0"
    return rows(found)


def wait(server: RunningServer, waiter: Connection, *words: Any, waiting: int = 1) -> None:
    """Send a request and go on once so many clients are blocked."""
    waiter.send(*words)
    for _ in range(5000):
        if server.blocked_clients() == waiting:
            return
    pytest.fail(f"does not wait: {words}")


# --- the way of a message --------------------------------------------------------------------


def test_push_read_ack(client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", b"\0binary\xff")
    assert read(client) == [
        {
            b"id": message,
            b"payload": b"\0binary\xff",
            b"priority": 0,
            b"deliveries": 1,
            b"lease_until": NOW + LEASE,
        }
    ]
    assert read(client) == []
    assert client("QUEUE.ACK", "q", "g", message) == 1
    assert client("QUEUE.ACK", "q", "g", message) == 0
    assert client("XLEN", "redkeep:queue:{q}:stream:0") == 0


def test_a_queue_is_a_stream(client: Connection) -> None:
    stream = "redkeep:queue:{q}:stream:0"
    message = client("QUEUE.PUSH", "q", "one")
    assert client("XRANGE", stream, "-", "+") == [[message, [b"payload", b"one"]]]
    other = client("XADD", stream, "*", "sender", "plain", "payload", "two")
    assert payloads(read(client, "COUNT", 10)) == [b"one", b"two"]
    assert [row[0] for row in client("XPENDING", stream, "g", "-", "+", 10)] == [message, other]
    client("XACK", stream, "g", other)
    assert client("QUEUE.ACK", "q", "g", message, other) == 1


def test_count_and_lease(client: Connection) -> None:
    for number in range(5):
        client("QUEUE.PUSH", "q", number)
    assert payloads(read(client)) == [b"0"]
    found = read(client, "LEASE", 5, "COUNT", 2)
    assert payloads(found) == [b"1", b"2"]
    assert found[0][b"lease_until"] == NOW + 5
    assert payloads(read(client, "COUNT", 2**62)) == [b"3", b"4"]


def test_a_lease_that_ran_out_is_over_before_any_sweep(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.PUSH", "q", "x")
    (first,) = read(client, "LEASE", 100)
    server.call(setattr, server.instance, "background_paused", True)
    server.advance(99)
    assert read(client) == []
    server.advance(1)
    (second,) = read(client, "LEASE", 100)
    assert second[b"id"] == first[b"id"]
    assert second[b"deliveries"] == 2
    assert second[b"lease_until"] == NOW + 200


def test_nack_gives_back_now_or_later(server: RunningServer, client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", "x")
    assert client("QUEUE.NACK", "q", "g", message) == 0
    read(client)
    assert client("QUEUE.NACK", "q", "g", message) == 1
    assert read(client)[0][b"deliveries"] == 2
    assert client("QUEUE.NACK", "q", "g", message, "DELAY", 50) == 1
    server.advance(49)
    assert read(client) == []
    server.advance(1)
    assert read(client)[0][b"deliveries"] == 3
    client("QUEUE.ACK", "q", "g", message)
    assert client("QUEUE.NACK", "q", "g", message) == 0


def test_priorities(server: RunningServer, client: Connection) -> None:
    for payload, priority in (("low", 0), ("high", 9), ("mid", 5), ("high2", 9), ("low2", 0)):
        client("QUEUE.PUSH", "q", payload, "PRIORITY", priority)
    found = read(client, "COUNT", 3)
    assert payloads(found) == [b"high", b"high2", b"mid"]
    assert [row[b"priority"] for row in found] == [9, 9, 5]
    assert found[0][b"id"].endswith(b"@9")
    # What comes back goes before what is new, but not before a higher priority.
    client("QUEUE.NACK", "q", "g", found[2][b"id"])
    client("QUEUE.PUSH", "q", "new-mid", "PRIORITY", 5)
    client("QUEUE.PUSH", "q", "new-high", "PRIORITY", 9)
    assert payloads(read(client, "COUNT", 9)) == [b"new-high", b"mid", b"new-mid", b"low", b"low2"]
    assert client("QUEUE.ACK", "q", "g", *(row[b"id"] for row in found)) == 3


def test_delayed_messages(server: RunningServer, client: Connection) -> None:
    first = client("QUEUE.PUSH", "q", "b", "DELAY", 100)
    client("QUEUE.PUSH", "q", "c", "DELAY", 100)
    client("QUEUE.PUSH", "q", "a", "DELAY", 50, "PRIORITY", 3)
    assert first.startswith(b"d")
    assert read(client) == []
    assert info(client)[b"delayed"] == 3
    server.advance(99)
    assert payloads(read(client, "COUNT", 9)) == [b"a"]
    server.call(setattr, server.instance, "background_paused", True)
    server.advance(1)
    assert payloads(read(client, "COUNT", 9)) == [b"b", b"c"]
    assert info(client)[b"delayed"] == 0


def test_ids_against_duplicates(server: RunningServer, client: Connection) -> None:
    day = 24 * 60 * 60 * 1000
    message = client("QUEUE.PUSH", "q", "x", "ID", "one")
    assert client("QUEUE.PUSH", "q", "x", "ID", "one") == message
    read(client)
    client("QUEUE.ACK", "q", "g", message)
    assert client("QUEUE.PUSH", "q", "x", "ID", "one", "PRIORITY", 4) == message
    assert read(client) == []
    later = client("QUEUE.PUSH", "q", "y", "ID", "two", "DELAY", 1000)
    assert client("QUEUE.PUSH", "q", "y", "ID", "two", "DELAY", 1000) == later
    assert info(client)[b"delayed"] == 1
    server.advance(day + 1)
    assert client("QUEUE.PUSH", "q", "x", "ID", "one") != message
    assert client("QUEUE.PUSH", "q", "y", "ID", "two") == later
    assert client("QUEUE.PUSH", "other", "x", "ID", "two") != later


def test_each_group_gets_every_message(client: Connection) -> None:
    message = client("QUEUE.PUSH", "q", "x", "PRIORITY", 2)
    stream = "redkeep:queue:{q}:stream:2"
    assert read(client, group="b") != []
    assert read(client, group="a") != []
    assert client("QUEUE.ACK", "q", "a", message) == 1
    assert client("XLEN", stream) == 1
    assert client("QUEUE.ACK", "q", "b", message) == 1
    assert client("XLEN", stream) == 0
    # A group that only ever looked is waited for, at every priority.
    read(client, group="c")
    other = client("QUEUE.PUSH", "q", "y", "PRIORITY", 8)
    for group in ("a", "b"):
        read(client, group=group)
        client("QUEUE.ACK", "q", group, other)
    assert payloads(read(client, group="c")) == [b"y"]


# --- dead letters ------------------------------------------------------------------------------


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
            b"deliveries": 2,
            b"died_at": NOW + 20,
        }
    ]
    assert client("QUEUE.NACK", "q", "g", message) == 0
    assert client("QUEUE.REPLAY", "q", "g") == 1
    assert dead(client) == []
    assert read(client)[0][b"deliveries"] == 1
    assert client("QUEUE.NACK", "q", "g", message) == 1
    read(client)
    assert client("QUEUE.NACK", "q", "g", message) == 1
    assert [row[b"id"] for row in dead(client)] == [message]
    assert client("QUEUE.ACK", "q", "g", message) == 1
    assert dead(client) == []
    assert client("XLEN", "redkeep:queue:{q}:stream:1") == 0


def test_no_limit_of_deliveries(client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 0)
    message = client("QUEUE.PUSH", "q", "x")
    for delivery in range(1, 20):
        assert read(client)[0][b"deliveries"] == delivery
        client("QUEUE.NACK", "q", "g", message)


def test_dead_letters_page_and_replay_in_part(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1)
    messages = [client("QUEUE.PUSH", "q", f"{number:02}") for number in range(25)]
    read(client, "COUNT", 25)
    for message in messages:
        assert client("QUEUE.NACK", "q", "g", message) == 1
        server.advance(1)
    cursor, seen = b"0", []
    while True:
        cursor, found = client("QUEUE.DEAD", "q", "g", "COUNT", 10, "CURSOR", cursor)
        seen += [row[b"id"] for row in rows(found)]
        if cursor == b"0":
            break
        assert len(found) == 10
    assert seen == messages
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


# --- waiting -----------------------------------------------------------------------------------


@pytest.fixture
def waiter(server: RunningServer) -> Connection:
    return server.connect()


@pytest.mark.parametrize("priority", [0, 6])
def test_a_push_wakes_a_reader(
    server: RunningServer, client: Connection, waiter: Connection, priority: int
) -> None:
    wait(server, waiter, "QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    message = client("QUEUE.PUSH", "q", "x", "PRIORITY", priority)
    assert rows(waiter.read())[0][b"id"] == message


def test_readers_are_served_in_order(server: RunningServer, client: Connection) -> None:
    waiters = [server.connect() for _ in range(3)]
    for number, one in enumerate(waiters):
        wait(server, one, "QUEUE.READ", "q", "g", number, "BLOCK", 0, waiting=number + 1)
    client("MULTI")
    client("QUEUE.PUSH", "q", "a")
    client("QUEUE.PUSH", "q", "b", "PRIORITY", 1)
    client("EXEC")
    assert payloads(rows(waiters[0].read())) == [b"b"]
    assert payloads(rows(waiters[1].read())) == [b"a"]
    client("QUEUE.PUSH", "q", "c")
    assert payloads(rows(waiters[2].read())) == [b"c"]


@pytest.mark.parametrize("kind", ["delay", "lease", "nack", "replay", "xadd"])
def test_whatever_can_be_read_wakes_a_reader(
    server: RunningServer, client: Connection, waiter: Connection, kind: str
) -> None:
    client("CONFIG", "SET", "queue-max-deliveries", 1 if kind == "replay" else 5)
    message: Any = None
    if kind != "xadd":
        message = client("QUEUE.PUSH", "q", "x", "DELAY", 50 if kind == "delay" else 0)
    if kind in ("lease", "nack", "replay"):
        read(client, "LEASE", 50)
    if kind == "replay":
        client("QUEUE.NACK", "q", "g", message)
    wait(server, waiter, "QUEUE.READ", "q", "g", "w", "BLOCK", 0)
    if kind in ("delay", "lease"):
        server.advance(50)
    elif kind == "nack":
        client("QUEUE.NACK", "q", "g", message)
    elif kind == "replay":
        client("QUEUE.REPLAY", "q", "g")
    else:
        client("XADD", "redkeep:queue:{q}:stream:0", "*", "payload", "x")
    assert payloads(rows(waiter.read())) == [b"x"]


def test_waiting_ends(server: RunningServer, client: Connection, waiter: Connection) -> None:
    wait(server, waiter, "QUEUE.READ", "q", "g", "c", "BLOCK", 100)
    server.advance(100)
    assert waiter.read() is NULL_ARRAY
    client("MULTI")
    client("QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    client("QUEUE.PUSH", "q", "x")
    client("QUEUE.READ", "q", "g", "c", "BLOCK", 0)
    replies = client("EXEC")
    assert replies[0] is NULL_ARRAY
    assert payloads(rows(replies[2])) == [b"x"]


# --- looking, shapes, errors ---------------------------------------------------------------------


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
        b"name": b"g", b"ready": 3, b"out": 1, b"dead": 1, b"active": 1
    }  # fmt: skip
    assert facts[b"groups"][b"h"][b"ready"] == 5
    assert isinstance(client3("QUEUE.INFO", "q"), Map)
    assert isinstance(client3("QUEUE.READ", "q", "g", "c")[0], Map)
    assert client3("QUEUE.READ", "none", "g", "c") is None


def test_a_copy_of_all_keys_goes_on(
    server: RunningServer, loop: Loop, client: Connection, valkey: Oracle
) -> None:
    """By way of a stock server, which has no notion of any of this."""
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
            # Its clock is not stopped: what would have run out there goes with no deadline.
            copy_keys(client, stock, deadlines=False)
            copy_keys(stock, copy, deadlines=False)
        for step in range(3):
            for asked in (("QUEUE.INFO", "q"), ("QUEUE.DEAD", "q", "g"), ("QUEUE.PRESENCE",)):
                assert copy(*asked) == client(*asked), (step, asked)
            again = ("QUEUE.PUSH", "q", "7", "ID", "7")
            assert copy(*again) == client(*again)
            server.advance(500)
            other.advance(500)
            assert payloads(read(copy, "COUNT", 9)) == payloads(read(client, "COUNT", 9))
    finally:
        other.close()


def test_changes_are_told(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "__redkeep__:queue:q")
    client("CONFIG", "SET", "queue-max-deliveries", 2)
    message = client("QUEUE.PUSH", "q", "x")
    read(client, "LEASE", 10)
    server.advance(10)
    client("PING")
    told = [json.loads(listener.read_push().items[2]) for _ in range(4)]
    read(client)
    client("QUEUE.NACK", "q", "g", message)
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
        ("PUSH q x ID", "ERR ID is incomplete, expected: ID key"),
        ("READ q g c COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("READ q g c LEASE 0", f"ERR LEASE must be {DURATION}, not '0'"),
        ("READ q g c LEASE 4503599627370497", f"ERR LEASE must be {DURATION}, not '{2**52 + 1}'"),
        ("READ q g c BLOCK -1", f"ERR BLOCK must be {DURATION_OR_0}, not '-1'"),
        ("READ q g c BLOCK 1 BLOCK 2", "ERR BLOCK is given twice"),
        ("READ q g c MORE", "ERR unknown option 'MORE'"),
        ("ACK q g 0-1 nonsense", "ERR 'nonsense' is not the id of a message"),
        ("NACK q g 1-1@0", "ERR '1-1@0' is not the id of a message"),
        ("NACK q g 1-1 DELAY", "ERR DELAY is incomplete, expected: DELAY milliseconds"),
        ("DEAD q g COUNT 0", "ERR COUNT must be an integer of at least 1, not '0'"),
        ("DEAD q g CURSOR x", "ERR invalid cursor"),
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


def test_poison_does_not_keep_others_from_what_is_due(
    server: RunningServer, client: Connection
) -> None:
    client("QUEUE.PUSH", "bad", "x", "DELAY", 10)
    client("QUEUE.PUSH", "q", "x", "DELAY", 20)
    client("DEL", "redkeep:queue:{bad}:late")
    client("SET", "redkeep:queue:{bad}:late", "poison")
    server.advance(20)
    for _ in range(1000):
        if client("XLEN", "redkeep:queue:{q}:stream:0"):
            break
    assert client("XLEN", "redkeep:queue:{q}:stream:0") == 1


# --- a model -----------------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """Random work on one queue: no message is lost, doubled, or held by two at once."""

    server: RunningServer

    def __init__(self) -> None:
        super().__init__()
        self.server.freeze(NOW)
        self.client = self.server.connect()
        self.client("FLUSHALL")
        self.client("CONFIG", "SET", "queue-max-deliveries", 3)
        self.pushed = 0
        self.waiting: dict[bytes, int] = {}  # payload → when it can be read
        self.out: dict[bytes, tuple[bytes, int]] = {}  # payload → id, lease until
        self.deliveries: dict[bytes, int] = {}
        self.dead: dict[bytes, bytes] = {}

    def teardown(self) -> None:
        self.client.close()

    @property
    def now(self) -> int:
        return self.server.now_ms()

    @rule(delay=st.sampled_from([0, 0, 30, 500]), priority=st.sampled_from([0, 0, 3, 9]))
    def push(self, delay: int, priority: int) -> None:
        payload = b"%d" % self.pushed
        self.pushed += 1
        self.client("QUEUE.PUSH", "q", payload, "DELAY", delay, "PRIORITY", priority)
        self.waiting[payload] = self.now + delay

    @rule(count=st.integers(1, 4), lease=st.sampled_from([40, 1000]))
    def read(self, count: int, lease: int) -> None:
        now = self.now
        self.settle()
        ready = {payload for payload, at in self.waiting.items() if at <= now}
        found = read(self.client, "COUNT", count, "LEASE", lease)
        assert len(found) == min(count, len(ready))
        for row in found:
            payload = row[b"payload"]
            assert payload in ready
            del self.waiting[payload]
            self.deliveries[payload] = self.deliveries.get(payload, 0) + 1
            assert row[b"deliveries"] == self.deliveries[payload]
            self.out[payload] = (row[b"id"], now + lease)

    def settle(self) -> None:
        """What the leases that ran out by now come to."""
        for payload, (message, until) in list(self.out.items()):
            if until <= self.now:
                del self.out[payload]
                if self.deliveries[payload] >= 3:
                    self.dead[payload] = message
                else:
                    self.waiting[payload] = self.now

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        self.settle()
        if self.out:
            payload = data.draw(st.sampled_from(sorted(self.out)))
            assert self.client("QUEUE.ACK", "q", "g", self.out.pop(payload)[0]) == 1

    @rule(data=st.data(), delay=st.sampled_from([0, 100]))
    def nack(self, data: st.DataObject, delay: int) -> None:
        self.settle()
        if self.out:
            payload = data.draw(st.sampled_from(sorted(self.out)))
            message, _ = self.out.pop(payload)
            assert self.client("QUEUE.NACK", "q", "g", message, "DELAY", delay) == 1
            if self.deliveries[payload] >= 3:
                self.dead[payload] = message
            else:
                self.waiting[payload] = self.now + delay

    @rule()
    def replay(self) -> None:
        self.settle()
        # What nobody has looked at since its lease ran out is a dead letter by then.
        read_none = self.client("QUEUE.DEAD", "q", "g")[1]
        replayed = self.client("QUEUE.REPLAY", "q", "g")
        assert replayed >= len(read_none)
        for row in rows(read_none):
            payload = row[b"payload"]
            del self.dead[payload]
            self.deliveries[payload] = 0
            self.waiting[payload] = self.now

    @rule(ms=st.sampled_from([1, 29, 40, 300, 2000]))
    def go_on(self, ms: int) -> None:
        self.server.advance(ms)
        # The sweep that follows has been when this is answered a tick later.
        for _ in range(3):
            self.server.call(lambda: None)
            self.client("PING")

    @invariant()
    def nothing_is_lost(self) -> None:
        self.settle()
        facts = self.client("QUEUE.INFO", "q")
        if facts is None:
            assert not self.pushed
            return
        held = len(self.waiting) + len(self.out) + len(self.dead)
        assert facts[3] + facts[5] == held


def test_model(loop: Loop) -> None:
    server = loop.start_server()
    try:
        machine = type("QueueMachine", (Machine,), {"server": server})
        run_state_machine_as_test(
            machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
        )
    finally:
        server.close()


def test_messages_come_back_in_the_order_in_which_they_were_pushed(client: Connection) -> None:
    for number in range(12):
        client("QUEUE.PUSH", "q", f"{number:02}")
    for row in reversed(read(client, "COUNT", 12)):
        client("QUEUE.NACK", "q", "g", row[b"id"])
    assert payloads(read(client, "COUNT", 12)) == [b"%02d" % number for number in range(12)]


def test_regular_work_costs_what_it_acts_on(
    server: RunningServer, client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        client("QUEUE.PUSH", number, "x", "DELAY", 10**9)
        client("QUEUE.PUSH", number, "x")
        read(client, "LEASE", 10**9, queue=str(number))
        client("QUEUE.HEARTBEAT", number, "g", "c")
    client("CONFIG", "SET", "presence-ttl-ms", 10**9)
    server.advance(200_000)  # the timer looks at all of them, and finds nobody silent
    client("QUEUE.PUSH", "due", "x", "DELAY", 10)
    calls: list[bytes] = []
    call = Context.call

    def counted(ctx: Context, *words: bytes) -> Any:
        calls.append(words[0])
        return call(ctx, *words)

    for _ in range(1000):
        if not client("KEYS", "redkeep:queue:due:0000000170000012*"):
            break
    monkeypatch.setattr(Context, "call", counted)
    server.advance(10)
    for _ in range(1000):
        if client("XLEN", "redkeep:queue:{due}:stream:0"):
            break
    server.call(lambda: None)
    assert 5 < len(calls) < 30, calls
