"""Checkpoints, against the plain commands that they replace.

Redkeep receives CP.*. The reference receives what a client with the same layout sends: MULTI,
ZADD, HSET and EXEC in one piece for a put, ZREVRANGE and then HGET for the latest, ZREVRANGE
and then one HGET after another for a history. Both are driven over one blocking connection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

from scripts.benchmarks.drivers import Connection, request
from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import alternate, median_ratio, rate
from scripts.benchmarks.session import Session

TENANT, THREAD = b"acme", b"thread-1"
BY_STEP = b"entelix:cp:%b:%b:bystep" % (TENANT, THREAD)
BY_ID = b"entelix:cp:%b:%b:byid" % (TENANT, THREAD)
HISTORY = 100
STATE_SIZES = (1_000, 10_000)
_SECONDS = 0.5
Operation = Callable[[Connection], None]


class Workload:
    """Each operation in both forms, on checkpoints whose states have one size."""

    def __init__(self, state_size: int) -> None:
        self.state = sample_state(state_size)
        self.steps = HISTORY

    def fill(self, connection: Connection) -> None:
        """Write the first checkpoints with plain commands, so that both servers hold the same."""
        for step in range(HISTORY):
            connection.send(self._plain_put(step))
            self._read_exec(connection)

    def put(self, connection: Connection) -> None:
        self.steps += 1
        step, checkpoint = b"%d" % self.steps, identifier(self.steps)
        reply = connection.call(
            *(b"CP.PUT", TENANT, THREAD, b"STEP", step),
            *(b"STATE", self.state, b"ID", checkpoint),
        )
        assert len(reply) == 36, reply

    def plain_put(self, connection: Connection) -> None:
        self.steps += 1
        connection.send(self._plain_put(self.steps))
        self._read_exec(connection)

    def _plain_put(self, step: int) -> bytes:
        envelope = (
            b'{"schema_version":1,"body":{"id":"%b","tenant_id":"%b","thread_id":"%b",'
            b'"parent_id":null,"step":%d,"state":%b,"next_node":null,'
            b'"timestamp":"2026-01-01T00:00:00.%06dZ"}}'
            % (identifier(step), TENANT, THREAD, step, self.state, step)
        )
        return (
            request(b"MULTI")
            + request(b"ZADD", BY_STEP, b"%d" % step, identifier(step))
            + request(b"HSET", BY_ID, identifier(step), envelope)
            + request(b"EXEC")
        )

    @staticmethod
    def _read_exec(connection: Connection) -> None:
        for _ in range(3):
            connection.reply()
        assert len(connection.array()) == 2

    @staticmethod
    def latest(connection: Connection) -> None:
        assert connection.call(b"CP.LATEST", TENANT, THREAD)[:1] == b"{"

    @staticmethod
    def plain_latest(connection: Connection) -> None:
        connection.send(request(b"ZREVRANGE", BY_STEP, b"0", b"0"))
        assert connection.call(b"HGET", BY_ID, connection.array()[0])[:1] == b"{"

    @staticmethod
    def history(connection: Connection) -> None:
        connection.send(request(b"CP.HISTORY", TENANT, THREAD, b"LIMIT", b"%d" % HISTORY))
        assert len(connection.array()) == HISTORY

    @staticmethod
    def plain_history(connection: Connection) -> None:
        connection.send(request(b"ZREVRANGE", BY_STEP, b"0", b"%d" % (HISTORY - 1)))
        ids = connection.array()
        assert len(ids) == HISTORY
        for checkpoint in ids:
            assert connection.call(b"HGET", BY_ID, checkpoint)[:1] == b"{"

    def turn(self, connection: Connection) -> None:
        """What an agent does in a turn: put a checkpoint, read the latest, read the history."""
        self.put(connection)
        self.latest(connection)
        self.history(connection)

    def plain_turn(self, connection: Connection) -> None:
        self.plain_put(connection)
        self.plain_latest(connection)
        self.plain_history(connection)


def identifier(number: int) -> bytes:
    return b"01890a5d-ac96-774b-bcce-%012x" % number


def sample_state(size: int) -> bytes:
    """The state of a conversation, as JSON of about this many bytes."""
    messages: list[dict[str, object]] = []
    text = b""
    while len(text) < size:
        number = len(messages)
        words = "the state of the graph after this step, as a model has said it"[: 20 + number % 40]
        messages.append(
            {"role": "user" if number % 2 else "assistant", "content": words, "n": number}
        )
        text = json.dumps({"messages": messages, "cursor": 17}).encode()
    return text


def measure(session: Session) -> Iterator[Row]:
    session.flush()
    for size in STATE_SIZES:
        yield from _measure_size(session, size)


def _measure_size(session: Session, state_size: int) -> Iterator[Row]:
    work = Workload(state_size)
    # A put is one round trip in either form, so it can only gain the parsing of three requests.
    # The plain form needs two round trips for the latest, and a hundred and one for a history.
    operations: list[tuple[str, Operation, Operation, float, float]] = [
        ("put", work.put, work.plain_put, 0.25, 1.0),
        ("latest", work.latest, work.plain_latest, 0.8, 1.2),
        (f"history of {HISTORY}", work.history, work.plain_history, 2.0, 5.0),
        ("one of each", work.turn, work.plain_turn, 5.0, 10.0),
    ]
    with Connection(session.ours.port) as ours, Connection(session.theirs.port) as theirs:
        for connection in (ours, theirs):
            connection.call(b"DEL", BY_STEP, BY_ID)
            work.fill(connection)
        for name, operation, plain, hold, reach in operations:
            pairs = alternate(
                session.rounds,
                partial(rate, partial(operation, ours), _SECONDS),
                partial(rate, partial(plain, theirs), _SECONDS),
            )
            label = f"checkpoints: {name}, {len(work.state):,} byte states"
            yield Row(label, median_ratio(pairs), hold, reach)
