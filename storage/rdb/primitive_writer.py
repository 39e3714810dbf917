"""Encodes the primitives of the format: lengths and strings."""

from __future__ import annotations

import re
from struct import Struct

from storage.rdb import codes, lzf

_INT16, _INT32 = Struct("<h"), Struct("<i")
_BIG32, _BIG64 = Struct(">I"), Struct(">Q")
_INTEGER = re.compile(rb"-?[1-9][0-9]{0,9}|0").fullmatch
# The most digits of a 32-bit number with its sign; the shortest string to compress.
_LONGEST_INTEGER, _SHORTEST_COMPRESSED = 11, 21

SHORT = [bytes((number,)) for number in range(64)]


def length(number: int) -> bytes:
    """Encode a count or another unsigned number of up to 64 bits."""
    if number < 0x40:
        return SHORT[number]
    if number < 0x4000:
        return bytes((0x40 | number >> 8, number & 0xFF))
    if number <= 0xFFFFFFFF:
        return b"\x80" + _BIG32.pack(number)
    return b"\x81" + _BIG64.pack(number)


def string(text: bytes | bytearray, compress: bool) -> bytes:
    """Encode a string: as an integer if it spells one, else compressed if that is smaller."""
    size = len(text)
    if size <= _LONGEST_INTEGER:
        # Most strings that are not numbers do not end in a digit: the cheapest test first.
        if size and text[-1] < 0x3A and _INTEGER(text):
            number = int(text)
            if -0x80 <= number < 0x80:
                return bytes((codes.INT8, number & 0xFF))
            if -0x8000 <= number < 0x8000:
                return b"\xc1" + _INT16.pack(number)
            if -0x80000000 <= number < 0x80000000:
                return b"\xc2" + _INT32.pack(number)
        return SHORT[size] + text
    if size >= _SHORTEST_COMPRESSED and compress:
        packed = lzf.compress(text)
        if packed is not None:
            return b"\xc3%b%b%b" % (length(len(packed)), length(size), packed)
    if size < 64:
        return SHORT[size] + text
    return length(size) + text
