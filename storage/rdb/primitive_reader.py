"""Decodes the primitives of the format: bytes, numbers, lengths and strings.

No length is trusted before the data has arrived: a string that claims gigabytes costs no
more memory than the bytes that the file really has.
"""

from __future__ import annotations

from struct import Struct
from typing import Protocol

from storage.rdb import codes, lzf
from storage.rdb.checksum import crc64
from storage.rdb.errors import RdbError

# How many bytes are read from the file at once.
_CHUNK = 1 << 20
_DOUBLE, _FLOAT = Struct("<d"), Struct("<f")


class Readable(Protocol):
    """A binary file, or any object with the same `read`."""

    def read(self, size: int, /) -> bytes: ...


class PrimitiveReader:
    """A cursor over the bytes of a file or payload."""

    __slots__ = ("_crc", "_crc_from", "_file", "at", "base", "buffer", "checks")

    def __init__(self, file: Readable | None, first: bytes = b"") -> None:
        """Read `first`, then the file; None if `first` is all the data."""
        self._file = file
        self.buffer = first
        self.at = 0
        # The offset of the buffer's first byte.
        self.base = 0
        self.checks = True
        self._crc = 0
        self._crc_from = 0

    @property
    def offset(self) -> int:
        """The number of bytes consumed."""
        return self.base + self.at

    def checksum(self) -> int:
        """Return the checksum of all bytes consumed."""
        self._sum_up()
        return self._crc

    def _sum_up(self) -> None:
        if self.checks:
            consumed = memoryview(self.buffer)[self._crc_from : self.at]
            self._crc = crc64(consumed, self._crc)
        self._crc_from = self.at

    # --- bytes ---------------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        at = self.at
        end = at + count
        if end > len(self.buffer):
            return self._take_across(count)
        self.at = end
        return self.buffer[at:end]

    def byte(self) -> int:
        at = self.at
        if at >= len(self.buffer):
            return self._take_across(1)[0]
        self.at = at + 1
        return self.buffer[at]

    def _take_across(self, count: int) -> bytes:
        """`take` when the buffer does not hold all the bytes."""
        started = self.offset
        parts = []
        while count:
            part = self.buffer[self.at : self.at + count]
            self.at += len(part)
            count -= len(part)
            parts.append(part)
            if count and not self._refill():
                raise RdbError("unexpected end of data", started)
        return b"".join(parts)

    def _refill(self) -> bool:
        """Replace the exhausted buffer; False at the end of the file."""
        if self._file is None:
            return False
        fresh = self._file.read(_CHUNK)
        if not fresh:
            return False
        self._sum_up()
        self.base += self.at
        self.buffer = fresh
        self.at = self._crc_from = 0
        return True

    # --- numbers ---------------------------------------------------------------------------

    def unsigned(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def signed(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little", signed=True)

    def double(self) -> float:
        number: float = _DOUBLE.unpack(self.take(8))[0]
        return number

    def single(self) -> float:
        number: float = _FLOAT.unpack(self.take(4))[0]
        return number

    def length(self) -> int:
        """Read a count or another unsigned number."""
        first = self.byte()
        kind = first >> 6
        if kind == codes.LENGTH_6:
            return first
        if kind == codes.SPECIAL:
            raise RdbError("expected a length, found a string", self.offset - 1)
        return self._longer_length(first, kind)

    def _longer_length(self, first: int, kind: int) -> int:
        if kind == codes.LENGTH_14:
            return (first & 0x3F) << 8 | self.byte()
        if first == codes.LENGTH_32:
            return int.from_bytes(self.take(4), "big")
        if first == codes.LENGTH_64:
            return int.from_bytes(self.take(8), "big")
        raise RdbError("unknown length encoding", self.offset - 1)

    # --- strings ---------------------------------------------------------------------------

    def string(self) -> bytes:
        first = self.byte()
        kind = first >> 6
        if kind == codes.LENGTH_6:
            at = self.at
            end = at + first
            if end <= len(self.buffer):
                self.at = end
                return self.buffer[at:end]
            return self._take_across(first)
        if kind == codes.SPECIAL:
            return self._special_string(first)
        return self.take(self._longer_length(first, kind))

    def _special_string(self, code: int) -> bytes:
        if code == codes.INT8:
            return b"%d" % self.signed(1)
        if code == codes.INT16:
            return b"%d" % self.signed(2)
        if code == codes.INT32:
            return b"%d" % self.signed(4)
        started = self.offset - 1
        if code != codes.LZF:
            raise RdbError("unknown string encoding", started)
        packed_length, length = self.length(), self.length()
        text = lzf.decompress(self.take(packed_length), length)
        if text is None:
            raise RdbError("the compressed string is damaged", started)
        return text
