"""A client of TLS that decides which bytes leave when."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from tests.support.resp import TIMEOUT


class ByHand:
    """A client whose encrypted bytes the test sends itself."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def hello(self) -> bytes:
        """The first bytes of a handshake."""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def finish_handshake(self) -> bytes:
        """Do the handshake but for its last bytes, and return these."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._incoming.write(self.socket.recv(65536))
            else:
                return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._outgoing.read()

    def good_bye(self) -> bytes:
        """The bytes that say that no more will follow."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._outgoing.read()

    def read(self, size: int) -> bytes:
        """Read so many decrypted bytes, or up to the good-bye of the server."""
        data = bytearray()
        while len(data) < size:
            try:
                part = self.tls.read(size - len(data))
            except ssl.SSLWantReadError:
                received = self.socket.recv(65536)
                if not received:
                    raise ConnectionError("no good-bye") from None
                self._incoming.write(received)
                continue
            except ssl.SSLZeroReturnError:
                break
            if not part:
                break
            data += part
        return bytes(data)

    def close(self) -> None:
        self.socket.close()
