"""Protocols of objects that a database calls when its keys change."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """What WATCH registers: called when a watched key is modified."""

    def watched_key_changed(self) -> None: ...


class Copying(Protocol):
    """A copy of the data that is still being written; see `storage.copying`."""

    def before_change(self, index: int, key: bytes) -> None:
        """Called before a value of the database with this number changes in place."""

    def exchanged(self, first: int, second: int) -> None:
        """Called after two databases exchanged their contents."""
