"""The checksum at the end of files and payloads: CRC-64 with Redis' polynomial."""

from __future__ import annotations

import anycrc

_MODEL = anycrc.Model("CRC64-REDIS")


def crc64(data: bytes | bytearray | memoryview, before: int = 0) -> int:
    """Return the checksum of the data, continuing from the checksum `before`."""
    crc: int = _MODEL.calc(data, before)
    return crc
