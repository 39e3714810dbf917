"""Numbers that are read from stored records and indexes, where any client may have written them.

A handler calculates with what these functions return and with nothing else that was stored, so
that every integer in a reply fits the 64 bits which the protocol has for it.
"""

from __future__ import annotations

import math

from commands.engine.numbers import INT64_MAX, INT64_MIN, read_integer


def whole(score: float, low: int = INT64_MIN, high: int = INT64_MAX) -> int:
    """The integer part of a score, or the nearer limit if it lies outside of them."""
    if low <= score <= high:
        # The limit itself may be rounded up on its way to a double.
        return max(low, min(high, math.trunc(score)))
    return low if score < low else high


def stored_integer(value: object, low: int, high: int) -> int | None:
    """An integer in a stored text or JSON value; None if it is not one within the limits."""
    number = read_integer(value) if isinstance(value, (bytes, bytearray)) else value
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if low <= number <= high else None
