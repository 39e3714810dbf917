"""Running handlers off the straight path: guarded requests, retries, transactions, sweeps.

Each of these counts the call, turns errors into replies, and notes what was written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter_ns

from commands.engine.effects import Effect, RunScript, RunTransaction
from commands.engine.errors import WRONG_TYPE, CommandError
from commands.engine.replies import ErrorReply, Reply
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.instance.statistics import BoundCommand
from server.execution.journaling import journal_write, log_entries_of
from server.execution.observation import Observation
from server.execution.permissions import Permissions
from server.execution.scripting import ScriptRunner
from storage.database import Database
from storage.errors import WrongType
from storage.journal import Request

logger = logging.getLogger("redkeep")

_WRONG_TYPE = WRONG_TYPE.encode()
_INTERNAL_ERROR = b"ERR internal error, see the log"

# Turns an effect into a reply at once, where nothing may wait.
Conclude = Callable[[Effect], Reply]


class Calls:
    """Runs the handlers of one instance."""

    def __init__(
        self,
        instance: Instance,
        observation: Observation,
        conclude: Conclude,
        permissions: Permissions,
    ) -> None:
        self._instance = instance
        self._observation = observation
        self._conclude = conclude
        self._permissions = permissions
        # Runs regular work: a client without a connection.
        self._own_context = Context(instance, instance.internal_client())
        self.scripts = ScriptRunner(instance, self._run_within, permissions)

    def failed(self, bound: BoundCommand, text: bytes) -> ErrorReply:
        """Count an error that a handler raised, and make it a reply."""
        bound.stats.failed += 1
        self._instance.statistics.count_error(text)
        return ErrorReply(text)

    def wrong_type(self, bound: BoundCommand) -> ErrorReply:
        return self.failed(bound, _WRONG_TYPE)

    def crashed(self, ctx: Context, bound: BoundCommand, argv: list[bytes]) -> ErrorReply:
        """A handler failed because of an error of ours, while it was being handled.

        Its client is told and disconnected; what it has changed is logged.
        """
        client = ctx.client
        logger.exception(
            "%s failed, because of an error in Redkeep; closing the connection of client %d",
            bound.command.name, client.id,
        )  # fmt: skip
        ctx.log_failure(bound.command, argv)
        persistence = self._instance.persistence
        if bound.writes and persistence.log.enabled:
            # It may have changed keys that it does not name (FLUSHALL). A new base holds them.
            persistence.rewrite.schedule()
        client.close("internal error")
        return self.failed(bound, _INTERNAL_ERROR)

    def call(self, ctx: Context, bound: BoundCommand, argv: list[bytes]) -> Reply | Effect:
        """Run a handler and count it; errors come back as replies.

        Retries after blocking are not counted again.
        """
        if self._instance.monitors:
            self._observation.show_script(ctx.client, bound, argv)
        started = perf_counter_ns()
        try:
            reply: Reply | Effect = bound.handler(ctx, argv)
            if reply.__class__ is RunTransaction:
                reply = self._run_transaction(ctx, reply)
            elif reply.__class__ is RunScript:
                reply = self.scripts.run(ctx, reply)
        except CommandError as error:
            reply = self.failed(bound, error.text)
        except WrongType:
            reply = self.wrong_type(bound)
        except Exception:
            reply = self.crashed(ctx, bound, argv)
        elapsed = perf_counter_ns() - started
        if not ctx.retrying:
            bound.stats.count(1, elapsed)
        tracker = ctx.client.tracker
        if tracker is not None and bound.is_tracked and tracker.caches_now:
            self._instance.tracking.remember(ctx.client, bound.command, argv)
        return reply

    def run_script(
        self, ctx: Context, bound: BoundCommand, effect: RunScript, argv: list[bytes]
    ) -> Reply:
        """Run the script that a handler has asked for; note in the journal what it wrote."""
        keyspace = self._instance.keyspace
        dirty, database = keyspace.dirty, ctx.db.index
        ctx.log_entries = None
        try:
            reply = self.scripts.run(ctx, effect)
        except CommandError as error:
            reply = self.failed(bound, error.text)
        except Exception:
            reply = self.crashed(ctx, bound, argv)
        if keyspace.dirty != dirty:
            journal_write(ctx, database, argv)
        return reply

    def perform(self, ctx: Context, bound: BoundCommand, argv: list[bytes]) -> Reply | Effect:
        """`call`, and note in the journal what it wrote."""
        keyspace = self._instance.keyspace
        dirty, database = keyspace.dirty, ctx.db.index
        ctx.log_entries = None
        reply = self.call(ctx, bound, argv)
        if keyspace.dirty != dirty:
            journal_write(ctx, database, argv)
        return reply

    def run_sweep(self, database: Database, run: Callable[[Context], bool]) -> bool:
        """Run a piece of regular work on a database; return whether there is more."""
        keyspace, ctx = self._instance.keyspace, self._own_context
        ctx.db = database
        ctx.begin("")
        ctx.log_entries = []
        dirty = keyspace.dirty
        try:
            return run(ctx)
        finally:
            if keyspace.dirty != dirty:
                # Sweeps write through `Context.call` only, which gathers the entries.
                journal_write(ctx, database.index, [])

    def retry(self, ctx: Context, argv: list[bytes]) -> Reply | Effect:
        """Run the command of a blocked client again."""
        bound = self._instance.find_command(argv)
        assert bound is not None
        if ctx.client.restricted:
            # The rules may have changed while it waited.
            denied = self._permissions.refusal(ctx.client, bound.command, argv)
            if denied is not None:
                return self.failed(bound, denied)
        ctx.retrying = True
        try:
            return self.perform(ctx, bound, argv)
        finally:
            ctx.retrying = False

    # --- transactions ---------------------------------------------------------------------

    def _run_transaction(self, ctx: Context, effect: RunTransaction) -> list[Reply]:
        """Run the queued requests of EXEC as one; nothing waits, and time stands still."""
        replies: list[Reply] = []
        entries: list[Request] = []
        ctx.atomic = True
        try:
            for argv in effect.requests:
                reply, written = self._run_queued(ctx, argv)
                # A later request of the transaction may modify such a string in place.
                replies.append(bytes(reply) if reply.__class__ is bytearray else reply)
                entries += written
        finally:
            ctx.atomic = False
            ctx.log_as(*entries)
        return replies

    def _run_queued(self, ctx: Context, argv: list[bytes]) -> tuple[Reply, list[Request]]:
        """Run one request of a transaction; return its reply and what to log of it."""
        bound = self._instance.find_command(argv)
        assert bound is not None
        if ctx.client.restricted:
            denied = self._permissions.refusal_at_exec(ctx.client, bound.command, argv)
            if denied is not None:
                return self.failed(bound, denied), []
        started = perf_counter_ns()
        reply, entries = self._run_within(ctx, bound, argv)
        elapsed = perf_counter_ns() - started
        if elapsed >= self._observation.tick_ns:
            self._observation.slow(ctx.client, argv, elapsed, self._instance.keyspace.now)
        return reply, entries

    def _run_within(
        self, ctx: Context, bound: BoundCommand, argv: list[bytes]
    ) -> tuple[Reply, list[Request]]:
        """Run a request inside of another one; return its reply and what to log of it."""
        instance = self._instance
        keyspace = instance.keyspace
        ctx.log_entries = None
        dirty = keyspace.dirty
        reply = self.call(ctx, bound, argv)
        if isinstance(reply, Effect):
            try:
                reply = self._conclude(reply)
            except CommandError as error:
                reply = self.failed(bound, error.text)
            except Exception:
                reply = self.crashed(ctx, bound, argv)
        if instance.monitors:
            self._observation.show_monitors(ctx.client, bound, argv)
        entries: list[Request] = []
        if bound.command.name == "SELECT":
            # The rest of the transaction is for another database.
            entries = [[b"SELECT", b"%d" % ctx.db.index]]
        elif keyspace.dirty != dirty:
            entries = log_entries_of(ctx, argv)
        ctx.log_entries = None
        return reply, entries
