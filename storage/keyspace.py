"""`Keyspace`: all data of an instance, as numbered databases and the state they share."""

from __future__ import annotations

from collections.abc import Mapping

from storage.clock import Clock
from storage.database import Database, KeyspaceState
from storage.key_index import NO_PLACES, Place


class Keyspace(KeyspaceState):
    """The databases of an instance, their clock, and operations on all of them."""

    def __init__(
        self,
        clock: Clock,
        databases: int = 16,
        ordered_prefixes: tuple[bytes, ...] = (),
        key_places: Mapping[bytes, Place] = NO_PLACES,
    ) -> None:
        super().__init__(clock.now_ms(), ordered_prefixes, key_places)
        self.clock = clock
        self.databases = [Database(self, index) for index in range(databases)]

    def refresh_now(self) -> int:
        self.now = now = self.clock.now_ms()
        return now

    def flush_all(self) -> None:
        for database in self.databases:
            database.flush()

    def swap(self, first: int, second: int) -> None:
        """Exchange the contents of two databases; clients keep the number they selected."""
        if first != second:
            self.databases[first].exchange(self.databases[second])
        # As in Redis, a swap with itself counts as a change too.
        self.dirty += 1

    def evict(self, database: Database, key: bytes) -> None:
        """Remove a key to free memory, and log and report that like a write."""
        if database.expires:
            database.expires.forget(key)
        self.disposal.add(database.discard(key))
        self.evicted_keys += 1
        if self.journal is not None:
            self.journal.record(database.index, [[b"DEL", key]])
        database.changed(key, "evicted", count=0)

    def sweep_expired(self, limit: int) -> int | None:
        """Remove expired keys and fields, and return how many of them were found.

        Looks at up to `limit` keys per database; None means that no database has more to
        look at now.
        """
        now, worked, removed = self.now, False, 0
        for database in self.databases:
            due = database.expires.take_due(now, limit)
            if due is not None:
                worked = True
                for key in due:
                    database.expire_now(key)
                removed += len(due)
            due = database.field_expires.take_due(now, limit)
            if due is not None:
                worked = True
                for key in due:
                    database.purge_fields(key)
                removed += len(due)
        return removed if worked else None
