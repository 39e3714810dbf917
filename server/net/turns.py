"""An instance being served: turns, outboxes, and the life of its connections.

A turn is Redis' own: for each ready client read, parse and run; then, once for all, go on
with whom that unblocked and send every outbox that has something. So replies to other
clients (messages, wake-ups) cost nothing extra, and a log that must be on disk before its
replies leave is written once per turn, in `end_turn`.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from commands.engine.replies import ErrorReply
from commands.instance.client import Client
from commands.instance.instance import Instance
from commands.settings.kinds import OutputLimit
from server.execution.dispatch import Dispatcher
from server.net.connection import Connection
from server.net.reactor import Reactor, make_reactor
from server.persistence.keeper import Keeper
from server.wire.encoder import ENCODERS

logger = logging.getLogger("redkeep")


class Service:
    """One instance with its dispatcher, reactor and connections."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.keyspace = instance.keyspace
        self.dispatcher = Dispatcher(instance)
        self.reactor: Reactor = make_reactor(self.begin_turn, self.end_turn)
        self._to_flush: list[Connection] = []
        # Connections whose replies acknowledge what is not on disk yet.
        self._held: list[Connection] = []
        self._persistence = instance.persistence
        self.keeper = Keeper(instance, self._release_held)
        self.keeper.log.on_synced = self._answer_synced
        self.dispatcher.on_files = self.keeper.perform
        # Called at the end of each turn; the timers look whether they are still right.
        self.after_turn: Callable[[], None] = lambda: None
        self.query_buffer_limit = 0
        self.max_bulk = 0
        # Bytes from which on a request is logged as large.
        self.large_request = 0
        self._output_limits: dict[str, OutputLimit] = {}
        instance.settings.on_change("client-query-buffer-limit", self._follow_query_limit)
        instance.settings.on_change("proto-max-bulk-len", self._follow_max_bulk)
        instance.settings.on_change("client-output-buffer-limit", self._follow_output_limits)
        instance.settings.on_change("commandlog-request-larger-than", self._follow_large_request)

    def _follow_query_limit(self, limit: int) -> None:
        self.query_buffer_limit = limit

    def _follow_max_bulk(self, size: int) -> None:
        self.max_bulk = size

    def _follow_large_request(self, size: int) -> None:
        self.large_request = size if size >= 0 else 1 << 62

    def _follow_output_limits(self, limits: dict[str, OutputLimit]) -> None:
        self._output_limits = limits

    # --- turns ------------------------------------------------------------------------

    def begin_turn(self) -> None:
        self.keyspace.refresh_now()

    def end_turn(self) -> None:
        """Go on with the unblocked, then send what there is to send."""
        blocking = self.dispatcher.blocking
        while blocking.resumed:
            resumed, blocking.resumed = blocking.resumed, []
            for client in resumed:
                self._resume(client)
        if self._persistence.logging and not self.keeper.log.append():
            self._hold_back()
        to_flush = self._to_flush
        if to_flush:
            # Sending can close a connection, and that can have a message sent to others.
            self._to_flush = []
            for connection in to_flush:
                connection.queued = False
                connection.flush()
                if connection.backlog:
                    self._check_output(connection)
        self.after_turn()

    def _hold_back(self) -> None:
        """Send nothing of this turn before the log is on disk."""
        for connection in self._to_flush:
            connection.held = True
        self._held += self._to_flush
        self._to_flush = []

    def _release_held(self) -> None:
        """The log is on disk: send what it held back."""
        held, self._held = self._held, []
        for connection in held:
            connection.held = False
        self._to_flush += held

    def _answer_synced(self) -> None:
        """More of the log is on disk: answer who waited for that."""
        if self.dispatcher.blocking.waits_for_disk:
            self.begin_turn()
            self.dispatcher.blocking.serve_disk()
            self.end_turn()

    def flush_soon(self, client: Client) -> None:
        """Have the client's outbox sent at the end of this turn."""
        connection: Connection | None = client.wire
        if connection is not None and not connection.queued:
            connection.queued = True
            self._to_flush.append(connection)

    def run(self, client: Client, requests: list[list[bytes]]) -> None:
        """Run a client's requests. A fault of ours ends that client's connection only."""
        self.flush_soon(client)
        try:
            self.dispatcher.run(client, requests)
        except Exception:
            logger.exception("A command of client %d failed; closing its connection", client.id)
            client.outbox.append(client.encode(ErrorReply(b"ERR internal error, see the log")))
            client.close("internal error")

    def _resume(self, client: Client) -> None:
        connection: Connection | None = client.wire
        if connection is None or client.waiting is not None or not client.blocked_requests:
            return
        requests, client.blocked_requests = client.blocked_requests, []
        self.run(client, requests)
        # About: taking them to be of one size spares measuring what still waits.
        still_waiting = len(client.blocked_requests) / len(requests)
        connection.waiting_bytes = int(connection.waiting_bytes * still_waiting)

    # --- connections ----------------------------------------------------------------------

    def connect(self, sock: socket.socket) -> Connection | None:
        """Take on an accepted socket; None if it had to be refused."""
        instance = self.instance
        settings = instance.settings
        refusal = None
        if len(instance.clients) >= settings["maxclients"]:
            refusal = b"ERR max number of clients reached"
        elif not settings["requirepass"] and _is_foreign(sock) and settings["protected-mode"]:
            refusal = (
                b"DENIED Redkeep runs in protected mode: it has no password and answers only "
                b"local clients. Set 'requirepass', or 'protected-mode no' if this network is "
                b"trusted."
            )
        if refusal is not None:
            instance.statistics.connections_rejected += 1
            _refuse(sock, refusal)
            return None
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock, settings["tcp-keepalive"])
        instance.keyspace.refresh_now()
        instance.statistics.connections_received += 1
        client = instance.new_client()
        client.unix_socket = sock.family == socket.AF_UNIX
        client.address, client.local_address = _addresses(sock)
        connection = Connection(self, sock, client)
        instance.admit(client)
        self.reactor.add(connection)
        return connection

    def forget(self, client: Client) -> None:
        self.dispatcher.blocking.forget(client)
        self.instance.forget(client)

    def disconnect_all(self) -> None:
        for client in list(self.instance.clients.values()):
            if client.wire is not None:
                client.wire.flush()
                if client.wire is not None:
                    client.wire.close()

    # --- limits ---------------------------------------------------------------------------

    def _check_output(self, connection: Connection) -> None:
        """Cut off a client that does not read its replies, by its class' limits."""
        client = connection.client
        limit = self._output_limits["pubsub" if client.subscriptions else "normal"]
        held = connection.unsent
        now = self.instance.keyspace.now
        if limit.soft and held > limit.soft:
            since = connection.over_soft_limit_since
            if since is None:
                connection.over_soft_limit_since = since = now
            over_soft = now - since > limit.soft_seconds * 1000
        else:
            connection.over_soft_limit_since = None
            over_soft = False
        if over_soft or (limit.hard and held > limit.hard):
            logger.warning("Closing client %d: output buffer limit reached", client.id)
            self.instance.statistics.client_output_limit_disconnects += 1
            connection.close()

    def check_clients(self) -> None:
        """Close those that were idle for too long or are over their soft limit."""
        timeout_ms = self.instance.settings["timeout"] * 1000
        now = self.instance.keyspace.now
        for client in list(self.instance.clients.values()):
            connection: Connection | None = client.wire
            if connection is None:
                continue
            if connection.backlog:
                self._check_output(connection)
            if (
                timeout_ms
                and now - client.last_seen_ms > timeout_ms
                and client.waiting is None
                and not client.subscriptions
                and not client.monitoring
            ):
                logger.debug("Closing idle client %d", client.id)
                connection.close()

    def close(self) -> None:
        self.disconnect_all()
        self.reactor.close()


def _refuse(sock: socket.socket, reason: bytes) -> None:
    try:
        sock.setblocking(False)
        sock.send(ENCODERS[2](ErrorReply(reason)))
    except OSError:
        pass  # It is being closed; that it does not hear why is no further harm.
    sock.close()


def _is_foreign(sock: socket.socket) -> bool:
    """Whether the peer is on another machine."""
    if sock.family == socket.AF_UNIX:
        return False
    try:
        host = sock.getpeername()[0]
    except OSError:
        return False
    return not (host.startswith(("127.", "::ffff:127.")) or host == "::1")


def _keep_alive(sock: socket.socket, seconds: int) -> None:
    if not seconds:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _addresses(sock: socket.socket) -> tuple[bytes, bytes]:
    """Peer and own address as CLIENT LIST shows them."""
    if sock.family == socket.AF_UNIX:
        path = str(sock.getsockname()).encode("utf-8", "surrogateescape")
        return path + b":0", path + b":0"
    try:
        peer, own = sock.getpeername(), sock.getsockname()
    except OSError:
        return b"?:0", b"?:0"
    return _host_port(peer), _host_port(own)


def _host_port(address: tuple[str, int]) -> bytes:
    host, port = address[0], address[1]
    return f"[{host}]:{port}".encode() if ":" in host else f"{host}:{port}".encode()
