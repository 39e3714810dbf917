"""A copy of all data as it is at one moment, written out while the data goes on changing.

A copy begins with which value each key has; what a value is made of is written later, a
slice at a time. So a value that is about to be changed in place has to be written first:
the door tells, through `Keyspace.copying`. What is only replaced, removed or flushed stays
as it was, and in the copy, until it is written.
"""

from __future__ import annotations

from time import perf_counter
from typing import Protocol

from storage.database import Database
from storage.keyspace import Keyspace
from storage.values.types import Value


class Sink(Protocol):
    """What puts a file together; `storage.rdb.SnapshotWriter` is one."""

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database."""

    def turn_to(self, index: int) -> None:
        """Go on with a database that was begun before."""

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, idle: int | None = None
    ) -> bool:
        """Write a key; whether so much has gathered that it should be taken."""

    def finish(self) -> None:
        """Write the end."""

    def take(self) -> bytes:
        """What has gathered since the last time."""


class _Source:
    """What is still to be written of a database."""

    __slots__ = ("accessed", "begun", "deadlines", "index", "size", "values")

    def __init__(self, database: Database, *, idle_times: bool) -> None:
        self.index = database.index
        self.values = dict(database.data)
        self.deadlines = dict(database.expires)
        self.accessed = dict(database.accessed) if idle_times else None
        self.size = len(self.values)
        self.begun = False


class Copy:
    """All data as it is when this is made, until `finished` or `end`."""

    def __init__(self, keyspace: Keyspace, sink: Sink, *, idle_times: bool = False) -> None:
        self._keyspace = keyspace
        self._sink = sink
        self._now = keyspace.now
        # By the number under which the keys are found now; SWAPDB changes that.
        self._sources = [
            _Source(database, idle_times=idle_times) for database in keyspace.databases
        ]
        self._left = [source for source in reversed(self._sources) if source.size]
        self._selected: _Source | None = None
        self._chunks: list[bytes] = []
        self.finished = False
        keyspace.copying = self

    def slice(self, seconds: float) -> bytes:
        """Write keys for about so long; the bytes that have gathered since the last slice."""
        until = perf_counter() + seconds
        left = self._left
        while left:
            source = left[-1]
            if not source.values:
                left.pop()
                continue
            key, value = source.values.popitem()
            self._write(source, key, value)
            if perf_counter() >= until:
                break
        else:
            self._sink.finish()
            self.finished = True
            self.end()
        chunks, self._chunks = self._chunks, []
        chunks.append(self._sink.take())
        return b"".join(chunks)

    def end(self) -> None:
        """Hear of changes no more."""
        if self._keyspace.copying is self:
            self._keyspace.copying = None

    # --- what the door tells -----------------------------------------------------------------

    def before_change(self, database: Database, key: bytes) -> None:
        """The key's value may be changed in place from now on."""
        source = self._sources[database.index]
        value = source.values.get(key)
        if value is not None and value.__class__ is not bytes:
            del source.values[key]
            self._write(source, key, value)

    def exchanged(self, first: int, second: int) -> None:
        """Two databases have exchanged their contents."""
        sources = self._sources
        sources[first], sources[second] = sources[second], sources[first]

    # --- writing -----------------------------------------------------------------------------

    def _write(self, source: _Source, key: bytes, value: Value) -> None:
        sink = self._sink
        if source is not self._selected:
            self._selected = source
            if source.begun:
                sink.turn_to(source.index)
            else:
                source.begun = True
                sink.select(source.index, source.size, len(source.deadlines))
        deadline = source.deadlines.get(key)
        if source.accessed is None:
            full = sink.add(key, value, deadline)
        else:
            idle = self._now - source.accessed.get(key, self._now)
            full = sink.add(key, value, deadline, max(0, idle))
        if full:
            self._chunks.append(sink.take())
