"""The checksum at the end of files and payloads: CRC-64 with Redis' polynomial."""

from __future__ import annotations

import anycrc

_MODEL = anycrc.Model("CRC64-REDIS")


def crc64(data: bytes | bytearray | memoryview, before: int = 0) -> int:
    """The checksum of the data, or of what `before` is the checksum of followed by it."""
    crc: int = _MODEL.calc(data, before)
    return crc
