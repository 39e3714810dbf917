"""From a request to its reply: the one path that every command takes.

`run` has a straight path for a client and command without any guard, and `_guarded` behind
it for everything else: unknown commands, wrong arity, authentication, transactions,
subscribers, pauses, monitors. After either, a write wakes the clients that wait for it.

Measured: with sixteen commands pipelined the straight path takes about as long as the
system's part of receiving and sending, so it keeps what it needs in locals, looks a command
up once, reads one clock per command and appends encoded chunks to one list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter_ns

from commands.engine.effects import Effect, RunScript
from commands.engine.errors import CommandError
from commands.engine.replies import OK, ErrorReply
from commands.engine.slots import CROSS_SLOT
from commands.instance.client import LONG_REPLY, Client
from commands.instance.context import Context
from commands.instance.guards import Guard
from commands.instance.instance import Instance
from commands.instance.statistics import BoundCommand
from server.execution.admission import Admission
from server.execution.answering import answer
from server.execution.blocking import Blocking
from server.execution.calls import Calls
from server.execution.eviction import Eviction
from server.execution.journaling import journal_write
from server.execution.observation import Observation
from server.execution.outcomes import EFFECTS, FileWork, Outcomes, ShutDown
from server.execution.permissions import Permissions
from server.wire.encoder import BULK_HEADERS, CRLF, INTEGERS, NULL2, NULL3, OK_LINE
from storage.database import Database
from storage.errors import WrongType

_EXEC_REFUSED = b"EXECABORT Transaction discarded because of: "
_MEMORY_ONLY = {Guard.MEMORY}
# What MULTI lets through instead of queueing.
_NOT_QUEUED = frozenset("EXEC DISCARD MULTI WATCH QUIT RESET".split())


def _keeps_caching(client: Client, argv: list[bytes]) -> bool:
    """Whether CLIENT CACHING is still for the next command, after this one."""
    return client.transaction is not None or argv[0].upper() == b"CLIENT"


class Dispatcher:
    """Runs the requests of all clients of one instance."""

    def __init__(
        self,
        instance: Instance,
        blocking: Blocking,
        observation: Observation,
        files: FileWork,
        shut_down: ShutDown,
        eviction: Eviction,
    ) -> None:
        self._instance = instance
        self._blocking = blocking
        self._observation = observation
        permissions = Permissions(instance)
        self._admission = Admission(instance, permissions, eviction)
        self._eviction = eviction
        self._outcomes = Outcomes(blocking, files, shut_down)
        self._calls = Calls(instance, observation, self._outcomes.conclude, permissions)

    def serve_others_with(self, serve: Callable[[], None]) -> None:
        """Have others served in this way while a script runs for long."""
        self._calls.scripts.serve_others = serve

    # --- the straight path -------------------------------------------------------------

    def run(self, ctx: Context, requests: Iterator[list[bytes]]) -> bool:
        """Run requests in order; their replies are in the client's outbox afterwards.

        When a request blocks, those after it are left in the iterator, and the result is False.
        One that is held back by a pause is in `client.postponed`.
        """
        client = ctx.client
        guards = client.guards
        spellings = client.straight_commands
        if spellings is None:
            spellings = self._instance.spellings
        outbox = client.outbox
        keyspace = ctx.keyspace
        ready = keyspace.ready
        journal = keyspace.journal
        observation = self._observation
        clock = perf_counter_ns
        null = NULL2 if client.resp == 2 else NULL3
        started = began = clock()
        tick = started + observation.tick_ns
        # Consecutive calls of one command are counted together, when another one comes.
        row: BoundCommand | None = None
        calls = 0
        for argv in requests:
            bound = spellings.get(argv[0])
            if (
                bound is None
                or guards
                or (
                    (words := len(argv)) != bound.words
                    and (words < bound.words or not bound.open_ended)
                )
            ) and (bound is None or not self._only_needs_memory(guards, bound, argv)):
                if calls:
                    assert row is not None
                    row.stats.count(calls, started - began)
                    calls = 0
                row = None
                if not self._guarded(ctx, argv, bound):
                    return False
                # What it may have changed.
                null = NULL2 if client.resp == 2 else NULL3
                spellings = client.straight_commands
                if spellings is None:
                    spellings = self._instance.spellings
                journal = keyspace.journal
                started = began = clock()
                continue
            if bound is not row:
                if calls:
                    assert row is not None
                    row.stats.count(calls, started - began)
                    calls = 0
                row, began = bound, started
            calls += 1
            if journal is not None and bound.writes:
                dirty = keyspace.dirty
                ctx.log_entries = None
            try:
                reply = bound.handler(ctx, argv)
            except CommandError as error:
                reply = self._calls.failed(bound, error.text)
            except WrongType:
                reply = self._calls.wrong_type(bound)
            except Exception:
                reply = self._calls.crashed(ctx, bound, argv)
            if journal is not None and bound.writes and keyspace.dirty != dirty:
                journal_write(ctx, ctx.db.index, argv)
            kind = reply.__class__
            if kind is bytes:
                length = len(reply)
                if length < 4096:
                    outbox += (BULK_HEADERS[length], reply, CRLF)
                else:
                    outbox += (b"$%d\r\n" % length, reply, CRLF)
                    if length >= LONG_REPLY:
                        client.has_long_reply = True
                    if length >= observation.large_reply_bytes:
                        observation.large_reply(client, argv, length)
            elif reply is OK:
                outbox.append(OK_LINE)
            elif reply is None:
                outbox.append(null)
            elif kind is int and 0 <= reply < 4096:
                outbox.append(INTEGERS[reply])
            elif kind in EFFECTS:
                bound.stats.count(calls, clock() - began)
                calls = 0
                client.last_command = bound
                if kind is RunScript:
                    answer(client, self._calls.run_script(ctx, bound, reply, argv))
                elif not self._carry_out(ctx, bound, reply, argv, clock() - started):
                    return False
            else:
                if kind is bytearray:
                    # A string that was modified in place, and may be again before it is sent.
                    # A long one is copied once, and not joined with its header.
                    outbox.append(b"$%d\r\n" % len(reply))
                    encoded = bytes(reply)
                    outbox += (encoded, CRLF)
                else:
                    encoded = client.encode(reply)
                    outbox.append(encoded)
                length = len(encoded)
                if length >= LONG_REPLY:
                    client.has_long_reply = True
                if length >= observation.large_reply_bytes:
                    observation.large_reply(client, argv, length)
            ended = clock()
            if ended > tick:
                observation.slow_step(client, argv, ended - started)
                if calls > 1:
                    bound.stats.count(calls - 1, started - began)
                if calls:
                    bound.stats.count(1, ended - started)
                    calls = 0
                began = ended
                tick = ended + observation.tick_ns
            if ready:
                self.serve_ready()
                ended = clock()
            started = ended
        if row is not None:
            client.last_command = row
            if calls:
                row.stats.count(calls, started - began)
        return True

    def serve_ready(self) -> None:
        """Serve the clients that wait for keys which have changed."""
        self._blocking.serve(self._calls.retry)

    def repeat_waiting(self) -> None:
        """Run the commands of waiting clients again that ask for it from time to time."""
        self._blocking.repeat(self._calls.retry)
        if self._instance.keyspace.ready:
            self.serve_ready()

    def run_sweep(self, database: Database, run: Callable[[Context], bool]) -> bool:
        """Run a piece of regular work on a database; return whether there is more."""
        try:
            return self._calls.run_sweep(database, run)
        finally:
            if self._instance.keyspace.ready:
                self.serve_ready()

    def _only_needs_memory(
        self, guards: set[Guard], bound: BoundCommand, argv: list[bytes]
    ) -> bool:
        """Whether the limit of memory is all that keeps a request here, and it has memory."""
        return (
            guards == _MEMORY_ONLY
            and bound.command.accepts(len(argv))
            and self._eviction.make_room()
        )

    # --- the guarded path ---------------------------------------------------------------

    def _guarded(self, ctx: Context, argv: list[bytes], bound: BoundCommand | None) -> bool:
        """Run a request that needs all checks. Return False if the client must now wait."""
        client = ctx.client
        if client.closing:
            return False
        ctx.keyspace.no_touch = client.no_touch
        try:
            return self._checked(ctx, argv, bound)
        finally:
            ctx.keyspace.no_touch = False
            tracker = client.tracker
            if tracker is not None and tracker.caching and not _keeps_caching(client, argv):
                tracker.caching = False

    def _checked(self, ctx: Context, argv: list[bytes], bound: BoundCommand | None) -> bool:
        client, admission = ctx.client, self._admission
        if bound is None:
            bound = self._instance.find_command(argv)
            if bound is None and admission.is_http(argv):
                admission.cut_off_http(client)
                return False
        if bound is not None:
            client.last_command = bound
        refusal = admission.refusal(client, argv, bound)
        if refusal is not None:
            self._refuse(client, bound, refusal)
            if self._instance.keyspace.ready:
                # Clients that wait for keys which had to be evicted.
                self.serve_ready()
            return True
        assert bound is not None
        command = bound.command
        self._blocking.end_pause_if_due()
        if admission.is_paused(client, command):
            client.postponed = argv
            self._blocking.pause(client)
            return False
        if client.transaction is not None and command.name not in _NOT_QUEUED:
            if "no_multi" in command.flags:
                self._refuse(client, None, b"ERR Command not allowed inside a transaction")
            else:
                self._queue(client, argv)
            return True
        return self._run_guarded(ctx, bound, argv)

    def _run_guarded(self, ctx: Context, bound: BoundCommand, argv: list[bytes]) -> bool:
        client, observation = ctx.client, self._observation
        # Messages to this client that its own request causes go out after the reply.
        deferred: list[bytes] = []
        client.deferred = deferred
        started = perf_counter_ns()
        try:
            reply = self._calls.perform(ctx, bound, argv)
            elapsed = perf_counter_ns() - started
            if self._instance.monitors:
                observation.show_monitors(client, bound, argv)
        finally:
            client.deferred = None
        going_on = True
        if isinstance(reply, Effect):
            going_on = self._carry_out(ctx, bound, reply, argv, elapsed)
            elapsed = perf_counter_ns() - started
        else:
            size = answer(client, reply)
            if size >= observation.large_reply_bytes:
                observation.large_reply(client, argv, size)
        if elapsed >= observation.tick_ns and client.waiting is None:
            observation.slow_step(client, argv, elapsed)
        client.outbox += deferred
        if self._instance.keyspace.ready:
            self.serve_ready()
        return going_on

    def _carry_out(
        self, ctx: Context, bound: BoundCommand, effect: Effect, argv: list[bytes], elapsed: int
    ) -> bool:
        """Carry out the effect of a handler that took so long.

        Return False if the client must now wait.
        """
        client = ctx.client
        try:
            going_on = self._outcomes.carry_out(ctx, effect, argv)
        except CommandError as error:
            answer(client, self._calls.failed(bound, error.text))
            return True
        if client.waiting is not None:
            # The slow log shows it when the wait is over.
            client.waiting.elapsed_ns = elapsed
        return going_on

    def _refuse(self, client: Client, bound: BoundCommand | None, refusal: bytes) -> None:
        if bound is not None:
            bound.stats.rejected += 1
        if client.transaction is not None:
            client.transaction.broken = True
        self._instance.statistics.count_error(refusal)
        if bound is not None and bound.command.name == "EXEC":
            client.end_transaction()
            if refusal != CROSS_SLOT:
                refusal = _EXEC_REFUSED + refusal.removeprefix(b"ERR ")
        answer(client, ErrorReply(refusal))

    def _queue(self, client: Client, argv: list[bytes]) -> None:
        transaction = client.transaction
        assert transaction is not None
        answer(client, "QUEUED")
        # EXEC will refuse such a transaction: it needs no memory until then.
        if transaction.broken or client.watch_failed:
            return
        transaction.add(argv)
        if transaction.size > self._instance.settings.client_query_buffer_limit:
            self._instance.statistics.client_query_limit_disconnects += 1
            client.close("query buffer limit")
