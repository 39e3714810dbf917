"""Writes the base of a log as requests, key by key."""

from __future__ import annotations

from storage.aof.encoder import encode
from storage.aof.rebuild import rebuild_key, rebuild_library
from storage.frequencies import Uses
from storage.values.types import Value

# The approximate size of a chunk.
_CHUNK = 1 << 16


class RequestWriter:
    """Encodes keys as requests; `take` returns the bytes written so far."""

    __slots__ = ("_out",)

    def __init__(self) -> None:
        self._out = bytearray()

    def add_library(self, code: bytes) -> None:
        """Write a library of functions."""
        self._out += encode([rebuild_library(code)])

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database. Requests cannot express the size hints."""
        self.reselect(index)

    def reselect(self, index: int) -> None:
        """Continue a database."""
        self._out += encode([[b"SELECT", b"%d" % index]])

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, uses: Uses | None = None
    ) -> bool:
        """Write a key; requests cannot express its uses.

        Return whether enough bytes are buffered for a chunk.
        """
        self._out += encode(rebuild_key(key, value, deadline))
        return len(self._out) >= _CHUNK

    def finish(self) -> None:
        """Requests need no end marker."""

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        chunk = bytes(self._out)
        self._out.clear()
        return chunk
