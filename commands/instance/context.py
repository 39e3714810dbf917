"""What a handler may see.

A handler is called with a `Context` and the words of the request. The context belongs to
one client (or one script) and lives as long as it does; only `db` changes, by SELECT.
"""

from __future__ import annotations

from random import Random

from commands.engine.errors import CommandError
from commands.engine.registry import Command
from commands.engine.replies import Reply
from commands.instance.client import Client
from commands.instance.failures import keys_as_they_are
from commands.instance.instance import Instance
from storage.database import Database
from storage.errors import WrongType
from storage.keyspace import Keyspace
from storage.values.limits import Limits


class Context:
    """A handler's access to keys, time, randomness, settings, and its client."""

    __slots__ = (
        "atomic",
        "client",
        "command",
        "db",
        "instance",
        "keyspace",
        "log_entries",
        "retrying",
    )

    def __init__(self, instance: Instance, client: Client) -> None:
        self.instance = instance
        self.keyspace: Keyspace = instance.keyspace
        self.client = client
        self.db: Database = client.db
        # The domain command that runs or ran last; empty for what the server does by itself.
        self.command = ""
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

    def refuse_in_cluster(self, what: str) -> None:
        """Raise the error that says so, if the server presents a cluster."""
        if self.instance.cluster is not None:
            raise CommandError(f"ERR {what}")

    def select(self, database: Database) -> None:
        """Work on this database from now on, as SELECT does."""
        self.db = self.client.db = database

    def begin(self, command: str) -> None:
        """Note that a domain command begins, or an independent step of a sweep (empty)."""
        self.command = command

    def call(self, *words: bytes) -> Reply:
        """Run an ordinary command as part of this one and return its reply.

        This is how a domain command reaches its keys: a recipe of Redis commands, logged
        as just those. Errors are raised, and what was written before them stays written,
        so a recipe checks first. Nothing waits. Subcommands are two words.
        """
        argv = list(words)
        instance = self.instance
        bound = instance.spellings.get(words[0]) or instance.find_command(argv)
        assert bound is not None, words[0]
        entries, self.log_entries = self.log_entries or [], None
        atomic, self.atomic = self.atomic, True
        dirty = self.keyspace.dirty
        try:
            # Recipes call no command that returns an effect.
            reply: Reply = bound.handler(self, argv)
            return reply
        except (CommandError, WrongType):
            raise
        except Exception:
            self.log_failure(bound.command, argv)
            raise
        finally:
            self.atomic = atomic
            # Keys that a read finds expired are logged by the keyspace itself. Without a
            # journal nobody would take the entries, and they would gather here.
            journal = self.keyspace.journal
            if journal is not None and bound.writes and self.keyspace.dirty != dirty:
                entries += [argv] if self.log_entries is None else self.log_entries
            self.log_entries = entries

    def log_as(self, *requests: list[bytes]) -> None:
        """Log these requests in place of the request itself.

        For everything that would not give the same result when it runs again: relative
        times become absolute, random choices the ones that were made, generated ids
        explicit. Call it once, after the change; without arguments nothing is logged.
        """
        self.log_entries = list(requests)

    def log_failure(self, command: Command, argv: list[bytes]) -> None:
        """Log what a request has changed that failed in the middle, because of an error of ours.

        Whatever it called before that is logged already.
        """
        if command.writes:
            applied = self.log_entries or []
            self.log_entries = applied + keys_as_they_are(self.db, command, argv)
