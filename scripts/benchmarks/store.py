"""What STORE.LIST, STORE.NAMESPACES and STORE.COUNT cost as the store grows around their answers.

Every store has ten namespaces below one prefix, which share all entries but a hundred; those
are the entries of one namespace more. The questions have the same answers at every size, so
what they cost should not grow. Figures are medians over alternating rounds, all stores being
served at once, as ratios to the smallest store.

    scripts/benchmarks/store.py [--rounds 5] [--sizes 10000 --sizes 100000 --sizes 1000000]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmark import Row, Target, redkeep, request
from benchmarks.checkpoints import Driver

SMALL, LARGE = b"acme:small", b"acme:large"
NAMESPACES, ENTRIES = 10, 100
_PUT_AT_ONCE = 1000

QUESTIONS: dict[str, tuple[tuple[bytes, ...], int]] = {
    # A question, and how many items its answer has; -1 is for a number.
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
    """A server with so many entries, and a connection to it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._target = Target(f"{size:,}", redkeep)
        self._driver = Driver(self._target.port)
        self._put(SMALL, [b"key:%03d" % number for number in range(ENTRIES)])
        share = (size - ENTRIES) // NAMESPACES - NAMESPACES
        for place in range(NAMESPACES):
            name = b"%b:%d" % (LARGE, place)
            self._put(name, [b"rare:%d" % number for number in range(NAMESPACES)])
            # Spread over the whole of the byte order, so that the middle is the middle.
            keys = [b"key:%d:%d" % (number % 10, number) for number in range(share)]
            self._put(name, keys)

    def _put(self, name: bytes, keys: Sequence[bytes]) -> None:
        for start in range(0, len(keys), _PUT_AT_ONCE):
            words = [word for key in keys[start : start + _PUT_AT_ONCE] for word in (key, b"value")]
            self._driver.send(request(b"STORE.MPUT", name, *words))
            assert self._driver.bulk() == b"+OK"

    def seconds(self, words: tuple[bytes, ...], items: int, times: int) -> float:
        """The time of one question, over so many of them."""
        encoded, driver = request(*words), self._driver
        started = time.perf_counter()
        for _ in range(times):
            driver.send(encoded)
            if items < 0:
                assert driver.bulk()[:1] == b":"
            else:
                assert len(driver.array()) == items
        return (time.perf_counter() - started) / times

    def close(self) -> None:
        self._driver.close()
        self._target.close()


def measure(sizes: Sequence[int], rounds: int, times: int = 300) -> Iterator[Row]:
    """The rows of the table."""
    stores: list[Store] = []
    try:
        for size in sorted(sizes):
            stores.append(Store(size))
            time.sleep(1)  # what loading left to be done in the background
        for name, (words, items) in QUESTIONS.items():
            taken: list[list[float]] = [[] for _ in stores]
            for _ in range(rounds):
                for store, seconds in zip(stores, taken, strict=True):
                    seconds.append(store.seconds(words, items, times))
            for store, seconds in zip(stores[1:], taken[1:], strict=True):
                ratio = statistics.median(
                    large / small for large, small in zip(seconds, taken[0], strict=True)
                )
                yield Row(
                    f"STORE.{name}, {store.size:,} entries",
                    ratio,
                    1.5,
                    1.1,
                    better="low",
                    unit=f"of the cost with {stores[0].size:,}",
                )
    finally:
        for store in stores:
            store.close()


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Alternating rounds per figure.")
@click.option(
    "--sizes", multiple=True, default=(10_000, 100_000, 1_000_000), help="Entries of each store."
)
def main(rounds: int, sizes: tuple[int, ...]) -> None:
    """Measure questions with equal answers in stores of different sizes."""
    for row in measure(sizes, rounds):
        click.echo(
            f"{row.name:<58} {row.ratio:6.2f} {row.unit}   hold {row.hold:g}  reach {row.reach:g}"
        )


if __name__ == "__main__":
    main()
