"""A network and a limit of descriptors that fail when a test says so."""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from socket import socket

from server.system.network import Address, SystemNetwork


class FailingNetwork(SystemNetwork):
    """The network of the operating system, except for the failures that a test orders.

    Each operation (`create`, `bind`, `listen`, `accept`) has a queue: the number of an error,
    or 0 for a call that works. When the queue is empty, every call works.
    """

    def __init__(self, **failures: list[int]) -> None:
        self.failures = {name: deque(numbers) for name, numbers in failures.items()}
        # Families that this machine does not have.
        self.missing_families: set[int] = set()
        self.calls: list[str] = []

    def fail(self, operation: str, *numbers: int) -> None:
        self.failures.setdefault(operation, deque()).extend(numbers)

    def _call(self, operation: str) -> None:
        self.calls.append(operation)
        ordered = self.failures.get(operation)
        number = ordered.popleft() if ordered else 0
        if number:
            raise OSError(number, os.strerror(number))

    def create(self, family: int) -> socket:
        self._call("create")
        if family in self.missing_families:
            number = errno.EAFNOSUPPORT
            raise OSError(number, os.strerror(number))
        return super().create(family)

    def bind(self, sock: socket, address: Address) -> None:
        self._call("bind")
        super().bind(sock, address)

    def listen(self, sock: socket, backlog: int) -> None:
        self._call("listen")
        super().listen(sock, backlog)

    def accept(self, sock: socket) -> socket:
        self._call("accept")
        return super().accept(sock)


class ExhaustedNetwork(FailingNetwork):
    """Cannot accept while no descriptor is left, which is while the spare one is open."""

    def __init__(self, descriptors: FewDescriptors) -> None:
        super().__init__()
        self._descriptors = descriptors
        self.exhausted = False

    def accept(self, sock: socket) -> socket:
        if self.exhausted and self._descriptors.open:
            self.fail("accept", errno.EMFILE)
        return super().accept(sock)


@dataclass
class FewDescriptors:
    """A limit of open files that cannot be raised beyond `most`."""

    most: int
    # Whether a spare descriptor can be opened.
    has_spare: bool = True
    asked: list[int] = field(default_factory=list)
    open: set[int] = field(default_factory=set)

    def raise_limit(self, wanted: int) -> int:
        self.asked.append(wanted)
        return min(wanted, self.most)

    def spare(self) -> int:
        if not self.has_spare:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        descriptor = os.open(os.devnull, os.O_RDONLY)
        self.open.add(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        self.open.remove(descriptor)
        os.close(descriptor)
