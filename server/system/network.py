"""Listening sockets, behind an interface that tests can make fail."""

from __future__ import annotations

from socket import SOCK_STREAM, socket
from typing import Protocol

# A host and a port, or the path of a Unix socket.
Address = tuple[str, int] | str


class Network(Protocol):
    """What the listeners need of the network. All operations raise OSError on failure."""

    def create(self, family: int) -> socket:
        """Create a stream socket."""

    def bind(self, sock: socket, address: Address) -> None:
        """Give the socket its address."""

    def listen(self, sock: socket, backlog: int) -> None:
        """Let clients connect to the socket."""

    def accept(self, sock: socket) -> socket:
        """Return the next connection; BlockingIOError if no client waits."""


class SystemNetwork:
    """The network of the operating system."""

    def create(self, family: int) -> socket:
        return socket(family, SOCK_STREAM)

    def bind(self, sock: socket, address: Address) -> None:
        sock.bind(address)

    def listen(self, sock: socket, backlog: int) -> None:
        sock.listen(backlog)

    def accept(self, sock: socket) -> socket:
        return sock.accept()[0]
