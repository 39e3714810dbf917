"""What a client sends while its requests cannot run: it is blocked, or paused.

Parsed requests take many times the memory of the bytes they came as (a PING of five bytes,
over a hundred), and a blocked client may go on sending for as long as it likes. So the input
is kept as it is, and is parsed piece by piece once the client's requests run again.
"""

from __future__ import annotations

from collections import deque

# Small chunks are put together: a client may send one byte at a time.
_CHUNK = 64 * 1024


class HeldInput:
    """Bytes in the order in which they were received."""

    __slots__ = ("_chunks", "size")

    # Made with the first chunk: most connections never need it.
    _chunks: deque[bytearray]

    def __init__(self) -> None:
        self.size = 0

    def add(self, data: bytes) -> None:
        if not self.size:
            self._chunks = deque()
        chunks = self._chunks
        if chunks and len(chunks[-1]) < _CHUNK:
            chunks[-1] += data
        else:
            chunks.append(bytearray(data))
        self.size += len(data)

    def put_back(self, data: bytes) -> None:
        """Put data before everything else."""
        if not self.size:
            self._chunks = deque()
        self._chunks.appendleft(bytearray(data))
        self.size += len(data)

    def take(self, size: int) -> bytes:
        """Return at most so many bytes, at least one; there must be some."""
        chunk = self._chunks[0]
        if len(chunk) <= size:
            self._chunks.popleft()
            taken = bytes(chunk)
        else:
            with memoryview(chunk) as view:
                taken = bytes(view[:size])
            # Cheap: a bytearray only moves its start.
            del chunk[:size]
        self.size -= len(taken)
        return taken
