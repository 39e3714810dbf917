"""The flat blocks of Redis before listpacks: ziplists, zipmaps and arrays of integers."""

from __future__ import annotations

from itertools import pairwise
from struct import Struct, unpack_from

from storage.rdb.errors import RdbError

_ZIPLIST_HEAD = Struct("<IIH")
_UNCOUNTED = 0xFFFF
_END = 0xFF
_LONG = 0xFE
_INTEGER_WIDTHS = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}
_INTSET_HEAD = Struct("<II")
_INTSET_CODES = {2: "h", 4: "i", 8: "q"}


def unpack_ziplist(block: bytes, offset: int) -> list[bytes]:
    """The texts in a ziplist that began at this offset of the source."""
    if len(block) < _ZIPLIST_HEAD.size + 1:
        raise RdbError("a ziplist that is too short", offset)
    size, _, count = _ZIPLIST_HEAD.unpack_from(block)
    if size != len(block) or block[-1] != _END:
        raise RdbError("a ziplist that is not as long as it says", offset)
    items: list[bytes] = []
    at, end = _ZIPLIST_HEAD.size, len(block) - 1
    while at < end:
        # First the length of the entry before, which only backward walking needs.
        at += 5 if block[at] == _LONG else 1
        if at >= end:
            raise RdbError("a ziplist that ends within an entry", offset)
        code = block[at]
        at += 1
        kind = code >> 6
        if kind == 3:
            if 0xF1 <= code <= 0xFD:
                items.append(b"%d" % (code - 0xF1))
                continue
            width = _INTEGER_WIDTHS.get(code)
            if width is None:
                raise RdbError("an unknown kind of ziplist entry", offset + at - 1)
            items.append(b"%d" % int.from_bytes(block[at : at + width], "little", signed=True))
            at += width
            continue
        if kind == 0:
            length = code & 0x3F
        elif kind == 1:
            length = (code & 0x3F) << 8 | block[at]
            at += 1
        else:
            length = int.from_bytes(block[at : at + 4], "big")
            at += 4
        items.append(block[at : at + length])
        at += length
    if at != end or (count != _UNCOUNTED and count != len(items)):
        raise RdbError("a ziplist whose entries do not fill it", offset)
    return items


def unpack_zipmap(block: bytes, offset: int) -> list[bytes]:
    """The fields and values, in turn, of a zipmap that began at this offset."""
    if len(block) < 2 or block[-1] != _END:
        raise RdbError("a zipmap without an end", offset)
    items: list[bytes] = []
    at, end = 1, len(block) - 1
    while at < end:
        length = block[at]
        at += 1
        if length == _LONG:
            length = int.from_bytes(block[at : at + 4], "little")
            at += 4
        elif length == _END:
            break
        unused = 0
        if len(items) % 2 and at < end:
            # A value is followed by room that it had before it became shorter.
            unused = block[at]
            at += 1
        items.append(block[at : at + length])
        at += length + unused
    if at != end or len(items) % 2:
        raise RdbError("a zipmap whose entries do not fill it", offset)
    return items


def unpack_intset(block: bytes, offset: int) -> list[int]:
    """The ascending integers of an intset that began at this offset."""
    if len(block) < _INTSET_HEAD.size:
        raise RdbError("an intset that is too short", offset)
    width, count = _INTSET_HEAD.unpack_from(block)
    code = _INTSET_CODES.get(width)
    if code is None or len(block) != _INTSET_HEAD.size + width * count:
        raise RdbError("an intset that is not as long as it says", offset)
    numbers = list(unpack_from(f"<{count}{code}", block, _INTSET_HEAD.size))
    if any(first >= second for first, second in pairwise(numbers)):
        raise RdbError("an intset that is not in order", offset)
    return numbers


def pack_intset(numbers: list[int]) -> bytes:
    """An intset of these ascending integers, in the narrowest width that holds them."""
    low, high = numbers[0], numbers[-1]
    width = next(
        width for width in (2, 4, 8) if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1
    )
    body = Struct(f"<{len(numbers)}{_INTSET_CODES[width]}").pack(*numbers)
    return _INTSET_HEAD.pack(width, len(numbers)) + body
