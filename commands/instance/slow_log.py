"""The slow log: the latest requests that exceeded a threshold."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_MAX_WORDS = 32
_MAX_WORD_BYTES = 128


@dataclass(slots=True)
class SlowEntry:
    id: int
    at_seconds: int
    microseconds: int
    argv: list[bytes]
    address: bytes
    name: bytes


class SlowLog:
    """The latest entries, newest first."""

    def __init__(self) -> None:
        self.entries: deque[SlowEntry] = deque()
        self._next_id = 0

    def add(
        self,
        argv: list[bytes],
        microseconds: int,
        at_seconds: int,
        address: bytes,
        name: bytes,
        longest: int,
    ) -> None:
        entry = SlowEntry(self._next_id, at_seconds, microseconds, _trim(argv), address, name)
        self._next_id += 1
        self.entries.appendleft(entry)
        self.shrink(longest)

    def shrink(self, longest: int) -> None:
        while len(self.entries) > longest:
            self.entries.pop()

    def clear(self) -> None:
        self.entries.clear()


def _trim(argv: list[bytes]) -> list[bytes]:
    """Shorten a request with long or many words, noting how much was cut."""
    words = argv if len(argv) <= _MAX_WORDS else argv[: _MAX_WORDS - 1]
    trimmed = []
    for word in words:
        if len(word) > _MAX_WORD_BYTES:
            word = word[:_MAX_WORD_BYTES] + b"... (%d more bytes)" % (len(word) - _MAX_WORD_BYTES)
        trimmed.append(word)
    if len(argv) > _MAX_WORDS:
        trimmed.append(b"... (%d more arguments)" % (len(argv) - _MAX_WORDS + 1))
    return trimmed
