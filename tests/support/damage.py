"""Random damage to bytes: what a fault of a disk, or an attacker, makes of valid data.

All randomness comes from the given `random.Random`, so the same seed gives the same damage.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

_EXTREMES = bytes([0, 1, 2, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xC3, 0xF0, 0xFE, 0xFF])
# Lengths and numbers in every encoding that the formats have, most of them false.
_LENGTHS = [
    b"\x00", b"\x3f", b"\x40\x00", b"\x7f\xff", b"\x80\x00\x00\x00\x00", b"\x80\x7f\xff\xff\xff",
    b"\x80\xff\xff\xff\xff", b"\x81" + bytes(8), b"\x81\x00\x00\x00\x01" + bytes(4),
    b"\x81\x7f" + b"\xff" * 7, b"\x81" + b"\xff" * 8, b"\xc0\xff", b"\xc1\x00\x80",
    b"\xc2\x00\x00\x00\x80", b"\xc3\x01\x01a", b"\xc3\x05\x80\x7f\xff\xff\xff", b"\xf0" * 5,
    b"\xf4" + b"\xff" * 8 + b"\x09", b"\xf4" + bytes(7) + b"\x80\x09", b"\xfe", b"\xff",
]  # fmt: skip
_WIDTHS = (1, 2, 4, 8)
_LONGEST_CUT = 16


class Damage:
    """Changes bytes at random places, and mixes them with parts of other valid data."""

    def __init__(self, rng: random.Random, others: Sequence[bytes]) -> None:
        self._rng = rng
        self._others = others
        self._changes = (
            self._flip_bit,
            self._flip_bit,
            self._set_byte,
            self._set_byte,
            self._remove,
            self._repeat,
            self._insert,
            self._false_length,
            self._false_number,
            self._splice,
            self._cut,
        )

    def of(self, data: bytes) -> bytes:
        """Return the data with one to four changes."""
        rng = self._rng
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
            rng.choice(self._changes)(changed)
        return bytes(changed)

    def _place(self, data: bytearray) -> int:
        return self._rng.randrange(len(data) + 1)

    def _flip_bit(self, data: bytearray) -> None:
        if data:
            data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)

    def _set_byte(self, data: bytearray) -> None:
        if data:
            data[self._rng.randrange(len(data))] = self._rng.choice(_EXTREMES)

    def _remove(self, data: bytearray) -> None:
        at = self._place(data)
        del data[at : at + self._rng.randint(1, _LONGEST_CUT)]

    def _repeat(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = data[at : at + self._rng.randint(1, _LONGEST_CUT)]

    def _insert(self, data: bytearray) -> None:
        at = self._place(data)
        data[at:at] = self._rng.randbytes(self._rng.randint(1, 8))

    def _false_length(self, data: bytearray) -> None:
        at = self._place(data)
        data[at : at + self._rng.randrange(3)] = self._rng.choice(_LENGTHS)

    def _false_number(self, data: bytearray) -> None:
        rng = self._rng
        width = rng.choice(_WIDTHS)
        number = rng.choice((0, 1, -1, 1 << 8 * width - 1, (1 << 8 * width - 1) - 1))
        at = self._place(data)
        raw = (number % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
        data[at : at + width] = raw

    def _splice(self, data: bytearray) -> None:
        rng = self._rng
        other = rng.choice(self._others)
        start = rng.randrange(len(other) + 1)
        at = self._place(data)
        data[at : at + rng.choice((0, 8, len(data)))] = other[start : start + rng.choice((8, 400))]

    def _cut(self, data: bytearray) -> None:
        del data[self._place(data) :]
