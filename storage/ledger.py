"""`Ledger`: how much memory the keys take, kept up to date while there is a limit.

Each change of a key estimates it anew (`storage.footprints`) and corrects the sum. A database
keeps its part in `Database.derived`: flushing drops it with the keys, loading drops it so that the
keys are counted again, and it moves with them when databases are swapped. Keys that existed before
are counted in steps. While that is going on the sum is too low, never too high.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.database import Database
from storage.footprints import DEADLINE, SLOT, key_footprint
from storage.keyspace import Keyspace

# Estimates are kept in units of this: up to 4 KB they are integers that Python shares.
_UNIT = 16
_ANY = 1 << 62
# How many keys are counted between two readings of the clock.
_STEP = 64


class _Sizes(dict[bytes, int]):
    """The estimates of the keys of one database, each with its place here."""

    __slots__ = ("complete", "cursor", "units")

    def __init__(self) -> None:
        super().__init__()
        self.units = 0
        # Where counting the keys that existed before goes on, as in SCAN.
        self.cursor = 0
        self.complete = False


class Ledger:
    """The memory of the keys of a keyspace. Create one to begin, and `close` it to end."""

    def __init__(self, keyspace: Keyspace, exceeded: Callable[[], None]) -> None:
        """`exceeded` is called when the keys have grown by more than `allow` said."""
        self._keyspace = keyspace
        self._exceeded = exceeded
        # Bytes by which the keys have grown since the last `measure`, as far as is known, and
        # by which they may grow.
        self.grown = 0
        self._allowed = 0
        # Whether keys were flushed or loaded since then, which `grown` does not tell.
        self.stale = True
        keyspace.observers.append(self._note)

    def close(self) -> None:
        self._keyspace.observers.remove(self._note)
        for database in self._keyspace.databases:
            database.derived.pop(_Sizes, None)

    def _note(self, database: Database, key: bytes, event: str | None, modified: bool) -> None:
        if event == "new" or event == "keymiss":
            # The first is followed by the event that says what was stored.
            return
        sizes = database.derived.get(_Sizes)
        if sizes.__class__ is not _Sizes:
            sizes = self._sizes_of(database)
        value = database.data.get(key)
        before = sizes.get(key, 0)
        if value is None:
            if not before:
                return
            units = 0
            del sizes[key]
        else:
            units = (key_footprint(key, value) + SLOT) // _UNIT
            if units == before:
                return
            sizes[key] = units
        sizes.units += units - before
        self.grown += (units - before) * _UNIT
        if self.grown > self._allowed:
            self._allowed = _ANY
            self._exceeded()

    def _sizes_of(self, database: Database) -> _Sizes:
        sizes = database.derived.get(_Sizes)
        if sizes is None:
            sizes = database.derived[_Sizes] = _Sizes()
            self.stale = True
        assert isinstance(sizes, _Sizes)
        return sizes

    def allow(self, growth: int) -> None:
        """Call `exceeded`, once, when the keys have grown by more than this since `measure`."""
        self._allowed = growth

    def measure(self) -> int:
        """Return the bytes that all keys take."""
        total = 0
        for database in self._keyspace.databases:
            if database.data:
                sizes = self._sizes_of(database)
                total += sizes.units * _UNIT + len(database.expires) * DEADLINE
        self.grown = 0
        self.stale = False
        return total

    @property
    def complete(self) -> bool:
        """Whether all keys are counted."""
        return all(
            self._sizes_of(database).complete
            for database in self._keyspace.databases
            if database.data
        )

    def count(self, is_over: Callable[[], bool]) -> bool:
        """Count keys that existed before until it is over; return whether all are counted."""
        for database in self._keyspace.databases:
            if not database.data:
                continue
            sizes = self._sizes_of(database)
            while not sizes.complete:
                self._count_some(database, sizes)
                if is_over():
                    return self.complete
        return True

    def _count_some(self, database: Database, sizes: _Sizes) -> None:
        data = database.data
        sizes.cursor, keys = database.scan(sizes.cursor, _STEP)
        for key in keys:
            if key not in sizes:
                units = sizes[key] = (key_footprint(key, data[key]) + SLOT) // _UNIT
                sizes.units += units
                self.grown += units * _UNIT
        sizes.complete = not sizes.cursor
