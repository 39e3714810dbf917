"""Replies that did not fit into a socket, on their way out.

A client that does not read must cost others nothing: adding a reply and sending a part cost
the same however much is waiting. So chunks wait in a queue, they are never joined again, and
long ones are not copied at all: a value that is waiting to be sent is the value in the
keyspace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby, islice

from commands.instance.client import LONG_REPLY
from server.net.streams import Stream

# How much is sent at once, so that a client that reads fast does not hold up the others.
_MOST_CHUNKS = 64
_MOST_BYTES = 1 << 20


class Backlog:
    """The unsent replies of one connection, in order."""

    __slots__ = ("_chunks", "size")

    # Made with the first chunk: most connections never need it.
    _chunks: deque[bytes | memoryview]

    def __init__(self) -> None:
        # In bytes.
        self.size = 0

    def add(self, chunks: Sequence[bytes]) -> None:
        if not self.size:
            self._chunks = deque()
        for is_long, group in groupby(chunks, _is_long):
            if is_long:
                self._chunks.extend(group)
            else:
                self._chunks.append(b"".join(group))
        self.size += sum(map(len, chunks))

    def add_rest(self, data: bytes, sent: int) -> None:
        """Add what remains of a chunk of which so many bytes are sent."""
        if not self.size:
            self._chunks = deque()
        self._chunks.append(memoryview(data)[sent:])
        self.size += len(data) - sent

    def send(self, stream: Stream) -> int:
        """Send a part, and return its size. OSError as `socket.sendmsg` raises it.

        The backlog must not be empty.
        """
        parts: list[bytes | memoryview] = []
        size = 0
        for chunk in islice(self._chunks, _MOST_CHUNKS):
            parts.append(chunk if len(chunk) <= _MOST_BYTES else memoryview(chunk)[:_MOST_BYTES])
            size += len(chunk)
            if size >= _MOST_BYTES:
                break
        sent = stream.sendmsg(parts)
        self._drop(sent)
        return sent

    def _drop(self, size: int) -> None:
        self.size -= size
        chunks = self._chunks
        while size:
            chunk = chunks.popleft()
            if len(chunk) > size:
                chunks.appendleft(memoryview(chunk)[size:])
                return
            size -= len(chunk)


def _is_long(chunk: bytes) -> bool:
    return len(chunk) >= LONG_REPLY
