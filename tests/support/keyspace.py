"""Observing the keyspace of a server: its events and its count of changes."""

from __future__ import annotations

from storage.database import Database
from tests.support.servers import RunningServer

Event = tuple[int, bytes, str | None, bool]


def listen(server: RunningServer) -> list[Event]:
    """Record events from now on: database, key, event, whether it is a modification."""
    events: list[Event] = []

    def note(database: Database, key: bytes, event: str | None, modified: bool) -> None:
        if event is not None or modified:
            events.append((database.index, key, event, modified))

    server.call(lambda: server.instance.keyspace.observers.append(note))
    return events


def dirty(server: RunningServer) -> int:
    """Return how many changes the keyspace has counted."""
    return server.call(lambda: server.instance.keyspace.dirty)
