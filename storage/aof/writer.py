"""Writing the base of a log as requests, key by key."""

from __future__ import annotations

from storage.aof.encoder import encode
from storage.aof.rebuild import rebuild_key
from storage.values.types import Value

# About as many bytes are handed on at a time.
_CHUNK = 1 << 16


class RequestWriter:
    """Puts requests together; `take` hands out what has gathered."""

    __slots__ = ("_out",)

    def __init__(self) -> None:
        self._out = bytearray()

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database; requests do not tell how much is to come."""
        self.turn_to(index)

    def turn_to(self, index: int) -> None:
        """Go on with a database."""
        self._out += encode([[b"SELECT", b"%d" % index]])

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, idle: int | None = None
    ) -> bool:
        """Write a key, though not when it was last used.

        Returns whether so much has gathered that it should be taken.
        """
        self._out += encode(rebuild_key(key, value, deadline))
        return len(self._out) >= _CHUNK

    def finish(self) -> None:
        """Requests need no end."""

    def take(self) -> bytes:
        """The bytes that have gathered since the last time."""
        chunk = bytes(self._out)
        self._out.clear()
        return chunk
