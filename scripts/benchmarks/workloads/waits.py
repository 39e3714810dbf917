"""How long others wait while a domain command does much, and what many collections cost.

All figures are milliseconds or percent of a core, because a user feels the wait itself. The
largest sizes are those that were found to stall a server.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator

from scripts.benchmarks.bystander import Bystander
from scripts.benchmarks.drivers import Connection, request
from scripts.benchmarks.rows import Row
from scripts.benchmarks.servers import REDKEEP, Server
from scripts.benchmarks.session import Session

_PIPELINED = 200
_IDLE_SECONDS = 5
_SETTLE_SECONDS = 2
# The size of a vector.
_NUMBERS = 384
# Kind, target and spec of a job.
JOB = (b"train", b"t", b"{}")


# The words of the nth request.
Make = Callable[[int], tuple[bytes, ...]]


class Client:
    """A connection that prepares a server and runs the commands that are watched."""

    def __init__(self, server: Server) -> None:
        self._connection = Connection(server.port)

    def many(self, count: int, make: Make) -> None:
        """Send so many requests, and check that none is refused."""
        for start in range(0, count, _PIPELINED):
            numbers = range(start, min(start + _PIPELINED, count))
            self._connection.send(b"".join(request(*make(number)) for number in numbers))
            for _ in numbers:
                self._drain()

    def count(self, *words: bytes) -> int:
        """The integer that a command replies with."""
        reply = self._connection.call(*words)
        assert reply[:1] == b":", reply
        return int(reply[1:])

    def run(self, *words: bytes) -> None:
        self._connection.send(request(*words))
        self._drain()

    def pages(self, *words: bytes) -> None:
        """Read all pages of a list."""
        cursor = b"0"
        while True:
            self._connection.send(request(*words, b"CURSOR", cursor))
            assert self._connection.reply() == b"*2"
            cursor = self._connection.reply()
            self._drain()
            if cursor == b"0":
                return

    def _drain(self) -> None:
        """Read a whole reply, whatever its shape."""
        left = 1
        while left:
            reply = self._connection.reply()
            assert reply[:1] != b"-", reply
            left -= 1
            if reply[:1] == b"*" and reply[1:].isdigit():
                left += int(reply[1:])


def measure(session: Session) -> Iterator[Row]:
    for name, watch in (
        ("JOB.PRUNE of {:,} ended jobs", _prune),
        ("the end of a job with {:,} dependents", _release),
        ("QUEUE.REPLAY of {:,} dead letters", _replay),
        ("STORE.SEARCH over {:,} entries", _search),
        ("STORE.NEAR over {:,} vectors", _near),
        ("STORE.CLEAR of {:,} entries", _clear),
    ):
        count = session.scaled(_SIZES[watch], at_least=500)
        with Server(REDKEEP) as server:
            client = Client(server)
            longest = watch(server, client, count)
        label = f"longest wait of others during {name.format(count)} (ms)"
        yield Row(label, longest, 20, 10, better="low", unit="ms")
    yield from _idle(session)


def _watched(server: Server, work: Callable[[], None]) -> float:
    with Bystander(server) as bystander:
        work()
        # What the command has left to the timer.
        time.sleep(_SETTLE_SECONDS)
    return bystander.longest_ms


def _prune(server: Server, client: Client, count: int) -> float:
    client.many(count, lambda n: (b"JOB.SUBMIT", b"p", *JOB, b"ID", b"%032x" % n))
    client.many(count, lambda n: (b"JOB.CANCEL", b"p", b"%032x" % n))

    def prune() -> None:
        while client.count(b"JOB.PRUNE", b"p", b"OLDER", b"0"):
            pass

    return _watched(server, prune)


def _release(server: Server, client: Client, count: int) -> float:
    first = b"%032x" % 0
    client.run(b"JOB.SUBMIT", b"p", *JOB, b"ID", first)
    client.many(count, lambda n: (b"JOB.SUBMIT", b"p", *JOB, b"AFTER", b"1", first))
    client.run(b"JOB.CLAIM", b"p", b"w")
    return _watched(server, lambda: client.run(b"JOB.COMPLETE", b"p", first))


def _replay(server: Server, client: Client, count: int) -> float:
    client.run(b"CONFIG", b"SET", b"queue-max-deliveries", b"1")
    client.many(count, lambda n: (b"QUEUE.PUSH", b"q", b"x"))
    read = (b"QUEUE.READ", b"q", b"g", b"c", b"COUNT", b"100", b"LEASE", b"1")
    client.many(-(-count // 100), lambda n: read)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        client.run(b"QUEUE.READ", b"q", b"g", b"c", b"COUNT", b"1")
        time.sleep(0.2)
        if client.count(b"ZCARD", b"redkeep:queue:{q}:dead:g") >= count:
            break

    def replay() -> None:
        while client.count(b"QUEUE.REPLAY", b"q", b"g"):
            pass

    return _watched(server, replay)


def _entries(client: Client, count: int) -> None:
    client.many(
        count,
        lambda n: (b"STORE.PUT", b"acme:n%d" % (n % 100), b"k%d" % n, b'{"n":%d}' % n),
    )


def _search(server: Server, client: Client, count: int) -> float:
    _entries(client, count)
    return _watched(server, lambda: client.pages(b"STORE.SEARCH", b"acme", b"FILTER", b'{"n":-1}'))


def _near(server: Server, client: Client, count: int) -> float:
    vector = array("f", [1.0] * _NUMBERS).tobytes()
    client.many(count, lambda n: (b"STORE.PUT", b"acme", b"k%d" % n, b"x", b"VECTOR", vector))
    return _watched(server, lambda: client.pages(b"STORE.NEAR", b"acme", b"VECTOR", vector))


def _clear(server: Server, client: Client, count: int) -> float:
    _entries(client, count)

    def clear() -> None:
        while client.count(b"STORE.CLEAR", b"acme", b"SUBTREE"):
            pass

    return _watched(server, clear)


_SIZES = {
    _prune: 100_000,
    _release: 20_000,
    _replay: 30_000,
    _search: 100_000,
    _near: 20_000,
    _clear: 100_000,
}


def _idle(session: Session) -> Iterator[Row]:
    """What pools and queues with something timed cost while nothing is due."""
    count = session.scaled(20_000, at_least=500)
    with Server(REDKEEP) as server:
        client = Client(server)
        day = b"86400000"
        client.many(count, lambda n: (b"JOB.SUBMIT", b"p%d" % n, *JOB, b"DELAY", day))
        client.many(count, lambda n: (b"QUEUE.PUSH", b"q%d" % n, b"x", b"DELAY", day))
        time.sleep(_SETTLE_SECONDS)
        before = server.processor_seconds()
        time.sleep(_IDLE_SECONDS)
        share = (server.processor_seconds() - before) / _IDLE_SECONDS
        with Bystander(server) as bystander:
            time.sleep(_IDLE_SECONDS)
    names = f"{count:,} pools and {count:,} queues, nothing due"
    yield Row(f"idle with {names} (% of a core)", 100 * share, 5, 2, better="low", unit="%")
    label = f"longest wait with {names} (ms)"
    yield Row(label, bystander.longest_ms, 20, 10, better="low", unit="ms")
