"""What a connection reads from and writes to: a socket, or TLS on a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Stream(Protocol):
    """The methods of a non-blocking `socket.socket` that connections use.

    All raise OSError as sockets do; BlockingIOError if there is nothing to read or no room.
    """

    def fileno(self) -> int: ...

    def recv(self, size: int, /) -> bytes:
        """Return what has arrived; b"" at the end."""

    def send(self, data: bytes, /) -> int:
        """Send a part of the data and return its size."""

    def sendmsg(self, parts: Sequence[bytes | memoryview], /) -> int:
        """Send a part of the data and return its size."""

    def close(self) -> None: ...
