"""A consistent copy of all data, written in slices while the data changes.

The copy starts from a shallow copy of the key tables; the contents of values are written
later, a slice at a time. A value about to be mutated in place is written out first: the
databases report it through `Keyspace.copying`. Values that are only replaced, removed or
flushed do not change, and remain in the copy until they are written.
"""

from __future__ import annotations

from time import perf_counter
from typing import Protocol

from storage.database import Database
from storage.frequencies import Uses, uses_of
from storage.keyspace import Keyspace
from storage.values.types import Value


class Sink(Protocol):
    """Assembles a file: `storage.rdb.SnapshotWriter` or `storage.aof.writer.RequestWriter`."""

    def select(self, index: int, keys: int, deadlines: int) -> None:
        """Begin a database."""

    def reselect(self, index: int) -> None:
        """Continue a database that was begun before."""

    def add(
        self, key: bytes, value: Value, deadline: int | None = None, uses: Uses | None = None
    ) -> bool:
        """Write a key and return whether enough bytes are buffered for a chunk."""

    def finish(self) -> None:
        """Write the end marker, if the format has one."""

    def take(self) -> bytes:
        """Return the bytes written since the last call."""


class _PendingKeys:
    """The keys of a database that are still to be written."""

    __slots__ = ("begun", "deadlines", "index", "size", "uses", "values")

    def __init__(self, database: Database, *, idle_times: bool) -> None:
        self.index = database.index
        self.values = dict(database.data)
        self.deadlines = dict(database.expires)
        uses = uses_of(database.accessed, database.keyspace.now, idle_times=idle_times)
        self.uses = None if uses is None else (uses[0].copy(), uses[1])
        self.size = len(self.values)
        self.begun = False


class Copy:
    """A copy of all data at the moment of creation. `end` it unless it is `finished`."""

    def __init__(self, keyspace: Keyspace, sink: Sink, *, idle_times: bool = False) -> None:
        self._keyspace = keyspace
        self._sink = sink
        # By the number of the database that has the keys now, which SWAPDB changes.
        self._by_index = [
            _PendingKeys(database, idle_times=idle_times) for database in keyspace.databases
        ]
        self._unfinished = [pending for pending in reversed(self._by_index) if pending.size]
        self._selected: _PendingKeys | None = None
        self._chunks: list[bytes] = []
        self.finished = False
        keyspace.copying = self

    def slice(self, seconds: float) -> bytes:
        """Write keys for about this long; return the bytes written since the last slice."""
        until = perf_counter() + seconds
        unfinished = self._unfinished
        while unfinished:
            pending = unfinished[-1]
            if not pending.values:
                unfinished.pop()
                continue
            key, value = pending.values.popitem()
            self._write(pending, key, value)
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
        """Stop the copy."""
        if self._keyspace.copying is self:
            self._keyspace.copying = None

    # --- called by the databases -----------------------------------------------------------

    def before_change(self, index: int, key: bytes) -> None:
        """Write the key's value now, because it may be changed in place after this call."""
        pending = self._by_index[index]
        value = pending.values.get(key)
        if value is not None and value.__class__ is not bytes:
            del pending.values[key]
            self._write(pending, key, value)

    def exchanged(self, first: int, second: int) -> None:
        """Follow a swap of two databases."""
        by_index = self._by_index
        by_index[first], by_index[second] = by_index[second], by_index[first]

    # --- writing -----------------------------------------------------------------------------

    def _write(self, pending: _PendingKeys, key: bytes, value: Value) -> None:
        sink = self._sink
        if pending is not self._selected:
            self._selected = pending
            if pending.begun:
                sink.reselect(pending.index)
            else:
                pending.begun = True
                sink.select(pending.index, pending.size, len(pending.deadlines))
        deadline = pending.deadlines.get(key)
        if sink.add(key, value, deadline, pending.uses):
            self._chunks.append(sink.take())
