"""One client's socket: what comes in becomes requests, the outbox goes out.

Sockets are raw and never block. Nothing here waits: the reactor calls `receive` when
there is something to read and `flush` when there is room to send.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from operator import length_hint
from typing import Protocol

from commands.engine.replies import ErrorReply
from commands.instance.client import Client, Encoder
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.net.backlog import Backlog
from server.net.held_input import HeldInput
from server.net.outboxes import Outboxes
from server.net.reactor import Reactor
from server.net.streams import Stream
from server.wire.encoder import ENCODERS
from server.wire.protocol import RequestParser
from storage.aof.encoder import encode

logger = logging.getLogger("redkeep")

_READ_SIZE = 64 * 1024
# While a long string is coming in, fewer and larger reads.
_READ_SIZE_MAX = 4 << 20
# Held input is parsed in pieces of this size.
_SLICE = 4096
# So many requests are kept as they are when the client has to wait: few enough not to matter,
# and enough for pipelines in which every other command waits.
_FEW_REQUESTS = 64


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

    def run(self, ctx: Context, requests: Iterator[list[bytes]]) -> bool:
        """Run requests; return False if the client must wait before the others can run, which
        are left in the iterator."""

    def resume_later(self, client: Client) -> None:
        """Call `resume` of the client's connection again in the next turn."""

    def log_large_requests(self, client: Client, requests: list[list[bytes]]) -> None: ...

    def forget(self, client: Client) -> None:
        """The client has disconnected."""


class Connection:
    """The wire of a client: socket, parser, and bytes that did not fit into the socket."""

    __slots__ = (
        "_backlog",
        "_behind",
        "_held",
        "_host",
        "_limits",
        "_outboxes",
        "_parser",
        "_reactor",
        "_requests",
        "_requests_size",
        "awaits_disk",
        "client",
        "closed",
        "ctx",
        "encoders",
        "fd",
        "over_soft_limit_since",
        "queued",
        "received",
        "socket",
        "wants_write",
    )

    def __init__(
        self,
        stream: Stream,
        host: Host,
        limits: Limits,
        outboxes: Outboxes,
        reactor: Reactor,
    ) -> None:
        self.socket = stream
        self.fd = stream.fileno()
        self._host = host
        self._limits = limits
        self._outboxes = outboxes
        self._reactor = reactor
        self.encoders: Mapping[int, Encoder] = ENCODERS
        self.closed = False
        self.queued = False
        self.awaits_disk = False
        self.wants_write = False
        self._backlog = Backlog()
        # Requests were held back: `_requests` first, then `_held`.
        self._behind = False
        self._requests: Iterator[list[bytes]] = iter(())
        # The bytes they came as, or a little more.
        self._requests_size = 0
        # For CLIENT LIST: the bytes of the latest requests, with those that followed them.
        self.received = 0
        self._held = HeldInput()
        self.over_soft_limit_since: int | None = None
        self._parser = RequestParser()
        self.client = host.instance.new_client(self)
        self.ctx = Context(host.instance, self.client)

    # --- receiving ----------------------------------------------------------------------

    def receive(self) -> None:
        """Read once and run every complete request."""
        parser = self._parser
        size = _READ_SIZE
        if parser.partial:
            size = min(max(size, parser.wanted), _READ_SIZE_MAX)
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
        instance = self._host.instance
        statistics = instance.statistics
        statistics.bytes_in += len(data)
        statistics.reads_processed += 1
        client.last_seen_ms = instance.coarse_ms
        # Mostly there are no guards, and the property that looks for one needs no call.
        if client.guards and client.closing:
            return
        if self._behind:
            self._held.add(data)
        else:
            self._outboxes.add(self)
            self._process(data)
            if self._behind:
                self._put_back()
        if (self._behind or parser.partial) and self._input_cost() > self._limits.query_buffer:
            statistics.client_query_limit_disconnects += 1
            logger.warning("Closing client %d: query buffer limit reached", client.id)
            self.close()

    def _process(self, data: bytes) -> None:
        """Parse what was received and run the complete requests."""
        client, parser, host = self.client, self._parser, self._host
        before = parser.pending if parser.partial else 0
        # AUTH, RESET or CONFIG SET may have changed these.
        parser.trusted = not client.guards or client.authenticated
        parser.max_bulk = self._limits.max_bulk
        requests = parser.feed(data)
        if requests:
            self.received = size = before + len(data)
            if size >= host.large_request:
                host.log_large_requests(client, requests)
            self._requests = iter(requests)
            if not host.run(self.ctx, self._requests):
                self._behind = True
                self._requests_size = size if self._stopped() else 0
                return
        if parser.error is not None:
            self._report(parser.error)

    def _stopped(self) -> bool:
        """Whether the requests at hand were not all run, because the client had to wait."""
        return self.client.postponed is not None or length_hint(self._requests) > 0

    def _report(self, error: bytes) -> None:
        """Answer a violation of the protocol, and close the connection."""
        client = self.client
        logger.debug("Protocol error from client %d: %s", client.id, error.decode("latin-1"))
        self._host.instance.statistics.count_error(error)
        client.outbox.append(client.encode(ErrorReply(error)))
        client.close("protocol error")

    def _put_back(self) -> None:
        """Keep requests that cannot run now as bytes, unless they are few.

        Those of a stranger stay as they are, because they were parsed with smaller limits.
        """
        parser = self._parser
        if length_hint(self._requests) > _FEW_REQUESTS and parser.trusted and not parser.error:
            self._held.put_back(encode(self._requests) + parser.take_partial())
            self._requests_size = 0

    def resume(self) -> None:
        """Go on with the requests that were held back while the client was blocked or paused.

        Others get their turn after every 64 KB.
        """
        client, held, host = self.client, self._held, self._host
        if not self._behind:
            return
        self.flush_soon()
        if client.postponed is not None and client.waiting is None:
            argv, client.postponed = client.postponed, None
            host.run(self.ctx, iter([argv]))
        budget = _READ_SIZE
        while client.waiting is None and client.postponed is None and not client.closing:
            if length_hint(self._requests):
                host.run(self.ctx, self._requests)
                continue
            self._requests_size = 0
            if self._parser.error is not None:
                self._report(self._parser.error)
            elif not held.size:
                self._behind = False
                return
            elif budget <= 0:
                host.resume_later(client)
                return
            else:
                data = held.take(max(_SLICE, self._parser.wanted))
                budget -= len(data)
                self._process(data)

    def _input_cost(self) -> int:
        return self._parser.cost + self._held.size + self._requests_size

    @property
    def unread(self) -> int:
        """Bytes received that belong to requests not run yet."""
        return self._parser.pending + self._held.size + self._requests_size

    @property
    def unsent(self) -> int:
        """Bytes of replies not sent yet."""
        return self._backlog.size + sum(map(len, self.client.outbox))

    # --- sending ------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Send the outbox at the end of this turn."""
        self._outboxes.add(self)

    def check_output(self) -> None:
        """Close the connection if the client left too many replies unread."""
        if (self.wants_write or self.awaits_disk) and self._limits.exceeded_output(self):
            logger.warning("Closing client %d: output buffer limit reached", self.client.id)
            self._host.instance.statistics.client_output_limit_disconnects += 1
            self.close()

    def flush(self) -> None:
        """Send the outbox, or what the socket takes of it."""
        if self.closed or self.awaits_disk:
            return
        self._send_outbox()
        if self.client.guards:
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self.client.closing and not self.wants_write and not self.awaits_disk:
            self.close()

    def keep_back(self, start: int) -> None:
        """Send the replies before this place in the outbox, and the others only after `release`.

        They acknowledge writes, or follow a reply that does, and the log is not on disk.
        """
        if self.awaits_disk:
            return
        outbox = self.client.outbox
        kept = outbox[start:]
        del outbox[start:]
        self._send_outbox()
        if not self.closed:
            outbox += kept
            self.awaits_disk = True
            self._outboxes.await_disk(self)

    def _send_outbox(self) -> None:
        outbox = self.client.outbox
        if not outbox:
            return
        if self.wants_write:
            # `send_more` follows when the socket has room.
            self._backlog.add(outbox)
            outbox.clear()
            return
        if self.client.has_long_reply:
            # Joining would copy it.
            self.client.has_long_reply = False
            self._backlog.add(outbox)
            outbox.clear()
            self._send_backlog()
            return
        data = outbox[0] if len(outbox) == 1 else b"".join(outbox)
        outbox.clear()
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
            self._backlog.add_rest(data, sent)
            self._watch_writable(True)

    def send_more(self) -> None:
        """The socket has room for what it did not take before."""
        if self.wants_write:
            self._send_backlog()
        self._close_if_done()

    def _send_backlog(self) -> None:
        backlog = self._backlog
        try:
            sent = backlog.send(self.socket)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            return
        statistics = self._host.instance.statistics
        statistics.bytes_out += sent
        statistics.writes_processed += 1
        self._watch_writable(backlog.size > 0)

    def _watch_writable(self, wanted: bool) -> None:
        if self.wants_write != wanted:
            self.wants_write = wanted
            self._reactor.watch_writable(self, wanted)

    def finish(self) -> None:
        """Close the connection after a last attempt to send its replies."""
        if not self.awaits_disk:
            self._send_outbox()
        if self.wants_write and not self.closed:
            self._send_backlog()
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
