"""Instances without a server, for tests that need no sockets.

session = Offline(now=NOW)
session(b"SET", b"k", b"v")
session.logged(b"EXPIRE", b"k", b"10")   # what a log would hold of the command
"""

from __future__ import annotations

from typing import Any

from commands.families import open_instance
from commands.instance.instance import Instance
from server.offline import OfflineSession
from storage.clock import Clock
from storage.journal import Journal
from tests.support.resp import parse_all

_AROUND = (b"SELECT", b"MULTI", b"EXEC")


def frozen_instance(now: int) -> Instance:
    """An instance whose clock stands still at this moment."""
    clock = Clock()
    clock.freeze(now)
    return open_instance(clock=clock)


class Offline(OfflineSession):
    """A client of a frozen instance of its own."""

    def __init__(self, now: int, resp: int = 2) -> None:
        super().__init__(frozen_instance(now), resp)
        self.database = self.instance.keyspace.databases[0]

    def __call__(self, *words: bytes) -> Any:
        """Send one request; return its reply."""
        (reply,) = parse_all(self.run(list(words)))
        return reply

    def logged(self, *words: bytes) -> list[list[bytes]]:
        """Send one request; return what a log would hold of it."""
        self.instance.keyspace.journal = journal = Journal()
        self.run(list(words))
        self.instance.keyspace.journal = None
        return bare(journal)

    def advance(self, ms: int) -> None:
        self.instance.clock.advance(ms)
        self.instance.keyspace.refresh_now()


def bare(journal: Journal) -> list[list[bytes]]:
    """The requests a journal holds, without SELECT, MULTI and EXEC around them."""
    return [request for request in journal.take() if request[0] not in _AROUND]
