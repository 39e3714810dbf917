"""The listening sockets of a server: bound, rebound by CONFIG SET, accepted from, closed."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import trio

from commands.settings.kinds import SettingError
from commands.settings.settings import Settings
from server.spare_descriptor import SpareDescriptor
from server.system.system import System
from server.tls import Tls, TlsError

logger = logging.getLogger("redkeep")

# Connections accepted from one listening socket before the others get their turn. Those of the
# TLS port are few, because a handshake costs as much as a hundred requests.
_ACCEPTS_PER_TURN = 1000
_TLS_ACCEPTS_PER_TURN = 10
# How long to pause accepting after it has failed, in seconds.
_PAUSE_AFTER_FAILURE = 0.1
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
# Errors that mean that this machine does not have an address.
_UNAVAILABLE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
_PORT_REFUSED = "Unable to listen on this port. Check server logs."
_BIND_REFUSED = "Failed to bind to specified addresses."
# What `bind` calls all addresses of a family.
_ANY = {"*": "0.0.0.0", "::*": "::"}  # noqa: S104


class ListenError(Exception):
    """An address that cannot be listened on; the message says what to do."""


class Doorkeeper(Protocol):
    """What is done with accepted sockets."""

    def add(self, sock: socket.socket, tls: bool) -> None:
        """Take on a client; OSError if it disconnected before it could be set up."""

    def turn_away(self, sock: socket.socket, tls: bool) -> None:
        """Close a socket for which there is no descriptor, and tell its client why."""


class Listeners:
    """The listening sockets that the settings name."""

    def __init__(
        self, settings: Settings, doorkeeper: Doorkeeper, tls: Tls, system: System
    ) -> None:
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._tls = tls
        self._network = system.network
        self._spare = SpareDescriptor(system.descriptors)
        self._unix: list[socket.socket] = []
        self._tcp: list[socket.socket] = []
        self._encrypted: list[socket.socket] = []
        # Device and inode of the file that is the Unix socket.
        self._unix_file: tuple[int, int] | None = None
        # While running: the parent of the accepting tasks.
        self._nursery: trio.Nursery | None = None
        # Whether the last attempt to accept a client failed, which is logged once.
        self._failing = False
        settings.on_change(Settings.port, self._move_port)
        settings.on_change(Settings.tls_port, self._move_tls_port)
        settings.on_change(Settings.bind, self._move_hosts)

    def listen(self) -> None:
        """Bind all addresses that the settings name, or none."""
        settings = self._settings
        try:
            port, tls_port, hosts = settings.port, settings.tls_port, settings.bind
            if tls_port:
                self._tls.load()
            if settings.unixsocket:
                self._listen_unix(settings.unixsocket, settings.unixsocketperm)
            if hosts and (port or not (settings.unixsocket or tls_port)):
                self._tcp = self._listen_tcp(hosts, port, ())
                # With port 0 the system chose one: INFO and CONFIG show it.
                settings.set(Settings.port, self.port)
            if hosts and tls_port:
                self._encrypted = self._listen_tcp(hosts, tls_port, ())
            if not self._sockets:
                raise ListenError("there is no address to listen on; set 'bind' or 'unixsocket'")
            self._spare.take()
        except TlsError as error:
            raise ListenError(str(error)) from None
        except BaseException:
            self.close()
            raise

    @property
    def _sockets(self) -> list[socket.socket]:
        return self._unix + self._tcp + self._encrypted

    def _listen_tcp(
        self, hosts: Sequence[str], port: int, present: Sequence[socket.socket]
    ) -> list[socket.socket]:
        """Sockets listening on these hosts; those that already do are kept."""
        kept = {sock.getsockname()[:2]: sock for sock in present}
        listening: list[socket.socket] = []
        try:
            for host in hosts:
                # A dash before an address means that it may be unavailable.
                optional, host = host.startswith("-"), host.removeprefix("-")
                host = _ANY.get(host, host)
                # An address that is named twice fails to be bound a second time.
                sock = kept.pop((host, port), None) or self._bind_tcp(host, port, optional)
                if sock is not None:
                    listening.append(sock)
                    # With port 0 the system chooses for the first address; others share it.
                    port = sock.getsockname()[1]
            if not listening:
                raise ListenError(f"none of the addresses in 'bind {' '.join(hosts)}' can be used")
        except BaseException:
            _close_new(listening, present)
            raise
        return listening

    def _bind_tcp(self, host: str, port: int, optional: bool) -> socket.socket | None:
        """A socket listening on this address; None if it is optional and unavailable."""
        sock = None
        try:
            # Where the system has no IPv6, creating the socket fails.
            sock = self._network.create(socket.AF_INET6 if ":" in host else socket.AF_INET)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._network.bind(sock, (host, port))
            self._network.listen(sock, self._settings.tcp_backlog)
            sock.setblocking(False)
        except (OSError, UnicodeError) as error:
            if sock is not None:
                sock.close()
            number = error.errno if isinstance(error, OSError) else None
            if number in _UNAVAILABLE and (optional or host == "::1"):
                return None
            raise ListenError(_explain(error, host, port)) from error
        return sock

    def _listen_unix(self, path: str, permissions: int) -> None:
        sock = None
        try:
            self._remove_unused(path)
            sock = self._network.create(socket.AF_UNIX)
            self._network.bind(sock, path)
            self._unix_file = _identity(path)
            if permissions:
                os.chmod(path, permissions)
            self._network.listen(sock, self._settings.tcp_backlog)
            sock.setblocking(False)
        except OSError as error:
            if sock is not None:
                sock.close()
            self._remove_unix_file(path)
            reason = error.strerror or error
            raise ListenError(f"cannot listen on unix socket {path}: {reason}") from error
        self._unix.append(sock)

    def _remove_unused(self, path: str) -> None:
        """Remove a socket that a server left behind; nothing else, and no symbolic link."""
        try:
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                return
        except FileNotFoundError:
            return
        with self._network.create(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
                return
            except BlockingIOError:
                pass  # A server listens there, and its queue is full.
        raise OSError(errno.EADDRINUSE, "another server listens there")

    def _remove_unix_file(self, path: str) -> None:
        """Remove the Unix socket if it is still the one that was created here."""
        if self._unix_file is not None:
            with suppress(OSError):
                if _identity(path) == self._unix_file:
                    os.unlink(path)
            self._unix_file = None

    def _move_port(self, _: object) -> None:
        self._move(_PORT_REFUSED)

    def _move_tls_port(self, port: int) -> None:
        if self._nursery is not None and port:
            self._tls.reload()
        self._move(_PORT_REFUSED)

    def _move_hosts(self, _: object) -> None:
        self._move(_BIND_REFUSED)

    def _move(self, refusal: str) -> None:
        """CONFIG SET port, tls-port or bind: listen on the new addresses, or refuse and change
        nothing."""
        if self._nursery is None:
            return
        settings = self._settings
        hosts = settings.bind
        tcp: list[socket.socket] = []
        encrypted: list[socket.socket] = []
        try:
            if settings.port and hosts:
                tcp = self._listen_tcp(hosts, settings.port, self._tcp)
            if settings.tls_port and hosts:
                encrypted = self._listen_tcp(hosts, settings.tls_port, self._encrypted)
        except ListenError as error:
            _close_new(tcp, self._tcp)
            logger.warning("%s", error)
            raise SettingError(refusal) from None
        before = self._sockets
        self._tcp, self._encrypted = tcp, encrypted
        for sock in before:
            if sock not in self._sockets:
                trio.lowlevel.notify_closing(sock)
                sock.close()
        for sock in self._sockets:
            if sock not in before:
                self._nursery.start_soon(self._accept, sock)

    @property
    def port(self) -> int:
        """The TCP port in use; 0 if there is none."""
        port: int = self._tcp[0].getsockname()[1] if self._tcp else 0
        return port

    @property
    def addresses(self) -> list[str]:
        """The addresses as a person would write them."""
        return [
            *(f"unix:{sock.getsockname()}" for sock in self._unix),
            *map(_shown, self._tcp),
            *(f"{_shown(sock)} (TLS)" for sock in self._encrypted),
        ]

    async def run(self) -> None:
        """Accept connections on all sockets, for ever."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for sock in self._sockets:
                    nursery.start_soon(self._accept, sock)
                # Sockets that CONFIG SET adds are accepted from in the same nursery.
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                await trio.lowlevel.wait_readable(listener)
            except trio.ClosedResourceError:
                return  # CONFIG SET moved the server to another address.
            if not self._accept_some(listener):
                # The client still waits, so `wait_readable` alone would return at once.
                await trio.sleep(_PAUSE_AFTER_FAILURE)

    def accept_waiting(self) -> None:
        """Accept the clients that wait, from within a turn."""
        for listener in self._sockets:
            self._accept_some(listener)

    def _accept_some(self, listener: socket.socket) -> bool:
        """Accept some of the clients that wait; False if accepting fails."""
        tls = listener in self._encrypted
        for _ in range(_TLS_ACCEPTS_PER_TURN if tls else _ACCEPTS_PER_TURN):
            try:
                sock = self._network.accept(listener)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if not self._failing:
                    logger.warning("Accepting clients fails: %s", error.strerror)
                self._failing = True
                if error.errno in _NO_DESCRIPTOR and self._turn_away(listener, tls):
                    continue
                return False
            self._failing = False
            try:
                self._doorkeeper.add(sock, tls)
            except OSError:
                sock.close()  # The peer disconnected before it could be set up.
        return True

    def _turn_away(self, listener: socket.socket, tls: bool) -> bool:
        """Refuse the next client with the help of the spare descriptor; whether that worked."""
        if not self._spare.give_up():
            return False
        try:
            self._doorkeeper.turn_away(self._network.accept(listener), tls)
        except OSError:
            return False
        finally:
            self._spare.take()
        return True

    def close(self) -> None:
        for sock in self._unix:
            path = sock.getsockname()
            sock.close()
            self._remove_unix_file(path)
        for sock in self._tcp + self._encrypted:
            sock.close()
        self._unix, self._tcp, self._encrypted = [], [], []
        self._spare.give_up()


def _close_new(sockets: Sequence[socket.socket], present: Sequence[socket.socket]) -> None:
    for sock in sockets:
        if sock not in present:
            sock.close()


def _shown(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _identity(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _explain(error: Exception, host: str, port: int) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"{host}:{port} is in use: another server listens there. Choose another --port."
    if number == errno.EACCES:
        return f"no permission to listen on {host}:{port}; ports below 1024 need privileges"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"cannot listen on {host}:{port}: {reason}"
