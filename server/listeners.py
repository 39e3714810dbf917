"""The listening sockets of a server: bound, rebound by CONFIG SET, accepted from, closed."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from collections.abc import Callable

import trio

from commands.settings.kinds import SettingError
from commands.settings.settings import Settings

logger = logging.getLogger("redkeep")

# Connections accepted from one listening socket before the others get their turn.
_ACCEPTS_PER_TURN = 1000
# How long to pause accepting when the process has no file descriptor left, in seconds.
_OUT_OF_DESCRIPTORS_PAUSE = 0.1

# Called with each accepted socket.
TakeOn = Callable[[socket.socket], None]


class ListenError(Exception):
    """An address that cannot be listened on; the message says what to do."""


class Listeners:
    """The listening sockets that the settings name."""

    def __init__(self, settings: Settings, take_on: TakeOn) -> None:
        self._settings = settings
        self._take_on = take_on
        self._sockets: list[socket.socket] = []
        # While running: the parent of the accepting tasks.
        self._nursery: trio.Nursery | None = None
        settings.on_change(Settings.port, self._move)
        settings.on_change(Settings.bind, self._move)

    def listen(self) -> None:
        """Bind all addresses that the settings name, or none."""
        settings = self._settings
        try:
            port = settings.port
            if port or not settings.unixsocket:
                self._sockets += self._listen_tcp(settings.bind.split(), port)
                # With port 0 the system chose one: INFO and CONFIG show it.
                settings.set(Settings.port, self.port)
            if settings.unixsocket:
                self._listen_unix(settings.unixsocket, settings.unixsocketperm)
        except BaseException:
            self.close()
            raise

    def _listen_tcp(self, hosts: list[str], port: int) -> list[socket.socket]:
        """Sockets listening on these hosts; those that already do are kept."""
        backlog = self._settings.tcp_backlog
        kept = {sock.getsockname()[:2]: sock for sock in self._sockets if not _is_unix(sock)}
        listening: list[socket.socket] = []
        for host in hosts or ["*"]:
            # A dash before an address means that it may be unavailable.
            optional, host = host.startswith("-"), host.removeprefix("-")
            if host == "*":
                host, optional = "0.0.0.0", False  # noqa: S104 - what `bind *` asks for
            if (host, port) in kept:
                listening.append(kept[host, port])
                continue
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((host, port))
                sock.listen(backlog)
                sock.setblocking(False)
            except OSError as error:
                sock.close()
                missing = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
                if missing and (optional or host == "::1"):
                    continue
                for other in listening:
                    if other not in self._sockets:
                        other.close()
                raise ListenError(_explain(error, host, port)) from error
            listening.append(sock)
            # With port 0 the system chooses for the first address; the others share it.
            port = sock.getsockname()[1]
        if not listening:
            raise ListenError(f"none of the addresses in 'bind {' '.join(hosts)}' can be used")
        return listening

    def _listen_unix(self, path: str, permissions: int) -> None:
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            if permissions:
                os.chmod(path, permissions)
            sock.listen(self._settings.tcp_backlog)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            raise ListenError(f"cannot listen on unix socket {path}: {error.strerror}") from error
        self._sockets.append(sock)

    def _move(self, _: object) -> None:
        """CONFIG SET port or bind: listen on the new addresses, or refuse and change nothing."""
        if self._nursery is None:
            return
        settings = self._settings
        port, hosts = settings.port, settings.bind.split()
        try:
            wanted = self._listen_tcp(hosts, port) if port else []
        except ListenError as error:
            logger.warning("%s", error)
            raise SettingError("Failed to bind to specified addresses.") from None
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
            for _ in range(_ACCEPTS_PER_TURN):
                try:
                    sock, _ = listener.accept()
                except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                    break
                except OSError as error:
                    logger.warning("Accepting a client failed: %s", error.strerror)
                    await trio.sleep(_OUT_OF_DESCRIPTORS_PAUSE)
                    break
                try:
                    self._take_on(sock)
                except OSError:
                    sock.close()  # The peer disconnected before it could be set up.

    def close(self) -> None:
        for sock in self._sockets:
            path = sock.getsockname() if _is_unix(sock) else None
            sock.close()
            if path and os.path.exists(path):
                os.unlink(path)
        self._sockets.clear()


def _is_unix(sock: socket.socket) -> bool:
    return sock.family == socket.AF_UNIX


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{host}:{port} is in use: another server listens there. Choose another --port."
    if error.errno == errno.EACCES:
        return f"no permission to listen on {host}:{port}; ports below 1024 need privileges"
    return f"cannot listen on {host}:{port}: {error.strerror}"
