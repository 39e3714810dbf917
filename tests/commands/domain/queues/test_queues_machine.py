"""Random work on one queue, compared step by step with a model in plain Python.

The machine sends commands to a server without sockets, and only it moves the clock and runs the
sweep. Several consumers work in several groups, which may begin at any time; they come late,
report twice, or vanish, and the server restarts from its log or a snapshot.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.domain.queues.model import NOT_OWNER, Message, Model
from tests.commands.domain.queues.test_healing import Patrolled
from tests.support.queues import NOW, rows
from tests.support.resp import NULL_ARRAY, Error, Word

GROUPS = [b"A", b"B", b"C"]
STREAM = "redkeep:queue:{q}:stream:%d"
IDLE = 40_000
KEEP = 100_000
TTL = 30_000
MAX_DEAD = 3
STEPS = 120
DEEP_PROGRAMS = 20_000

# How often each kind of step is taken.
WEIGHTS = {
    "push": 12,
    "push_with_xadd": 2,
    "cancel": 1,
    "read": 20,
    "create_group": 1,
    "ack": 14,
    "nack": 8,
    "extend": 4,
    "replay": 2,
    "beat": 2,
    "deregister": 1,
    "drop_group": 0.5,
    "purge": 0.2,
    "advance": 10,
    "sweep": 6,
    "patrol": 1,
    "restart": 1,
}


class Program:
    """One random program: no message is lost, none is held twice, and all numbers are right."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.server = Patrolled(NOW)
        self.model = Model(max_deliveries=2, idle_after=IDLE, max_dead=MAX_DEAD, ttl=TTL, keep=KEEP)
        self.model.now = NOW
        self.pushed = 0
        # All names of messages that a group was given: payload, id, token.
        self.names: dict[bytes, list[tuple[bytes, bytes, bytes]]] = {name: [] for name in GROUPS}
        self.configure()
        self.send("QUEUE.CONFIG", "q", "MAXDELIVERIES", 2, "IDLEGROUP", IDLE)

    def configure(self) -> None:
        self.send("CONFIG", "SET", "presence-keep-ms", KEEP)
        self.send("CONFIG", "SET", "queue-max-dead-letters", MAX_DEAD)

    def send(self, *words: Word) -> Any:
        return self.server(*words)

    def play(self) -> None:
        steps = self.rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
        for step in steps:
            getattr(self, step)()
            self.numbers_are_right()
            self.what_is_held_is_right()
            self.presence_is_exact()
        self.everything_arrives()

    def a_group(self) -> bytes:
        return self.rng.choices(GROUPS, (6, 2, 1))[0]

    # --- pushing --------------------------------------------------------------------------

    def push(self) -> None:
        rng = self.rng
        number = rng.choice((1, 1, 2, 4))
        level, order = rng.choice((0, 0, 0, 3, 9)), rng.choice((None, None, b"k", b"l:"))
        delay = rng.choice((0, 0, 0, 50, 60_000))
        payloads = [b"%d" % (self.pushed + at) for at in range(number)]
        self.pushed += number
        words: list[Word] = [] if order is None else ["ORDER", order]
        words += ("PRIORITY", level, "DELAY", delay)
        if number == 1:
            ids = [self.send("QUEUE.PUSH", "q", payloads[0], *words)]
        else:
            ids = self.send("QUEUE.MPUSH", "q", "MESSAGES", number, *payloads, *words)
        for payload, message in zip(payloads, ids, strict=True):
            due = self.model.now + delay
            if delay:
                self.model.push(Message(payload, level, order, delayed_id=message, due=due))
            else:
                self.model.push(Message(payload, level, order, id=message))

    def push_with_xadd(self) -> None:
        level = self.rng.choice((0, 0, 9))
        payload = b"%d" % self.pushed
        self.pushed += 1
        entry = self.send("XADD", STREAM % level, "*", "payload", payload)
        message = entry + (b"@%d" % level if level else b"")
        self.model.push(Message(payload, level, None, id=message))

    def cancel(self) -> None:
        ids = [message.delayed_id or b"" for message in self.model.delayed]
        message = self.rng.choice(ids) if ids else b"d00000000000000ff"
        assert self.send("QUEUE.CANCEL", "q", message) == self.model.cancel(message)

    # --- reading --------------------------------------------------------------------------

    def read(self) -> None:
        rng, group = self.rng, self.a_group()
        consumer = rng.choice((b"c", b"d"))
        count, lease = rng.choice((1, 2, 5, 100)), rng.choice((40, 1000, 50_000))
        until = self.model.now + lease
        reply = self.send("QUEUE.READ", "q", group, consumer, "COUNT", count, "LEASE", lease)
        found = [] if reply is NULL_ARRAY else rows(reply)
        expected = self.model.read(group, consumer, count, until)
        assert [row[b"payload"] for row in found] == [one.message.payload for one in expected]
        for row, one in zip(found, expected, strict=True):
            assert (row[b"attempt"], row[b"lease_until"]) == (one.attempt, until)
            assert row[b"priority"] == one.message.level
            assert one.message.id in (None, row[b"id"])
            one.message.id, one.token = row[b"id"], row[b"token"]
            self.names[group].append((one.message.payload, row[b"id"], row[b"token"]))

    def create_group(self) -> None:
        """As any client may; nobody has read it yet."""
        group = self.a_group()
        if group not in self.model.groups:
            self.send("XGROUP", "CREATE", STREAM % 0, group, 0, "MKSTREAM")
            self.model.group(group)

    # --- reports --------------------------------------------------------------------------

    def a_name(self, group: bytes, *, by_token: bool) -> tuple[bytes, bytes, bytes | None]:
        """A message that the group was once given: payload, how it is named, and the token."""
        names = self.names[group]
        if not names:
            return b"", b"5-5", None
        # Mostly one of the latest deliveries.
        back = self.rng.choice((1, 1, 1, 2, 2, 3, 4, 6, 10, 20, 50))
        payload, message, token = names[-min(len(names), back)]
        return payload, token if by_token else message, token if by_token else None

    def ack(self) -> None:
        group = self.a_group()
        named = [
            self.a_name(group, by_token=self.rng.random() < 0.6)
            for _ in range(self.rng.choice((1, 1, 2, 3)))
        ]
        words = [word for _, word, _ in named]
        expected = self.model.ack(group, [(payload, token) for payload, _, token in named])
        self.check(self.send("QUEUE.ACK", "q", group, *words), expected)

    def nack(self) -> None:
        group, delay = self.a_group(), self.rng.choice((0, 50))
        payload, word, token = self.a_name(group, by_token=self.rng.random() < 0.6)
        expected = self.model.nack(group, payload, token, delay)
        self.check(self.send("QUEUE.NACK", "q", group, word, "DELAY", delay), expected)

    def extend(self) -> None:
        group, ms = self.a_group(), self.rng.choice((10, 5000))
        payload, word, token = self.a_name(group, by_token=True)
        if token is not None:
            expected = self.model.extend(group, payload, token, ms)
            self.check(self.send("QUEUE.EXTEND", "q", group, word, ms), expected)

    def check(self, reply: Any, expected: int | str) -> None:
        if expected == NOT_OWNER:
            assert isinstance(reply, Error) and reply.text.startswith(NOT_OWNER), reply
        else:
            assert reply == expected

    def replay(self) -> None:
        group, count = self.a_group(), self.rng.choice((1, 2, 100))
        reply = self.send("QUEUE.REPLAY", "q", group, "COUNT", count)
        assert reply == self.model.replay(group, count)

    # --- consumers ------------------------------------------------------------------------

    def beat(self) -> None:
        group, consumer = self.a_group(), self.rng.choice((b"c", b"e"))
        assert self.send("QUEUE.HEARTBEAT", "q", group, consumer) == "OK"
        self.model.beat(group, consumer)

    def deregister(self) -> None:
        group, consumer = self.a_group(), self.rng.choice((b"c", b"e"))
        known = self.model.seen.pop((group, consumer), None) is not None
        assert self.send("QUEUE.DEREGISTER", "q", group, consumer) == known

    # --- removal, time, restarts ----------------------------------------------------------

    def drop_group(self) -> None:
        group = self.a_group()
        assert self.send("QUEUE.DROP", "q", group) == self.model.drop(group)

    def purge(self) -> None:
        assert self.send("QUEUE.PURGE", "q") == self.model.purge()

    def advance(self) -> None:
        choices = (1, 1, 40, 50, 1000, 5000, 20_000, 45_000, 120_000, -300, -30_000)
        ms = self.rng.choice(choices)
        self.server.advance(ms)
        self.model.now += ms

    def sweep(self) -> None:
        self.server.sweep()
        self.model.sweep()

    def patrol(self) -> None:
        self.server.patrol()
        for group in self.model.groups.values():
            if group.last_read is None and group.idle_at is None:
                group.last_read = self.model.now
        self.model.clean()

    def restart(self) -> None:
        before, old = self.send("DEBUG", "DIGEST"), self.server
        self.server = Patrolled(self.model.now)
        if self.rng.random() < 0.5:
            self.server.replay(old.take_log())
        else:
            for key in old("KEYS", "*"):
                deadline = max(0, old("PEXPIRETIME", key))
                self.send("RESTORE", key, deadline, old("DUMP", key), "ABSTTL")
        assert self.send("DEBUG", "DIGEST") == before
        self.configure()

    # --- what is always true --------------------------------------------------------------

    def numbers_are_right(self) -> None:
        reply = self.server("QUEUE.INFO", "q")
        if reply is None:
            return
        facts = dict(zip(reply[::2], reply[1::2], strict=True))
        model = self.model
        assert facts[b"messages"] == len(model.messages)
        assert facts[b"delayed"] == len(model.delayed)
        found = {row.pop(b"name"): row for row in rows(facts[b"groups"])}
        assert found == {name: model.counts(name) for name in model.groups}

    def what_is_held_is_right(self) -> None:
        for name, group in self.model.groups.items():
            held = [one for one in group.received.values() if one.state == "held"]
            cursor, found = self.server("QUEUE.PENDING", "q", name, "COUNT", 1000)
            assert cursor == b"0"
            shown = [(row[b"id"], row[b"attempt"], row[b"lease_until"]) for row in rows(found)]
            assert sorted(shown) == sorted((one.message.id, one.attempt, one.at) for one in held)

    def presence_is_exact(self) -> None:
        found = rows(self.server("QUEUE.PRESENCE", "q"))
        shown = [
            (
                row[b"group"],
                row[b"consumer"],
                row[b"registered_at_ns"] // 1_000_000,
                row[b"last_heartbeat_ns"] // 1_000_000,
                row[b"state"],
            )
            for row in found
        ]
        assert shown == self.model.presence()

    def everything_arrives(self) -> None:
        """In the end every group that exists gets every message that it has not confirmed."""
        for name, group in self.model.groups.items():
            lacking = {
                message.payload
                for message in self.model.messages.values()
                if not group.has_confirmed(message)
            }
            dead = {one.message.payload for one in self.model.dead(name)}
            assert self._drain(name) | dead >= lacking

    def _drain(self, group: bytes) -> set[bytes]:
        """Everything that a group can still read, confirmed at once."""
        self.server("QUEUE.CONFIG", "q", "MAXDELIVERIES", 0)
        self.server.advance(200_000)
        found: set[bytes] = set()
        while True:
            reply = self.server("QUEUE.READ", "q", group, "c", "COUNT", 100)
            if reply is NULL_ARRAY:
                return found
            for row in rows(reply):
                assert row[b"payload"] not in found
                found.add(row[b"payload"])
                assert self.server("QUEUE.ACK", "q", group, row[b"token"]) == 1


@pytest.fixture
def stopped_clock() -> None:
    """There is no server to stop the clock of."""


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_random_programs_match_the_model(rng: random.Random) -> None:
    Program(rng).play()


@pytest.mark.parametrize("seed", range(50))
def test_these_programs_match_the_model(seed: int) -> None:
    Program(random.Random(seed)).play()


@pytest.mark.deep
def test_many_programs_match_the_model() -> None:
    for seed in range(DEEP_PROGRAMS):
        try:
            Program(random.Random(seed)).play()
        except Exception as fault:
            raise AssertionError(f"seed {seed}") from fault
