"""One client's socket: what comes in becomes requests, the outbox goes out.

Sockets are raw and never block. Nothing here waits: the reactor calls `receive` when
there is something to read and `flush` when there is room to send.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Protocol

from commands.engine.replies import ErrorReply
from commands.instance.client import Client, Encoder
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.net.outboxes import Outboxes
from server.net.reactor import Reactor
from server.wire.encoder import ENCODERS
from server.wire.protocol import RequestParser

logger = logging.getLogger("redkeep")

_READ_SIZE = 64 * 1024
# While a long string is coming in, fewer and larger reads.
_READ_SIZE_MAX = 4 << 20


class Limits(Protocol):
    """Limits on what a client may send and leave unread."""

    # Bytes received but not run.
    query_buffer: int
    # The longest single word of a request.
    max_bulk: int

    def exceeded_output(self, connection: Connection) -> bool:
        """Whether the client left too many replies unread for too long."""


class Host(Protocol):
    """Runs the requests that connections receive."""

    instance: Instance
    # A request of so many bytes is logged as large.
    large_request: int

    def run(self, ctx: Context, requests: list[list[bytes]]) -> None: ...

    def log_large_requests(self, client: Client, requests: list[list[bytes]]) -> None: ...

    def forget(self, client: Client) -> None:
        """The client has disconnected."""


class Connection:
    """The wire of a client: socket, parser, and bytes that did not fit into the socket."""

    __slots__ = (
        "_host",
        "_limits",
        "_outboxes",
        "_parser",
        "_reactor",
        "awaits_disk",
        "backlog",
        "client",
        "closed",
        "ctx",
        "encoders",
        "fd",
        "over_soft_limit_since",
        "queued",
        "socket",
        "waiting_bytes",
        "wants_write",
    )

    def __init__(
        self,
        sock: socket.socket,
        host: Host,
        limits: Limits,
        outboxes: Outboxes,
        reactor: Reactor,
    ) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self._host = host
        self._limits = limits
        self._outboxes = outboxes
        self._reactor = reactor
        self.encoders: Mapping[int, Encoder] = ENCODERS
        self.closed = False
        self.queued = False
        self.awaits_disk = False
        self.wants_write = False
        self.backlog = b""
        # Size of the requests kept until the client is unblocked.
        self.waiting_bytes = 0
        self.over_soft_limit_since: int | None = None
        self._parser = RequestParser()
        self.client = host.instance.new_client(self)
        self.ctx = Context(host.instance, self.client)

    # --- receiving ----------------------------------------------------------------------

    def receive(self) -> None:
        """Read once and run every complete request."""
        parser = self._parser
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
        client, host = self.client, self._host
        instance = host.instance
        statistics = instance.statistics
        statistics.bytes_in += len(data)
        statistics.reads_processed += 1
        client.last_seen_ms = instance.keyspace.now
        # Mostly there are no guards, and the properties that look for one need no call.
        guards = client.guards
        if guards and client.closing:
            return
        # AUTH, RESET or CONFIG SET may have changed these.
        parser.trusted = not guards or client.authenticated
        parser.max_bulk = self._limits.max_bulk
        size = before + len(data)
        requests = parser.feed(data)
        left = parser.pending if parser.partial else 0
        if requests:
            if size >= host.large_request:
                host.log_large_requests(client, requests)
            if client.waiting is not None or client.blocked_requests:
                client.blocked_requests += requests
                self.waiting_bytes += size - left
            else:
                self._outboxes.add(self)
                host.run(self.ctx, requests)
        if parser.error is not None:
            logger.debug(
                "Protocol error from client %d: %s", client.id, parser.error.decode("latin-1")
            )
            statistics.count_error(parser.error)
            client.outbox.append(client.encode(ErrorReply(parser.error)))
            client.close("protocol error")
        elif left + self.waiting_bytes > self._limits.query_buffer:
            statistics.client_query_limit_disconnects += 1
            logger.warning("Closing client %d: query buffer limit reached", client.id)
            self.close()

    def resume(self) -> None:
        """Run the requests that were received while the client was blocked or paused."""
        client = self.client
        if client.waiting is not None or not client.blocked_requests:
            return
        requests, client.blocked_requests = client.blocked_requests, []
        self.flush_soon()
        self._host.run(self.ctx, requests)
        # Approximation: assume equal-sized requests rather than measuring each.
        still_waiting = len(client.blocked_requests) / len(requests)
        self.waiting_bytes = int(self.waiting_bytes * still_waiting)

    @property
    def unread(self) -> int:
        """Bytes received that belong to requests not run yet."""
        return self._parser.pending + self.waiting_bytes

    @property
    def unsent(self) -> int:
        """Bytes of replies not sent yet."""
        return len(self.backlog) + sum(map(len, self.client.outbox))

    # --- sending ------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Send the outbox at the end of this turn."""
        self._outboxes.add(self)

    def check_output(self) -> None:
        """Close the connection if the client left too many replies unread."""
        if self.backlog and self._limits.exceeded_output(self):
            logger.warning("Closing client %d: output buffer limit reached", self.client.id)
            self._host.instance.statistics.client_output_limit_disconnects += 1
            self.close()

    def flush(self) -> None:
        """Send the outbox; keep what the socket does not take."""
        if self.closed or self.awaits_disk:
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
            statistics = self._host.instance.statistics
            statistics.bytes_out += sent
            statistics.writes_processed += 1
            if sent < len(data):
                self.backlog = bytes(memoryview(data)[sent:])
                if not self.wants_write:
                    self.wants_write = True
                    self._reactor.watch_writable(self, True)
                return
        if self.wants_write:
            self.wants_write = False
            self._reactor.watch_writable(self, False)
        if client.guards and client.closing:
            self.close()

    def close(self) -> None:
        """Close the socket and forget the client. Safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._reactor.remove(self)
        self.socket.close()
        self._host.forget(self.client)
        self.client.disconnect()
