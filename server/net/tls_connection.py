"""A connection whose bytes are encrypted: what TLS adds to `Connection`."""

from __future__ import annotations

import logging

from commands.engine.replies import ErrorReply
from commands.instance.guards import Guard
from server.net.connection import Connection, Host, Limits
from server.net.outboxes import Outboxes
from server.net.reactor import Reactor
from server.net.tls_stream import TlsStream
from storage.clock import Clock

logger = logging.getLogger("redkeep")

# How long a client may take to complete its handshake.
_HANDSHAKE_MS = 10_000
# Failed handshakes must not flood the log.
_NOTICE_MS = 60_000


class Handshakes:
    """The handshakes that are not done yet."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # When each began; the oldest comes first.
        self._begun: dict[TlsConnection, int] = {}
        self._mute_until = 0

    def begin(self, connection: TlsConnection) -> None:
        self._begun[connection] = self._clock.monotonic_ms()

    def done(self, connection: TlsConnection) -> None:
        del self._begun[connection]

    def failed(self, connection: TlsConnection, reason: str) -> None:
        del self._begun[connection]
        address = connection.client.address.decode("latin-1")
        now = self._clock.monotonic_ms()
        level = logging.DEBUG
        if now >= self._mute_until:
            level = logging.WARNING
            self._mute_until = now + _NOTICE_MS
        logger.log(level, "TLS handshake with %s failed: %s", address, reason)

    def check(self) -> None:
        """Close the connections whose handshake takes too long."""
        if not self._begun:
            return
        latest = self._clock.monotonic_ms() - _HANDSHAKE_MS
        for connection in [each for each, begun in self._begun.items() if begun <= latest]:
            connection.stream.failure = "it takes too long"
            connection.close()


class TlsConnection(Connection):
    """The wire of a client on a port for TLS."""

    __slots__ = ("_handshakes", "_refusal", "stream")

    def __init__(
        self,
        stream: TlsStream,
        host: Host,
        limits: Limits,
        outboxes: Outboxes,
        reactor: Reactor,
        handshakes: Handshakes,
        refusal: bytes | None,
    ) -> None:
        super().__init__(stream, host, limits, outboxes, reactor)
        self.stream = stream
        self._handshakes: Handshakes | None = handshakes
        # The error that a client gets, once it could read it, and nothing else.
        self._refusal = refusal
        if refusal is not None:
            # None of its requests may run.
            self.client.hold(Guard.CLOSING)
        handshakes.begin(self)

    def receive(self) -> None:
        super().receive()
        if self.closed:
            return
        stream = self.stream
        if self._handshakes is not None and stream.established:
            self._handshakes.done(self)
            self._handshakes = None
            if self._refusal is not None:
                client = self.client
                client.outbox.append(client.encode(ErrorReply(self._refusal)))
                client.close("protected mode")
            self.flush_soon()
        if stream.behind:
            self._watch_writable(True)
        if stream.ended:
            # The socket may stay silent from now on.
            self.client.close("end of TLS")

    @property
    def unsent(self) -> int:
        return super().unsent + self.stream.unsent

    def _send_outbox(self) -> None:
        # Until the handshake is done nothing can be sent, though the socket has room.
        if self._handshakes is None:
            super()._send_outbox()
            if self.stream.behind and not self.closed:
                self._watch_writable(True)

    def _send_backlog(self) -> None:
        if self._backlog.size:
            super()._send_backlog()
            return
        try:
            self.stream.flush()
        except OSError:
            self.close()
            return
        self._watch_writable(False)

    def _watch_writable(self, wanted: bool) -> None:
        super()._watch_writable(wanted or self.stream.behind)

    def close(self) -> None:
        if not self.closed and self._handshakes is not None:
            self._handshakes.failed(self, self.stream.failure or "the client disconnected")
        super().close()
