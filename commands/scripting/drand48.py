"""The random numbers of scripts: those of `drand48`, so a seed gives what it gives in Redis."""

from __future__ import annotations

_MULTIPLIER, _INCREMENT, _MASK = 0x5DEECE66D, 0xB, 2**48 - 1
_LOW, _START = 0x330E, 0x1234ABCD
_LARGEST = 2**31 - 1


class Drand48:
    """A linear congruential generator of 48 bits."""

    def __init__(self) -> None:
        self._state = 0
        self.seed(_START)

    def seed(self, number: int) -> None:
        self._state = (number & 0xFFFFFFFF) << 16 | _LOW

    def next(self) -> float:
        """A number from 0 to 1, without 1."""
        self._state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return (self._state >> 17) % _LARGEST / _LARGEST
