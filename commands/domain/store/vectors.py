"""Vectors: 32-bit floats, little-endian, and how near two of them are."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import mul
from struct import Struct

from commands.domain.errors import failure

_SIZE = 4
MOST_NUMBERS = 4096

Vector = tuple[float, ...]
# How near a vector is to the one that was asked for.
Measure = Callable[[Vector], float]


def size_of(blob: bytes) -> int:
    return len(blob) // _SIZE


def checked_vector(blob: bytes) -> bytes:
    """A vector from a client; an error if it is not one."""
    if not blob or len(blob) % _SIZE or size_of(blob) > MOST_NUMBERS:
        raise failure(
            "ERR", "VECTOR must be 1 to {} 32-bit floats of 4 bytes each, not {} bytes",
            str(MOST_NUMBERS), str(len(blob)),
        )  # fmt: skip
    if not all(map(math.isfinite, Reader(size_of(blob)).read(blob) or ())):
        raise failure("ERR", "VECTOR contains a number that is infinite or NaN")
    return blob


class Reader:
    """Reads vectors of one size."""

    def __init__(self, size: int) -> None:
        self._format = Struct(f"<{size}f")

    def read(self, blob: bytes) -> Vector | None:
        """The numbers of a stored vector; None if it has another size."""
        return self._format.unpack(blob) if len(blob) == self._format.size else None


def _cosine(wanted: Vector) -> Measure:
    length = math.hypot(*wanted)

    def similarity(vector: Vector) -> float:
        lengths = length * math.hypot(*vector)
        return sum(map(mul, wanted, vector)) / lengths if lengths else 0.0

    return similarity


def _dot(wanted: Vector) -> Measure:
    return lambda vector: sum(map(mul, wanted, vector))


def _l2(wanted: Vector) -> Measure:
    return lambda vector: math.dist(wanted, vector)


# Each metric, and whether a greater number means nearer.
METRICS: dict[bytes, tuple[Callable[[Vector], Measure], bool]] = {
    b"COSINE": (_cosine, True),
    b"DOT": (_dot, True),
    b"L2": (_l2, False),
}
