"""What a handler may see.

A handler is called with a `Context` and the words of the request. The context belongs to
one client (or one script) and lives as long as it does; only `db` changes, by SELECT.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from commands.engine.replies import Reply
from storage.keyspace import Database, Keyspace
from storage.values.limits import Limits

if TYPE_CHECKING:
    from commands.instance.client import Client
    from commands.instance.instance import Instance


class Context:
    """The door of a handler: keys, time, chance, settings, and who is asking."""

    __slots__ = ("atomic", "client", "db", "instance", "keyspace", "log_entries", "retrying")

    def __init__(self, instance: Instance, client: Client) -> None:
        self.instance = instance
        self.keyspace: Keyspace = instance.keyspace
        self.client = client
        self.db: Database = instance.keyspace.databases[0]
        # Inside EXEC or a script: nothing may wait, and time stands still throughout.
        self.atomic = False
        # The command waited (`BlockOn`) and is being run again.
        self.retrying = False
        # What is logged in place of the request; see `log_as`.
        self.log_entries: list[list[bytes]] | None = None

    @property
    def now(self) -> int:
        """The instance's time in epoch milliseconds; the same throughout a command."""
        return self.keyspace.now

    @property
    def rng(self) -> Random:
        return self.instance.rng

    @property
    def limits(self) -> Limits:
        """Thresholds between compact and full encodings."""
        return self.keyspace.limits

    def call(self, *words: bytes) -> Reply:
        """Run an ordinary command as part of this one, and answer what it answers.

        This is how a domain command reaches its keys: a recipe of Redis commands, logged
        as just those. An error is raised, and what was done before it stays done, so a
        recipe checks first. Nothing waits. Subcommands are two words.
        """
        argv = list(words)
        instance = self.instance
        found = instance.spellings.get(words[0]) or instance.find_command(argv)
        assert found is not None, words[0]
        entries, self.log_entries = self.log_entries or [], None
        atomic, self.atomic = self.atomic, True
        dirty = self.keyspace.dirty
        try:
            return found.handler(self, argv)
        finally:
            self.atomic = atomic
            # What a read finds to have run out is logged as it goes.
            if found.writes and self.keyspace.dirty != dirty:
                entries += [argv] if self.log_entries is None else self.log_entries
            self.log_entries = entries

    def log_as(self, *requests: list[bytes]) -> None:
        """Have these logged in place of the request itself.

        For whatever does not give the same result when it is run again: relative times
        become absolute, random choices the ones that were made, generated ids explicit.
        Call it once, after the change; with nothing, to log nothing.
        """
        self.log_entries = list(requests)
