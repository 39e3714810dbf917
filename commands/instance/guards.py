"""Why requests leave the straight path of the dispatcher.

A client holds a set of guards. While the set is empty its requests run on the straight
path; otherwise the dispatcher takes the guarded path, which makes every check. Whatever
makes a check necessary holds a guard and lifts it when it is over, so the straight path
needs to look at one set only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum, auto
from typing import Protocol


class Guard(IntEnum):
    """One reason for the guarded path."""

    # Integers, because looking up an ordinary Enum in a set calls its hash in Python.

    # Of a single client.
    UNAUTHENTICATED = auto()
    TRANSACTION = auto()
    REPLY_MODE = auto()
    NO_TOUCH = auto()
    CLOSING = auto()
    SUBSCRIBED = auto()
    TRACKING = auto()
    TRACKING_TARGET = auto()
    RESTRICTED = auto()
    # Of all clients of an instance.
    MONITORED = auto()
    PAUSED = auto()
    LOADING = auto()
    SNAPSHOTS_FAIL = auto()
    LOG_FAILS = auto()
    BUSY = auto()
    # The limit of memory is near.
    MEMORY = auto()
    CLUSTER = auto()


class Guarded(Protocol):
    """Holds guards of its own: a client."""

    guards: set[Guard]


class CommonGuards:
    """The guards that hold for all clients, those that connect later included."""

    def __init__(self, clients: Iterable[Guarded]) -> None:
        # A live view of the clients that are connected.
        self._clients = clients
        self._guards: set[Guard] = set()

    def __iter__(self) -> Iterator[Guard]:
        return iter(self._guards)

    def __bool__(self) -> bool:
        return bool(self._guards)

    def hold(self, guard: Guard) -> None:
        self._guards.add(guard)
        for client in self._clients:
            client.guards.add(guard)

    def lift(self, guard: Guard) -> None:
        self._guards.discard(guard)
        for client in self._clients:
            client.guards.discard(guard)

    def follow(self, guard: Guard, holds: bool) -> None:
        """Hold or lift the guard; cheap when nothing changes."""
        if holds != (guard in self._guards):
            (self.hold if holds else self.lift)(guard)
