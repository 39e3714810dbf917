"""The checkpoint workload beside the plain commands that it replaces.

Redkeep is asked with CP.*; the reference server with what a client of the same layout sends
it: MULTI, ZADD, HSET and EXEC in one piece for a put, ZREVRANGE and then HGET for the latest,
ZREVRANGE and then one HGET after the other for a history. Both over one blocking connection,
with the same small driver, in alternation; what is shown is the median of the ratios of
operations per second.

    scripts/benchmarks/checkpoints.py [--rounds 5] [--state 1000]
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark import Row, Target, redkeep, reference, request

TENANT, THREAD = b"acme", b"thread-1"
BY_STEP = b"entelix:cp:%b:%b:bystep" % (TENANT, THREAD)
BY_ID = b"entelix:cp:%b:%b:byid" % (TENANT, THREAD)
HISTORY = 100
Operation = Callable[["Driver"], None]


class Driver:
    """A connection that sends what is encoded already and reads replies as little as it can."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._at = 0

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def bulk(self) -> bytes:
        """A reply that is a bulk string, or the line of any other that is not an array."""
        line = self._line()
        if line[:1] != b"$" or line == b"$-1":
            return line
        size = int(line[1:])
        while len(self._data) < self._at + size + 2:
            self._more()
        start = self._at
        self._at = start + size + 2
        return self._data[start : start + size]

    def array(self) -> list[bytes]:
        line = self._line()
        assert line[:1] == b"*", line
        return [self.bulk() for _ in range(int(line[1:]))]

    def _line(self) -> bytes:
        while (end := self._data.find(b"\r\n", self._at)) < 0:
            self._more()
        start, self._at = self._at, end + 2
        return self._data[start:end]

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        assert data, "the server closed the connection"
        self._data = self._data[self._at :] + data
        self._at = 0


class Workload:
    """The operations in both forms, on checkpoints with states of one size."""

    def __init__(self, state_size: int) -> None:
        self.state = sample_state(state_size)
        self.steps = HISTORY

    def fill(self, driver: Driver) -> None:
        """The same checkpoints on both servers, written with plain commands."""
        for step in range(HISTORY):
            driver.send(self._plain_put(step))
            self._read_exec(driver)

    def put(self, driver: Driver) -> None:
        self.steps += 1
        step, checkpoint = b"%d" % self.steps, identifier(self.steps)
        driver.send(
            request(
                *(b"CP.PUT", TENANT, THREAD, b"STEP", step),
                *(b"STATE", self.state, b"ID", checkpoint),
            )
        )
        assert len(driver.bulk()) == 36

    def plain_put(self, driver: Driver) -> None:
        self.steps += 1
        driver.send(self._plain_put(self.steps))
        self._read_exec(driver)

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
    def _read_exec(driver: Driver) -> None:
        for _ in range(3):
            driver.bulk()
        assert len(driver.array()) == 2

    @staticmethod
    def latest(driver: Driver) -> None:
        driver.send(request(b"CP.LATEST", TENANT, THREAD))
        assert driver.bulk()[:1] == b"{"

    @staticmethod
    def plain_latest(driver: Driver) -> None:
        driver.send(request(b"ZREVRANGE", BY_STEP, b"0", b"0"))
        driver.send(request(b"HGET", BY_ID, driver.array()[0]))
        assert driver.bulk()[:1] == b"{"

    @staticmethod
    def history(driver: Driver) -> None:
        driver.send(request(b"CP.HISTORY", TENANT, THREAD, b"LIMIT", b"%d" % HISTORY))
        assert len(driver.array()) == HISTORY

    @staticmethod
    def plain_history(driver: Driver) -> None:
        driver.send(request(b"ZREVRANGE", BY_STEP, b"0", b"%d" % (HISTORY - 1)))
        ids = driver.array()
        assert len(ids) == HISTORY
        for checkpoint in ids:
            driver.send(request(b"HGET", BY_ID, checkpoint))
            assert driver.bulk()[:1] == b"{"

    def turn(self, driver: Driver) -> None:
        """What an agent does in a turn: put, look at the latest, look back."""
        self.put(driver)
        self.latest(driver)
        self.history(driver)

    def plain_turn(self, driver: Driver) -> None:
        self.plain_put(driver)
        self.plain_latest(driver)
        self.plain_history(driver)


def identifier(number: int) -> bytes:
    return b"01890a5d-ac96-774b-bcce-%012x" % number


def sample_state(size: int) -> bytes:
    """The state of a conversation, of about this many bytes."""
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


def rate(operation: Operation, driver: Driver, seconds: float) -> float:
    """Operations per second."""
    started = time.perf_counter()
    done = 0
    while (elapsed := time.perf_counter() - started) < seconds:
        operation(driver)
        done += 1
    return done / elapsed


def measure(
    ours: Target, theirs: Target, rounds: int, state_size: int, seconds: float = 0.5
) -> Iterator[Row]:
    """The rows of the table."""
    work = Workload(state_size)
    mine, other = Driver(ours.port), Driver(theirs.port)
    for driver in (mine, other):
        driver.send(request(b"DEL", BY_STEP, BY_ID))
        driver.bulk()
        work.fill(driver)
    # A put is one round trip in either form, so all that it can gain is the reading of three
    # requests; what is looked up takes the plain form two round trips, or a hundred and one.
    pairs: list[tuple[str, Operation, Operation, float, float]] = [
        ("put", work.put, work.plain_put, 0.25, 1.0),
        ("latest", work.latest, work.plain_latest, 0.8, 1.2),
        (f"history of {HISTORY}", work.history, work.plain_history, 2.0, 5.0),
        ("one of each", work.turn, work.plain_turn, 2.0, 5.0),
    ]
    for name, operation, plain, hold, reach in pairs:
        ratios = []
        for number in range(rounds):
            order = ((operation, mine), (plain, other))
            rates = [rate(*one, seconds) for one in (order if number % 2 else order[::-1])]
            ratios.append(rates[0] / rates[1] if number % 2 else rates[1] / rates[0])
        label = f"checkpoints: {name}, {len(work.state):,} byte states"
        yield Row(label, statistics.median(ratios), hold, reach)
    mine.close()
    other.close()


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Alternating pairs per figure.")
@click.option("--state", "sizes", default=[1000], multiple=True, help="Bytes of a state.")
def main(rounds: int, sizes: list[int]) -> None:
    """Measure CP.* against the plain commands on the reference server."""
    ours, theirs = Target("redkeep", redkeep), Target("reference", reference)
    try:
        for size in sizes:
            for row in measure(ours, theirs, rounds, size):
                click.echo(
                    f"{row.name:<58} {row.ratio:6.2f}   hold {row.hold:g}  reach {row.reach:g}"
                )
    finally:
        ours.close()
        theirs.close()


if __name__ == "__main__":
    main()
