"""The cost of STORE.LIST, STORE.NAMESPACES and STORE.COUNT as the store grows.

All but a hundred entries of each store are shared by ten namespaces below one prefix; those
hundred are in a namespace of their own. The answers are the same at every size, so their cost
should not grow. All stores are served at once and measured in alternation; the figures are
ratios to the smallest store.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from scripts.benchmarks.drivers import Connection, request
from scripts.benchmarks.rows import Row
from scripts.benchmarks.sampling import median_ratio
from scripts.benchmarks.servers import REDKEEP, Server
from scripts.benchmarks.session import Session

SIZES = (10_000, 100_000, 1_000_000)
SMALL, LARGE = b"acme:small", b"acme:large"
NAMESPACES, ENTRIES = 10, 100
_PUT_AT_ONCE = 1000
_TIMES = 300

# Each question, and the number of items in its answer; -1 if the answer is a number.
QUESTIONS: dict[str, tuple[tuple[bytes, ...], int]] = {
    "LIST, all 100 of a namespace": ((b"STORE.LIST", SMALL), ENTRIES),
    "LIST, 100 from the middle": (
        (b"STORE.LIST", LARGE + b":3", b"AFTER", b"key:5", b"LIMIT", b"100"),
        ENTRIES,
    ),
    "LIST, 10 with a rare prefix": (
        (b"STORE.LIST", LARGE + b":3", b"PREFIX", b"rare:"),
        NAMESPACES,
    ),
    "NAMESPACES, all 10": ((b"STORE.NAMESPACES", LARGE), NAMESPACES),
    "NAMESPACES, 1 segment deep": ((b"STORE.NAMESPACES", b"acme", b"DEPTH", b"1"), 2),
    "COUNT": ((b"STORE.COUNT", SMALL), -1),
}


class Store:
    """A server with `size` entries, and a connection to it."""

    def __init__(self, size: int, connection: Connection) -> None:
        self.size = size
        self._connection = connection
        self._put(SMALL, [b"key:%03d" % number for number in range(ENTRIES)])
        share = (size - ENTRIES) // NAMESPACES - NAMESPACES
        for place in range(NAMESPACES):
            name = b"%b:%d" % (LARGE, place)
            self._put(name, [b"rare:%d" % number for number in range(NAMESPACES)])
            # Spread over the whole byte order, so that AFTER key:5 starts in the middle.
            keys = [b"key:%d:%d" % (number % 10, number) for number in range(share)]
            self._put(name, keys)

    def _put(self, name: bytes, keys: Sequence[bytes]) -> None:
        for start in range(0, len(keys), _PUT_AT_ONCE):
            words = [word for key in keys[start : start + _PUT_AT_ONCE] for word in (key, b"value")]
            assert self._connection.call(b"STORE.MPUT", name, *words) == b"+OK"

    def seconds(self, words: tuple[bytes, ...], items: int) -> float:
        """The average time of a question."""
        encoded, connection = request(*words), self._connection
        started = time.perf_counter()
        for _ in range(_TIMES):
            connection.send(encoded)
            if items < 0:
                assert connection.reply()[:1] == b":"
            else:
                assert len(connection.array()) == items
        return (time.perf_counter() - started) / _TIMES


def measure(session: Session) -> Iterator[Row]:
    with ExitStack() as stack:
        stores = []
        for size in SIZES:
            server = stack.enter_context(Server(REDKEEP))
            connection = stack.enter_context(Connection(server.port))
            stores.append(Store(session.scaled(size, at_least=5_000), connection))
            # Background work that filling the store has left must not fall into the figures.
            time.sleep(1)
        smallest, *larger = stores
        for name, (words, items) in QUESTIONS.items():
            rounds = [
                [store.seconds(words, items) for store in stores] for _ in range(session.rounds)
            ]
            base, *others = zip(*rounds, strict=True)
            for store, seconds in zip(larger, others, strict=True):
                yield Row(
                    f"STORE.{name}, {store.size:,} entries",
                    median_ratio(zip(seconds, base, strict=True)),
                    1.5,
                    1.1,
                    better="low",
                    unit=f"of the cost with {smallest.size:,}",
                )
