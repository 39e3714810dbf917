"""Builds snapshots and payloads by hand, in forms that no server writes any more."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from storage.rdb.checksum import crc64
from storage.rdb.primitive_writer import length, string


def sealed(body: bytes, version: int = 10) -> bytes:
    """A payload: type and value, followed by version and checksum."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def snapshot(body: bytes, version: int = 10, *, checked: bool = True) -> bytes:
    """A complete file with these items."""
    magic = b"VALKEY%03d" % version if version >= 80 else b"REDIS%04d" % version
    whole = magic + body + b"\xff"
    if version < 5:
        return whole
    return whole + (crc64(whole) if checked else 0).to_bytes(8, "little")


def text(item: bytes) -> bytes:
    """A string, neither compressed nor as a number."""
    return length(len(item)) + item


def ziplist(items: Iterable[bytes | int]) -> bytes:
    entries = b""
    before = tail = count = 0
    for item in items:
        entry = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if isinstance(item, int):
            entry += _ziplist_number(item)
        elif len(item) < 64:
            entry += bytes([len(item)]) + item
        elif len(item) < 16384:
            entry += bytes([0x40 | len(item) >> 8, len(item) & 0xFF]) + item
        else:
            entry += b"\x80" + struct.pack(">I", len(item)) + item
        tail = 10 + len(entries)
        entries += entry
        before = len(entry)
        count += 1
    return struct.pack("<IIH", 11 + len(entries), tail, min(count, 65535)) + entries + b"\xff"


def _ziplist_number(number: int) -> bytes:
    if 0 <= number <= 12:
        return bytes([0xF1 + number])
    for code, width in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(1 << width * 8 - 1) <= number < 1 << width * 8 - 1:
            return bytes([code]) + number.to_bytes(width, "little", signed=True)
    raise ValueError(number)


def zipmap(pairs: dict[bytes, bytes], unused: int = 0) -> bytes:
    def size(number: int) -> bytes:
        return bytes([number]) if number < 254 else b"\xfe" + struct.pack("<I", number)

    out = bytes([min(len(pairs), 254)])
    for field, value in pairs.items():
        out += size(len(field)) + field + size(len(value)) + bytes([unused]) + value
        out += b"?" * unused
    return out + b"\xff"


def intset(width: int, numbers: Iterable[int]) -> bytes:
    body = b"".join(number.to_bytes(width, "little", signed=True) for number in numbers)
    return struct.pack("<II", width, len(body) // width) + body


__all__ = ["intset", "length", "sealed", "snapshot", "string", "text", "ziplist", "zipmap"]
