"""TLS on a non-blocking socket, with the methods of a socket.

The TLS object works on memory, and this module moves the bytes between it and the socket. So one
system call reads any number of records, and all of them are decrypted at once: no decrypted
byte is left where epoll does not see it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

# The most that a record holds.
_RECORD = 16 * 1024
# How much is encrypted at once. What the socket does not take of it waits here.
_MOST_BYTES = 256 * 1024
# More than our own data can leave waiting: the answers to a peer that asks for new keys over and
# over, and does not read.
_MOST_UNSENT = 2 * _MOST_BYTES


class TlsStream:
    """One client's socket on a port for TLS."""

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_socket",
        "_tls",
        "_waiting",
        "behind",
        "ended",
        "established",
        "failure",
    )

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        # Encrypted, but not taken by the socket yet.
        self._waiting = memoryview(b"")
        # Whether the socket has not taken all encrypted bytes.
        self.behind = False
        # The handshake is done.
        self.established = False
        # Nothing more will be received.
        self.ended = False
        # Why TLS failed.
        self.failure = ""

    def fileno(self) -> int:
        return self._socket.fileno()

    # --- receiving ----------------------------------------------------------------------

    def recv(self, size: int, /) -> bytes:
        """Return all that one read of the socket, of so many bytes at most, decrypts to."""
        if self.ended:
            return b""
        received = self._socket.recv(size)
        if not received:
            return b""
        incoming, tls = self._incoming, self._tls
        incoming.write(received)
        try:
            if not self.established:
                tls.do_handshake()
                self.established = True
            # A whole record, so nothing of it is left in the TLS object.
            data = tls.read(_RECORD)
            if incoming.pending:
                data += self._read_rest()
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLError as error:
            self.failure = error.reason or "unknown error"
            raise
        finally:
            # Handshakes, new keys, and alerts that say why one failed.
            if self._outgoing.pending:
                self._answer()
        return data

    def _read_rest(self) -> bytes:
        incoming, tls = self._incoming, self._tls
        parts = []
        try:
            while incoming.pending:
                part = tls.read(_RECORD)
                if not part:
                    self.ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            # What came before is intact.
            self.failure = error.reason or "unknown error"
            self.ended = True
        return b"".join(parts)

    def _answer(self) -> None:
        with suppress(OSError):
            # If the connection is gone, the next read says so.
            self.flush()
        if self.unsent > _MOST_UNSENT:
            self.failure = "the client does not read"
            raise ConnectionAbortedError(self.failure)

    # --- sending ------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """Encrypted bytes that the socket has not taken."""
        return len(self._waiting) + self._outgoing.pending

    def flush(self) -> None:
        """Send what the socket takes of the encrypted bytes."""
        while self._waiting or self._outgoing.pending:
            if not self._waiting:
                self._waiting = memoryview(self._outgoing.read())
            try:
                sent = self._socket.send(self._waiting)
            except (BlockingIOError, InterruptedError):
                sent = 0
            self._waiting = self._waiting[sent:]
            if self._waiting:
                self.behind = True
                return
        self.behind = False

    def send(self, data: bytes, /) -> int:
        """Encrypt and send a part of the data and return its size. The rest of the encrypted
        bytes waits for `flush`, which later calls begin with."""
        if self.behind or len(data) > _RECORD:
            return self.sendmsg((data,))
        taken = self._tls.write(data)
        self._send_encrypted()
        return taken

    def sendmsg(self, parts: Sequence[bytes | memoryview], /) -> int:
        if self.behind:
            self.flush()
            if self.behind:
                raise BlockingIOError
        taken = 0
        for part in parts:
            taken += self._encrypt(part, _MOST_BYTES - taken)
            if taken >= _MOST_BYTES:
                break
        self._send_encrypted()
        return taken

    def _send_encrypted(self) -> None:
        encrypted = self._outgoing.read()
        try:
            sent = self._socket.send(encrypted)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(encrypted):
            self._waiting = memoryview(encrypted)[sent:]
            self.behind = True

    def _encrypt(self, data: bytes | memoryview, most: int) -> int:
        size = min(len(data), most)
        if 0 < size <= _RECORD and size == len(data):
            return self._tls.write(data)
        view = memoryview(data)
        done = 0
        while done < size:
            done += self._tls.write(view[done : min(size, done + _RECORD)])
        return done

    def close(self) -> None:
        """Say good-bye, if nothing is in the way, and close the socket."""
        if self.established and not self.behind:
            with suppress(OSError):
                # The client's good-bye is not awaited: SSLWantReadError.
                self._tls.unwrap()
            with suppress(OSError):
                self.flush()
        self._socket.close()
