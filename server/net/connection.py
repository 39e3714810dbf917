"""One client's socket: what comes in becomes requests, what lies in the outbox goes out.

Sockets are raw and never block. Nothing here waits: the reactor calls `receive` when
there is something to read and `flush` when there is something to send.
"""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from commands.engine.replies import ErrorReply
from commands.instance.client import Client
from server.wire.encoder import ENCODERS
from server.wire.protocol import RequestParser

if TYPE_CHECKING:
    from server.net.turns import Service

logger = logging.getLogger("redkeep")

_READ_SIZE = 64 * 1024
# While a long string is coming in, fewer and larger reads.
_READ_SIZE_MAX = 4 << 20


class Connection:
    """The wire of a client: socket, parser, and bytes that did not fit into the socket."""

    __slots__ = (
        "_service",
        "backlog",
        "client",
        "closed",
        "fd",
        "held",
        "over_soft_limit_since",
        "parser",
        "queued",
        "socket",
        "waiting_bytes",
        "wants_write",
    )

    def __init__(self, service: Service, sock: socket.socket, client: Client) -> None:
        self._service = service
        self.socket = sock
        self.fd = sock.fileno()
        self.client = client
        self.closed = False
        # Already in the service's list of outboxes to send.
        self.queued = False
        # Nothing may be sent: what it would acknowledge is not on disk yet.
        self.held = False
        self.wants_write = False
        self.backlog = b""
        # Size of requests that wait until the client is unblocked.
        self.waiting_bytes = 0
        self.over_soft_limit_since: int | None = None
        self.parser = RequestParser()
        client.wire = self
        client.encoders = ENCODERS
        client.speak(client.resp)
        client.flush_soon = service.flush_soon

    def receive(self) -> None:
        """Read once and run every complete request."""
        parser = self.parser
        size, before = _READ_SIZE, 0
        if parser.partial:
            size = min(max(size, parser.wanted), _READ_SIZE_MAX)
            before = parser.pending
        try:
            data = self.socket.recv(size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        client = self.client
        service = self._service
        statistics = service.instance.statistics
        statistics.bytes_in += len(data)
        statistics.reads_processed += 1
        client.last_seen_ms = service.keyspace.now
        if client.closing:
            return
        # What AUTH, RESET or CONFIG SET changed.
        parser.trusted = client.authenticated
        parser.max_bulk = service.max_bulk
        size = before + len(data)
        requests = parser.feed(data)
        left = parser.pending if parser.partial else 0
        if requests:
            if size >= service.large_request:
                service.dispatcher.note_large_requests(client, requests, service.large_request)
            if client.waiting is not None or client.blocked_requests:
                client.blocked_requests += requests
                self.waiting_bytes += size - left
            else:
                service.run(client, requests)
        if parser.error is not None:
            logger.debug(
                "Protocol error from client %d: %s", client.id, parser.error.decode("latin-1")
            )
            service.instance.statistics.count_error(parser.error)
            client.outbox.append(client.encode(ErrorReply(parser.error)))
            client.close("protocol error")
        elif left + self.waiting_bytes > service.query_buffer_limit:
            service.instance.statistics.client_query_limit_disconnects += 1
            logger.warning("Closing client %d: query buffer limit reached", client.id)
            self.close()

    @property
    def unread(self) -> int:
        """Bytes received of requests that were not run yet."""
        return self.parser.pending + self.waiting_bytes

    @property
    def unsent(self) -> int:
        """Bytes in the outbox and behind it."""
        return len(self.backlog) + sum(map(len, self.client.outbox))

    def flush(self) -> None:
        """Send what the outbox holds; keep what the socket does not take."""
        if self.closed or self.held:
            return
        client = self.client
        outbox = client.outbox
        if self.backlog:
            outbox.insert(0, self.backlog)
            self.backlog = b""
        data = outbox[0] if len(outbox) == 1 else b"".join(outbox)
        outbox.clear()
        if data:
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.close()
                return
            statistics = self._service.instance.statistics
            statistics.bytes_out += sent
            statistics.writes_processed += 1
            if sent < len(data):
                self.backlog = bytes(memoryview(data)[sent:])
                if not self.wants_write:
                    self.wants_write = True
                    self._service.reactor.watch_writable(self, True)
                return
        if self.wants_write:
            self.wants_write = False
            self._service.reactor.watch_writable(self, False)
        if client.closing:
            self.close()

    def close(self) -> None:
        """Close the socket and forget the client. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._service.reactor.remove(self)
        self.socket.close()
        self._service.forget(self.client)
        self.client.retire()
