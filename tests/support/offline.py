"""Instances without a server, for tests that need no sockets.

session = Offline(now=NOW)
session("SET", "k", "v")
session.logged(b"EXPIRE", b"k", b"10")   # the log entries of the command
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from commands.engine.errors import CommandError
from commands.families import open_instance
from commands.instance.context import Context
from commands.instance.instance import Instance
from server.offline import OfflineSession
from server.sweeping import Sweeping
from storage.clock import Clock
from storage.database import Database
from storage.errors import WrongType
from storage.journal import Journal
from tests.support.resp import Word, parse_all, word

# Far longer than any sweep takes.
_LONGEST_NS = 30_000_000_000
_AROUND = (b"SELECT", b"MULTI", b"EXEC")


def frozen_instance(now: int) -> Instance:
    """Return an instance with a clock frozen at this time."""
    clock = Clock()
    clock.freeze(now)
    return open_instance(clock=clock)


class Offline(OfflineSession):
    """A client of its own instance, whose clock only the test moves."""

    def __init__(self, now: int, resp: int = 2) -> None:
        super().__init__(frozen_instance(now), resp)
        self.database = self.instance.keyspace.databases[0]

    def __call__(self, *words: Word) -> Any:
        """Send one request; return its reply."""
        (reply,) = parse_all(self.run([word(value) for value in words]))
        return reply

    def logged(self, *words: bytes) -> list[list[bytes]]:
        """Send one request; return its log entries."""
        self.instance.keyspace.journal = journal = Journal()
        self.run(list(words))
        self.instance.keyspace.journal = None
        return bare(journal)

    def advance(self, ms: int) -> None:
        self.instance.clock.advance(ms)
        self.instance.keyspace.refresh_now()


class Recorded(Offline):
    """An offline client whose writes are recorded, as for a log."""

    def __init__(self, now: int) -> None:
        super().__init__(now)
        self.instance.keyspace.journal = self._journal = Journal()
        self._log: list[list[bytes]] = []
        self._sweeping = Sweeping(self.instance, self._run_step)
        # Errors of ours in sweeps, which a server writes to its log.
        self._faults: list[Exception] = []

    def __call__(self, *words: Word) -> Any:
        """Send one request, which must not block; return its reply."""
        reply = super().__call__(*words)
        assert self.client.waiting is None
        return reply

    def sweep(self) -> None:
        """Run all sweeps until nothing is due; raise the first error of ours."""
        assert self._sweeping.work(perf_counter_ns() + _LONGEST_NS), "a sweep does not end"
        if self._faults:
            raise self._faults[0]

    def _run_step(self, database: Database, run: Callable[[Context], bool]) -> bool:
        try:
            return self.run_sweep(database, run)
        except (CommandError, WrongType):
            raise
        except Exception as fault:
            self._faults.append(fault)
            raise

    def take_log(self) -> list[list[bytes]]:
        """Return all log entries so far."""
        self._log += self._journal.take()
        return self._log

    def replay(self, log: list[list[bytes]]) -> None:
        """Run log entries, which must be plain commands of Redis."""
        for request in log:
            assert b"." not in request[0], "a stock server cannot run this"
            self(*request)

    def contents(self) -> dict[bytes, Any]:
        """Return all keys with their values, read with plain commands."""
        found: dict[bytes, Any] = {}
        for key in self("KEYS", "*"):
            kind = self("TYPE", key)
            if kind == "hash":
                flat = self("HGETALL", key)
                found[key] = dict(zip(flat[::2], flat[1::2], strict=True))
            elif kind == "zset":
                flat = self("ZRANGE", key, 0, -1, "WITHSCORES")
                found[key] = {m: int(s) for m, s in zip(flat[::2], flat[1::2], strict=True)}
            elif kind == "string":
                found[key] = self("GET", key)
            else:
                assert kind == "set", (key, kind)
                found[key] = set(self("SMEMBERS", key))
        return found


def bare(journal: Journal) -> list[list[bytes]]:
    """Take the requests of a journal, without SELECT, MULTI and EXEC around them."""
    return [request for request in journal.take() if request[0] not in _AROUND]
