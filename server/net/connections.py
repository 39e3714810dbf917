"""The connections of an instance: which sockets are accepted, and when they are closed."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Mapping

from commands.engine.replies import ErrorReply
from commands.instance.instance import Instance
from commands.settings.kinds import OutputLimit
from commands.settings.settings import Settings
from server.net.connection import Connection, Host
from server.net.outboxes import Outboxes
from server.net.reactor import Reactor
from server.net.tls_connection import Handshakes, TlsConnection
from server.net.tls_stream import TlsStream
from server.wire.encoder import ENCODERS

logger = logging.getLogger("redkeep")

# Bytes of replies that a client may leave unread before it is authenticated. What it may send
# is limited by the parser.
_MOST_FOR_STRANGERS = 16 * 1024
_TOO_MANY = b"ERR max number of clients reached"
# The longest idle time before a keep-alive probe that Linux accepts, in seconds.
_LONGEST_KEEP_ALIVE = 32767


class ClientLimits:
    """Limits on what clients may send and leave unread, as the settings have them."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.query_buffer = 0
        self.max_bulk = 0
        self._output: Mapping[str, OutputLimit] = {}
        settings = instance.settings
        settings.on_change(Settings.client_query_buffer_limit, self._follow_query_buffer)
        settings.on_change(Settings.proto_max_bulk_len, self._follow_max_bulk)
        settings.on_change(Settings.client_output_buffer_limit, self._follow_output)

    def _follow_query_buffer(self, size: int) -> None:
        self.query_buffer = size

    def _follow_max_bulk(self, size: int) -> None:
        self.max_bulk = size

    def _follow_output(self, limits: Mapping[str, OutputLimit]) -> None:
        self._output = limits

    def exceeded_output(self, connection: Connection) -> bool:
        """Whether the client left too many replies unread for too long, for its class."""
        limit = self._output["pubsub" if connection.client.subscriptions else "normal"]
        unsent = connection.unsent
        if unsent > _MOST_FOR_STRANGERS and not connection.client.authenticated:
            return True
        if limit.hard and unsent > limit.hard:
            return True
        if not limit.soft or unsent <= limit.soft:
            connection.over_soft_limit_since = None
            return False
        now = self._instance.clock.monotonic_ms()
        if connection.over_soft_limit_since is None:
            connection.over_soft_limit_since = now
        return now - connection.over_soft_limit_since > limit.soft_seconds * 1000


class Connections:
    """Takes on accepted sockets and closes connections."""

    def __init__(
        self,
        instance: Instance,
        host: Host,
        outboxes: Outboxes,
        reactor: Reactor,
        tls_context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._instance = instance
        self._host = host
        self._outboxes = outboxes
        self._reactor = reactor
        self._limits = ClientLimits(instance)
        # What new connections of the TLS port begin with.
        self._tls_context = tls_context
        self._handshakes = Handshakes(instance.clock)

    def add(self, sock: socket.socket, tls: bool) -> None:
        """Take on an accepted socket, or refuse it."""
        instance = self._instance
        refusal = self._refusal(sock)
        # A client of the TLS port can read why it is refused only after its handshake. If there
        # are too many clients, there is no place for that, and its connection just ends.
        if refusal is not None and (refusal is _TOO_MANY or not tls):
            self._refuse(sock, refusal, tls)
            return
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(sock, instance.settings.tcp_keepalive)
        instance.keyspace.refresh_now()
        if refusal is None:
            instance.statistics.connections_received += 1
        else:
            instance.statistics.connections_rejected += 1
        connection = self._connect_tls(sock, refusal) if tls else self._connect(sock)
        client = connection.client
        client.tls = tls
        client.unix_socket = sock.family == socket.AF_UNIX
        client.address, client.local_address = _addresses(sock)
        instance.admit(client)
        self._reactor.add(connection)

    def _connect(self, sock: socket.socket) -> Connection:
        return Connection(sock, self._host, self._limits, self._outboxes, self._reactor)

    def _connect_tls(self, sock: socket.socket, refusal: bytes | None) -> Connection:
        return TlsConnection(
            TlsStream(sock, self._tls_context()),
            self._host,
            self._limits,
            self._outboxes,
            self._reactor,
            self._handshakes,
            refusal,
        )

    def turn_away(self, sock: socket.socket, tls: bool) -> None:
        """Refuse a socket for which the process has no descriptor."""
        self._refuse(sock, _TOO_MANY, tls)

    def _refuse(self, sock: socket.socket, reason: bytes, tls: bool) -> None:
        self._instance.statistics.connections_rejected += 1
        if not tls:
            try:
                sock.setblocking(False)
                sock.send(ENCODERS[2](ErrorReply(reason)))
            except OSError:
                pass  # It is being closed; that it does not hear why is no further harm.
        sock.close()

    def _refusal(self, sock: socket.socket) -> bytes | None:
        """Why a socket is refused; None if it is not."""
        settings = self._instance.settings
        if len(self._instance.clients) >= settings.maxclients:
            return _TOO_MANY
        if self._instance.users.is_open and _is_foreign(sock) and settings.protected_mode:
            return (
                b"DENIED Redkeep runs in protected mode: it has no password and answers only "
                b"local clients. Set 'requirepass', or 'protected-mode no' if this network is "
                b"trusted."
            )
        return None

    def check(self) -> None:
        """Close connections that are idle for too long or need too much memory, or are slow to
        complete their TLS handshake."""
        self._handshakes.check()
        timeout_ms = self._instance.settings.timeout * 1000
        now = self._instance.coarse_ms
        for client in list(self._instance.clients.values()):
            client.wire.check_output()
            if (
                timeout_ms
                and now - client.last_seen_ms > timeout_ms
                and client.waiting is None
                and not client.subscriptions
                and not client.monitoring
            ):
                logger.debug("Closing idle client %d", client.id)
                client.wire.close()

        self._evict_clients()

    def _evict_clients(self) -> None:
        """Close the largest connections while all together are over `maxmemory-clients`."""
        settings = self._instance.settings
        limit = settings.maxmemory_clients
        if limit < 0:
            limit = settings.maxmemory * -limit // 100
        if not limit:
            return
        clients = list(self._instance.clients.values())
        total = sum(client.memory for client in clients)
        if total <= limit:
            return
        for client in sorted(clients, key=lambda each: each.memory, reverse=True):
            if not client.no_evict:
                logger.warning("Closing client %d: maxmemory-clients is reached", client.id)
                total -= client.memory
                self._instance.statistics.evicted_clients += 1
                client.wire.close()
                if total <= limit:
                    return

    def close(self) -> None:
        """Close every connection, after a last attempt to send what is in its outbox."""
        for client in list(self._instance.clients.values()):
            client.wire.finish()


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
    # A longer time would make the system refuse the option, and with it the connection.
    seconds = min(seconds, _LONGEST_KEEP_ALIVE)
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
