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
from server.system.descriptors import Descriptors
from server.system.system import System

logger = logging.getLogger("redkeep")

# Connections accepted from one listening socket before the others get their turn.
_ACCEPTS_PER_TURN = 1000
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

    def add(self, sock: socket.socket) -> None:
        """Take on a client; OSError if it disconnected before it could be set up."""

    def turn_away(self, sock: socket.socket) -> None:
        """Close a socket for which there is no descriptor, and tell its client why."""


class Listeners:
    """The listening sockets that the settings name."""

    def __init__(self, settings: Settings, doorkeeper: Doorkeeper, system: System) -> None:
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._network = system.network
        self._spare = SpareDescriptor(system.descriptors)
        self._sockets: list[socket.socket] = []
        # Device and inode of the file that is the Unix socket.
        self._unix_file: tuple[int, int] | None = None
        # While running: the parent of the accepting tasks.
        self._nursery: trio.Nursery | None = None
        # Whether the last attempt to accept a client failed, which is logged once.
        self._failing = False
        settings.on_change(Settings.port, self._move)
        settings.on_change(Settings.bind, self._move)

    def listen(self) -> None:
        """Bind all addresses that the settings name, or none."""
        settings = self._settings
        try:
            port, hosts = settings.port, settings.bind
            if settings.unixsocket:
                self._listen_unix(settings.unixsocket, settings.unixsocketperm)
            if hosts and (port or not settings.unixsocket):
                self._sockets += self._listen_tcp(hosts, port)
                # With port 0 the system chose one: INFO and CONFIG show it.
                settings.set(Settings.port, self.port)
            if not self._sockets:
                raise ListenError("there is no address to listen on; set 'bind' or 'unixsocket'")
            self._spare.take()
        except BaseException:
            self.close()
            raise

    def _listen_tcp(self, hosts: Sequence[str], port: int) -> list[socket.socket]:
        """Sockets listening on these hosts; those that already do are kept."""
        kept = {sock.getsockname()[:2]: sock for sock in self._sockets if not _is_unix(sock)}
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
            for sock in listening:
                if sock not in self._sockets:
                    sock.close()
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
        self._sockets.append(sock)

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

    def _move(self, changed: int | Sequence[str]) -> None:
        """CONFIG SET port or bind: listen on the new addresses, or refuse and change nothing.

        If both change, `changed` is the one that the command names first: the error is about it.
        """
        if self._nursery is None:
            return
        port, hosts = self._settings.port, self._settings.bind
        try:
            wanted = self._listen_tcp(hosts, port) if port and hosts else []
        except ListenError as error:
            logger.warning("%s", error)
            is_port = isinstance(changed, int)
            raise SettingError(_PORT_REFUSED if is_port else _BIND_REFUSED) from None
        before = self._sockets
        self._sockets = wanted + [sock for sock in before if _is_unix(sock)]
        for sock in before:
            if sock not in self._sockets:
                trio.lowlevel.notify_closing(sock)
                sock.close()
        for sock in wanted:
            if sock not in before:
                self._nursery.start_soon(self._accept, sock)

    @property
    def port(self) -> int:
        """The TCP port in use; 0 if there is none."""
        for sock in self._sockets:
            if not _is_unix(sock):
                port: int = sock.getsockname()[1]
                return port
        return 0

    @property
    def addresses(self) -> list[str]:
        """The addresses as a person would write them."""
        shown = []
        for sock in self._sockets:
            name = sock.getsockname()
            if _is_unix(sock):
                shown.append(f"unix:{name}")
            else:
                host = f"[{name[0]}]" if ":" in name[0] else name[0]
                shown.append(f"{host}:{name[1]}")
        return shown

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
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock = self._network.accept(listener)
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                if not self._failing:
                    logger.warning("Accepting clients fails: %s", error.strerror)
                self._failing = True
                if error.errno in _NO_DESCRIPTOR and self._turn_away(listener):
                    continue
                return False
            self._failing = False
            try:
                self._doorkeeper.add(sock)
            except OSError:
                sock.close()  # The peer disconnected before it could be set up.
        return True

    def _turn_away(self, listener: socket.socket) -> bool:
        """Refuse the next client with the help of the spare descriptor; whether that worked."""
        if not self._spare.give_up():
            return False
        try:
            self._doorkeeper.turn_away(self._network.accept(listener))
        except OSError:
            return False
        finally:
            self._spare.take()
        return True

    def close(self) -> None:
        for sock in self._sockets:
            path = sock.getsockname() if _is_unix(sock) else None
            sock.close()
            if path:
                self._remove_unix_file(path)
        self._sockets.clear()
        self._spare.give_up()


class SpareDescriptor:
    """A descriptor that is given up to accept a client when no other is left.

    Without it such a client could only be left waiting in the queue, and the queue of the
    listening socket would stay readable.
    """

    def __init__(self, descriptors: Descriptors) -> None:
        self._descriptors = descriptors
        self._descriptor: int | None = None

    def take(self) -> None:
        """Open the spare descriptor, if it is not open and one is left."""
        if self._descriptor is None:
            with suppress(OSError):
                self._descriptor = self._descriptors.spare()

    def give_up(self) -> bool:
        """Close the spare descriptor; whether it was open."""
        if self._descriptor is None:
            # Another file may have been closed since the spare descriptor could not be opened.
            self.take()
        if self._descriptor is None:
            return False
        self._descriptors.close(self._descriptor)
        self._descriptor = None
        return True


def _is_unix(sock: socket.socket) -> bool:
    return sock.family == socket.AF_UNIX


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
