"""Observing the keyspace of a server: its events and its count of changes."""

from __future__ import annotations

from tests.support.servers import RunningServer

Event = tuple[int, bytes, str | None, bool]


def listen(server: RunningServer) -> list[Event]:
    """Record events from now on: database, key, event, whether it is a modification."""
    events: list[Event] = []

    def attach() -> None:
        server.instance.keyspace.observers.append(
            lambda db, key, event, modified: events.append((db.index, key, event, modified))
        )

    server.call(attach)
    return events


def dirty(server: RunningServer) -> int:
    """Return how many changes the keyspace has counted."""
    return server.call(lambda: server.instance.keyspace.dirty)
