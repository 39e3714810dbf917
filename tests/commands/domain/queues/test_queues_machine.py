"""Random work on one queue, compared with a model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.support.queues import NOW, read, rows
from tests.support.servers import Loop, RunningServer


class Machine(RuleBasedStateMachine):
    """Random work on one queue: no message is lost, duplicated, or leased twice at once."""

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
        self.end_leases()
        ready = {payload for payload, at in self.waiting.items() if at <= now}
        found = read(self.client, "COUNT", count, "LEASE", lease)
        assert len(found) == min(count, len(ready))
        for row in found:
            payload = row[b"payload"]
            assert payload in ready
            del self.waiting[payload]
            self.deliveries[payload] = self.deliveries.get(payload, 0) + 1
            assert row[b"attempt"] == self.deliveries[payload]
            self.out[payload] = (row[b"id"], now + lease)

    def end_leases(self) -> None:
        """Apply the leases that have expired by now to the model."""
        for payload, (message, until) in list(self.out.items()):
            if until <= self.now:
                del self.out[payload]
                if self.deliveries[payload] >= 3:
                    self.dead[payload] = message
                else:
                    self.waiting[payload] = self.now

    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        self.end_leases()
        if self.out:
            payload = data.draw(st.sampled_from(sorted(self.out)))
            assert self.client("QUEUE.ACK", "q", "g", self.out.pop(payload)[0]) == 1

    @rule(data=st.data(), delay=st.sampled_from([0, 100]))
    def nack(self, data: st.DataObject, delay: int) -> None:
        self.end_leases()
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
        self.end_leases()
        # Messages whose lease expired may become dead letters during the replay.
        read_none = self.client("QUEUE.DEAD", "q", "g")[1]
        replayed = self.client("QUEUE.REPLAY", "q", "g")
        assert replayed >= len(read_none)
        for row in rows(read_none):
            payload = row[b"payload"]
            del self.dead[payload]
            self.deliveries[payload] = 0
            self.waiting[payload] = self.now

    @rule(ms=st.sampled_from([1, 29, 40, 300, 2000]))
    def advance(self, ms: int) -> None:
        self.server.advance(ms)
        # The sweep that follows has run by the time these are done.
        for _ in range(3):
            self.server.call(lambda: None)
            self.client("PING")

    @invariant()
    def nothing_is_lost(self) -> None:
        self.end_leases()
        facts = self.client("QUEUE.INFO", "q")
        if facts is None:
            assert not self.pushed
            return
        held = len(self.waiting) + len(self.out) + len(self.dead)
        assert facts[3] + facts[5] == held


def test_random_work_matches_the_model(loop: Loop) -> None:
    server = loop.start_server()
    try:
        machine = type("QueueMachine", (Machine,), {"server": server})
        run_state_machine_as_test(
            machine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
        )
    finally:
        server.close()
