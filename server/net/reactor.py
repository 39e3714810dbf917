"""Which sockets are ready: the small module between Trio and the connections.

`EpollReactor` is one Trio task that owns a private epoll object. An epoll object is itself
pollable, so the task awaits *its* readability and then serves every ready client in a plain
loop: Trio's cost is paid once per turn, not once per client. While clients are ready it
polls again at once, and lets Trio run other tasks every few milliseconds.

`TaskReactor` is for platforms without epoll: a task per client, each awaiting its socket.
Both have the same methods, and neither looks at what is received or sent.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import trio

from server.net.streams import Stream

# How long ready clients may keep other Trio tasks waiting, in seconds.
_YIELD_AFTER = 0.002


class Pollable(Protocol):
    """A connection, as far as readiness goes."""

    socket: Stream
    fd: int
    closed: bool
    wants_write: bool

    def receive(self) -> None:
        """Read once and run every complete request."""

    def send_more(self) -> None:
        """The socket has room for what it did not take before."""


class Reactor(Protocol):
    def serve_others(self, occupied: Callable[[Pollable], bool]) -> None:
        """Serve every ready connection once from within a turn, but for the occupied one."""

    def add(self, connection: Pollable) -> None: ...

    def remove(self, connection: Pollable) -> None: ...

    def watch_writable(self, connection: Pollable, wanted: bool) -> None: ...

    async def run(self) -> None: ...

    def close(self) -> None: ...


class EpollReactor:
    def __init__(self, begin_turn: Callable[[], None], end_turn: Callable[[], None]) -> None:
        self._begin_turn = begin_turn
        self._end_turn = end_turn
        self._epoll = select.epoll()
        self._connections: dict[int, Pollable] = {}

    def add(self, connection: Pollable) -> None:
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)

    def remove(self, connection: Pollable) -> None:
        if self._connections.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)

    def watch_writable(self, connection: Pollable, wanted: bool) -> None:
        events = select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN
        self._epoll.modify(connection.fd, events)

    def serve_others(self, occupied: Callable[[Pollable], bool]) -> None:
        for fd, event in self._epoll.poll(0, 1024):
            connection = self._connections.get(fd)
            if connection is None or occupied(connection):
                continue
            if event & select.EPOLLOUT:
                connection.send_more()
            if event != select.EPOLLOUT:
                connection.receive()

    def close(self) -> None:
        self._epoll.close()

    async def run(self) -> None:
        poll, connections = self._epoll.poll, self._connections
        begin_turn, end_turn = self._begin_turn, self._end_turn
        writable = select.EPOLLOUT
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            yield_at = monotonic() + _YIELD_AFTER
            while events := poll(0, 1024):
                begin_turn()
                for fd, event in events:
                    connection = connections.get(fd)
                    # Another client of this turn may have closed it.
                    if connection is None:
                        continue
                    if event & writable:
                        connection.send_more()
                    if event != writable:
                        connection.receive()
                end_turn()
                if monotonic() > yield_at:
                    break


class TaskReactor:
    def __init__(self, begin_turn: Callable[[], None], end_turn: Callable[[], None]) -> None:
        self._begin_turn = begin_turn
        self._end_turn = end_turn
        self._nursery: trio.Nursery | None = None
        # Added before `run` began.
        self._early: list[Pollable] = []

    def add(self, connection: Pollable) -> None:
        if self._nursery is None:
            self._early.append(connection)
        else:
            self._nursery.start_soon(self._read, connection)

    def remove(self, connection: Pollable) -> None:
        trio.lowlevel.notify_closing(connection.socket)

    def watch_writable(self, connection: Pollable, wanted: bool) -> None:
        if wanted and self._nursery is not None:
            self._nursery.start_soon(self._write, connection)

    def serve_others(self, occupied: Callable[[Pollable], bool]) -> None:
        # Each connection has a task of its own, and none can run within another.
        pass

    def close(self) -> None:
        self._nursery = None

    async def run(self) -> None:
        async with trio.open_nursery() as self._nursery:
            for connection in self._early:
                self._nursery.start_soon(self._read, connection)
            self._early.clear()
            await trio.sleep_forever()

    async def _read(self, connection: Pollable) -> None:
        while not connection.closed:
            try:
                await trio.lowlevel.wait_readable(connection.socket)
            except trio.ClosedResourceError:
                return
            self._begin_turn()
            connection.receive()
            self._end_turn()

    async def _write(self, connection: Pollable) -> None:
        while connection.wants_write and not connection.closed:
            try:
                await trio.lowlevel.wait_writable(connection.socket)
            except trio.ClosedResourceError:
                return
            connection.send_more()


def make_reactor(begin_turn: Callable[[], None], end_turn: Callable[[], None]) -> Reactor:
    """The best reactor for this platform."""
    if hasattr(select, "epoll"):
        return EpollReactor(begin_turn, end_turn)
    return TaskReactor(begin_turn, end_turn)
