"""Listpacks: the flat blocks in which small collections and nodes of large ones are written.

An entry is a number or a string. A string that spells a number in its canonical form is
written as that number, and reads back as the same string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from struct import Struct

from storage.rdb.errors import RdbError

Entry = bytes | int

_INTEGER = re.compile(rb"-?[1-9][0-9]{0,18}|0").fullmatch
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_LONGEST_INTEGER = 20
_END = 0xFF
_HEAD = Struct("<IH")
_HEAD_SIZE = _HEAD.size
# A listpack with this many entries or more does not store their count.
_UNCOUNTED = 0xFFFF
_INT16, _INT32, _INT64, _UINT32 = Struct("<h"), Struct("<i"), Struct("<q"), Struct("<I")

# The encoded entries of the most common numbers.
_SMALL = [bytes((number, 1)) for number in range(128)]
# The bytes before and after a string of up to 63 bytes.
_SHORT = [(bytes((0x80 | size,)), bytes((size + 1,))) for size in range(64)]


# --- writing -------------------------------------------------------------------------------


def pack(items: Iterable[Entry]) -> bytes:
    """Encode strings and numbers as a listpack."""
    parts: list[bytes | bytearray] = []
    add = parts.append
    count = 0
    for item in items:
        count += 1
        if item.__class__ is int:
            add(_number(item))
            continue
        assert isinstance(item, (bytes, bytearray))
        size = len(item)
        if 0 < size <= _LONGEST_INTEGER and item[-1] < 0x3A and _INTEGER(item):
            number = int(item)
            if _INT64_MIN <= number <= _INT64_MAX:
                add(_number(number))
                continue
        if size < 64:
            before, after = _SHORT[size]
            parts += (before, item, after)
        else:
            parts += _long_text(item)
    body = b"".join(parts)
    head = _HEAD.pack(_HEAD_SIZE + len(body) + 1, min(count, _UNCOUNTED))
    return b"%b%b\xff" % (head, body)


def _number(number: int) -> bytes:
    if 0 <= number < 128:
        return _SMALL[number]
    if -0x1000 <= number < 0x1000:
        number &= 0x1FFF
        return bytes((0xC0 | number >> 8, number & 0xFF, 2))
    if -0x8000 <= number < 0x8000:
        return b"\xf1%b\x03" % _INT16.pack(number)
    if -0x800000 <= number < 0x800000:
        return b"\xf2%b\x04" % number.to_bytes(3, "little", signed=True)
    if -0x80000000 <= number < 0x80000000:
        return b"\xf3%b\x05" % _INT32.pack(number)
    return b"\xf4%b\x09" % _INT64.pack(number)


def _long_text(text: bytes | bytearray) -> tuple[bytes, bytes | bytearray, bytes]:
    size = len(text)
    if size < 0x1000:
        before = bytes((0xE0 | size >> 8, size & 0xFF))
    else:
        before = b"\xf0" + _UINT32.pack(size)
    return before, text, _own_length(len(before) + size)


def _own_length(size: int) -> bytes:
    """The length at an entry's end, which is read backwards: seven bits per byte."""
    if size < 128:
        return bytes((size,))
    # The thresholds are Redis' own; its second and third are one less than would fit.
    count = 2 if size < 16383 else 3 if size < 2097151 else 4 if size < 268435455 else 5
    parts = [size >> 7 * (count - 1)]
    parts += [size >> 7 * place & 0x7F | 0x80 for place in range(count - 2, -1, -1)]
    return bytes(parts)


# --- reading -------------------------------------------------------------------------------


def unpack(block: bytes, offset: int) -> list[Entry]:
    """Decode a listpack that starts at this offset of the file."""
    total = len(block)
    if total < _HEAD_SIZE + 1:
        raise RdbError("the listpack is too short", offset)
    size, count = _HEAD.unpack_from(block)
    if size != total or block[-1] != _END:
        raise RdbError("the listpack's length does not match its header", offset)
    entries: list[Entry] = []
    add = entries.append
    at, end = _HEAD_SIZE, total - 1
    from_bytes = int.from_bytes
    while at < end:
        code = block[at]
        at += 1
        if code < 0x80:
            add(code)
            at += 1
            continue
        if code < 0xC0:
            stop = at + (code & 0x3F)
            add(block[at:stop])
            at = stop + 1
            continue
        if code < 0xE0:
            number = (code & 0x1F) << 8 | block[at]
            add(number - 0x2000 if number & 0x1000 else number)
            at += 2
            continue
        if code < 0xF0:
            length = (code & 0x0F) << 8 | block[at]
            at += 1
        elif code == 0xF0:
            length = from_bytes(block[at : at + 4], "little")
            at += 4
        elif code <= 0xF4:
            width = (2, 3, 4, 8)[code - 0xF1]
            add(from_bytes(block[at : at + width], "little", signed=True))
            at += width + 1
            continue
        else:
            raise RdbError("unknown listpack entry type", offset + at - 1)
        stop = at + length
        add(block[at:stop])
        at = stop + len(_own_length(length + (2 if code < 0xF0 else 5)))
    if at != end or (count != _UNCOUNTED and count != len(entries)):
        raise RdbError("the listpack's entries do not match its header", offset)
    return entries


def texts(entries: Iterable[Entry]) -> list[bytes]:
    """Return all entries as strings."""
    return [b"%d" % entry if entry.__class__ is int else entry for entry in entries]  # type: ignore[misc]
