"""The flat blocks of older Redis versions: ziplists, zipmaps and integer arrays (intsets)."""

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
    """Decode a ziplist that starts at this offset of the file."""
    if len(block) < _ZIPLIST_HEAD.size + 1:
        raise RdbError("the ziplist is too short", offset)
    size, _, count = _ZIPLIST_HEAD.unpack_from(block)
    if size != len(block) or block[-1] != _END:
        raise RdbError("the ziplist's length does not match its header", offset)
    items: list[bytes] = []
    at, end = _ZIPLIST_HEAD.size, len(block) - 1
    while at < end:
        # Skip the length of the previous entry, which only backward iteration needs.
        at += 5 if block[at] == _LONG else 1
        if at >= end:
            raise RdbError("the ziplist ends inside an entry", offset)
        code = block[at]
        at += 1
        kind = code >> 6
        if kind == 3:
            if 0xF1 <= code <= 0xFD:
                items.append(b"%d" % (code - 0xF1))
                continue
            width = _INTEGER_WIDTHS.get(code)
            if width is None:
                raise RdbError("unknown ziplist entry type", offset + at - 1)
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
        raise RdbError("the ziplist's entries do not match its header", offset)
    return items


def unpack_zipmap(block: bytes, offset: int) -> list[bytes]:
    """Decode a zipmap that starts at this offset: fields and values in turn."""
    if len(block) < 2 or block[-1] != _END:
        raise RdbError("the zipmap has no end marker", offset)
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
            # A value may be followed by space left over from a longer one.
            unused = block[at]
            at += 1
        items.append(block[at : at + length])
        at += length + unused
    if at != end or len(items) % 2:
        raise RdbError("the zipmap's entries do not match its length", offset)
    return items


def unpack_intset(block: bytes, offset: int) -> list[int]:
    """Decode an intset that starts at this offset: ascending integers."""
    if len(block) < _INTSET_HEAD.size:
        raise RdbError("the intset is too short", offset)
    width, count = _INTSET_HEAD.unpack_from(block)
    code = _INTSET_CODES.get(width)
    if code is None or len(block) != _INTSET_HEAD.size + width * count:
        raise RdbError("the intset's length does not match its header", offset)
    numbers = list(unpack_from(f"<{count}{code}", block, _INTSET_HEAD.size))
    if any(first >= second for first, second in pairwise(numbers)):
        raise RdbError("the intset is not in ascending order", offset)
    return numbers


def pack_intset(numbers: list[int]) -> bytes:
    """Encode ascending integers as an intset of the narrowest sufficient width."""
    low, high = numbers[0], numbers[-1]
    width = next(
        width for width in (2, 4, 8) if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1
    )
    body = Struct(f"<{len(numbers)}{_INTSET_CODES[width]}").pack(*numbers)
    return _INTSET_HEAD.pack(width, len(numbers)) + body
