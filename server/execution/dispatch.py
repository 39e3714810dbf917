"""From a request to its reply: the one path that every command takes.

`run` has a straight path for the client and command that nothing special holds for, and
`_guarded` behind it for everything else: unknown commands, wrong arity, authentication,
transactions, subscribers, pauses, monitors. After either, a write wakes whoever waited for
it. Redis' order of checks is kept, because it decides which of two errors a client sees.

Measured: with sixteen commands pipelined the straight path takes about as long as the
system's part of receiving and sending, so it keeps what it needs in locals, looks a command
up once, reads one clock per command and appends encoded chunks to one list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Protocol, get_args

from commands.engine.effects import BlockOn, Close, FileEffect, Shutdown, WaitUntil
from commands.engine.errors import (
    NOT_AUTHENTICATED,
    WRONG_TYPE,
    CommandError,
    wrong_arity,
)
from commands.engine.registry import Command
from commands.engine.replies import NO_REPLY, OK, ErrorReply, Push, Replies, Reply
from commands.instance.client import Client, Waiting
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.instance.persistence import LOADING
from commands.instance.redaction import redacted
from commands.instance.statistics import BoundCommand
from server.execution.blocking import Blocking
from server.wire.encoder import BULK_HEADERS, CRLF, INTEGERS, NULL2, NULL3, OK_LINE
from server.wire.wording import monitor_line, unknown_command, unknown_subcommand
from storage.errors import WrongType
from storage.keyspace import Database

logger = logging.getLogger("redkeep")

_FILE_EFFECTS = frozenset(get_args(FileEffect))
_EFFECTS = frozenset((BlockOn, WaitUntil, Close, Shutdown)) | _FILE_EFFECTS
_MESSAGES = (Push, Replies)
# After this long the cached time is stale, and a command that took longer is worth a
# look at the slow log.
_TICK_NS = 1_000_000
_WRONG_TYPE = WRONG_TYPE.encode()
# What a RESP2 subscriber may still send.
_SUBSCRIBER_COMMANDS = frozenset(
    "SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE PING QUIT RESET".split()
)
_EXEC_REFUSED = b"EXECABORT Transaction discarded because of: "
# What the lines of an HTTP request begin with.
_HTTP_WORDS = frozenset((b"post", b"host:"))
# Who floods the server with HTTP should not flood its log as well.
_HTTP_NOTICE_MS = 60_000
# What MULTI lets through instead of queueing.
_NOT_QUEUED = frozenset("EXEC DISCARD MULTI WATCH QUIT RESET".split())


class Dispatcher:
    """Runs the requests of all clients of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.blocking = Blocking(instance, self)
        instance.blocking = self.blocking
        instance.run_queued = self.run_queued
        # Who does regular work: a client without a connection.
        self._own_client = Client(instance, 0)
        # Handed a Shutdown effect; the server sets it.
        self.on_shutdown: Callable[[Shutdown], Reply] = lambda effect: NO_REPLY
        # Does what commands want done with files; the service sets it.
        self.on_files: FileWork = _no_files
        self._slow_ns = 0
        self._tick_ns = _TICK_NS
        self._large_reply = 0
        self._mute_http_until = 0
        instance.settings.on_change("slowlog-log-slower-than", self._follow_slowlog)
        instance.settings.on_change("commandlog-reply-larger-than", self._follow_large_reply)

    def _follow_slowlog(self, microseconds: int) -> None:
        self._slow_ns = microseconds * 1000 if microseconds >= 0 else 1 << 62
        self._tick_ns = min(_TICK_NS, self._slow_ns)

    def _follow_large_reply(self, size: int) -> None:
        self._large_reply = size if size >= 0 else 1 << 62

    # --- the straight path -------------------------------------------------------------

    def run(self, client: Client, requests: list[list[bytes]]) -> None:
        """Run requests in order; their replies are in the client's outbox afterwards.

        A request that blocks keeps those after it in `client.blocked_requests`; the guarded
        path puts a request that must wait its turn there itself.
        """
        ctx = client.ctx
        spellings = self.instance.spellings
        outbox = client.outbox
        keyspace = ctx.keyspace
        ready = keyspace.ready
        journal = keyspace.journal
        clock = perf_counter_ns
        null = NULL2 if client.resp == 2 else NULL3
        started = began = clock()
        tick = started + self._tick_ns
        # A row of calls of the same command is counted when it ends.
        row: BoundCommand | None = None
        calls = 0
        rest = iter(requests)
        for argv in rest:
            statistics = spellings.get(argv[0])
            if (
                statistics is None
                or client.gated
                or (
                    (words := len(argv)) != statistics.words
                    and (words < statistics.words or not statistics.open_ended)
                )
            ):
                if calls:
                    assert row is not None
                    row.count(calls, started - began)
                    calls = 0
                row = None
                if not self._guarded(client, argv, statistics):
                    client.blocked_requests += rest
                    return
                # What it may have changed.
                null = NULL2 if client.resp == 2 else NULL3
                journal = keyspace.journal
                started = began = clock()
                continue
            if statistics is not row:
                if calls:
                    assert row is not None
                    row.count(calls, started - began)
                    calls = 0
                row, began = statistics, started
            calls += 1
            if journal is not None and statistics.writes:
                dirty = keyspace.dirty
                ctx.log_entries = None
            try:
                reply = statistics.handler(ctx, argv)
            except CommandError as error:
                reply = self._failed(statistics, error.text)
            except WrongType:
                reply = self._failed(statistics, _WRONG_TYPE)
            if journal is not None and statistics.writes and keyspace.dirty != dirty:
                if ctx.log_entries is None:
                    journal.add(ctx.db.index, argv)
                else:
                    journal.record(ctx.db.index, ctx.log_entries)
            kind = reply.__class__
            if kind is bytes:
                length = len(reply)
                if length < 4096:
                    outbox += (BULK_HEADERS[length], reply, CRLF)
                else:
                    outbox += (b"$%d\r\n" % length, reply, CRLF)
                    if length >= self._large_reply:
                        self._note_large_reply(client, argv, length)
            elif reply is OK:
                outbox.append(OK_LINE)
            elif reply is None:
                outbox.append(null)
            elif kind is int and 0 <= reply < 4096:
                outbox.append(INTEGERS[reply])
            elif kind in _EFFECTS:
                statistics.count(calls, clock() - began)
                calls = 0
                client.last_command = statistics
                if not self._carry_out(client, reply, argv):
                    client.blocked_requests += rest
                    return
            else:
                encoded = client.encode(reply)
                outbox.append(encoded)
                if len(encoded) >= self._large_reply:
                    self._note_large_reply(client, argv, len(encoded))
            ended = clock()
            if ended > tick:
                self._slow_step(client, argv, ended - started)
                if calls > 1:
                    statistics.count(calls - 1, started - began)
                if calls:
                    statistics.count(1, ended - started)
                    calls = 0
                began = ended
                tick = ended + self._tick_ns
            if ready:
                self.blocking.serve()
                ended = clock()
            started = ended
        if row is not None:
            client.last_command = row
            if calls:
                row.count(calls, started - began)

    def _failed(self, statistics: BoundCommand, text: bytes) -> ErrorReply:
        statistics.failed += 1
        self.instance.statistics.count_error(text)
        return ErrorReply(text)

    def _slow_step(self, client: Client, argv: list[bytes], elapsed: int) -> None:
        """Time went by: renew the cached clock, and log the command if it was slow."""
        self._note_slow(client, argv, elapsed, self.instance.keyspace.refresh_now())

    def _note_slow(self, client: Client, argv: list[bytes], elapsed: int, now: int) -> None:
        instance = self.instance
        latency = instance.latency
        if latency.threshold_ms and elapsed >= latency.threshold_ms * 1_000_000:
            found = instance.find_command(argv)
            fast = found is not None and "fast" in found.command.flags
            latency.record("fast-command" if fast else "command", elapsed // 1_000_000, now // 1000)
        if elapsed >= self._slow_ns:
            found = instance.find_command(argv)
            if found is not None and "skip_slowlog" in found.command.flags:
                return
            settings = instance.settings
            instance.slowlog.add(
                redacted(argv),
                elapsed // 1000,
                now // 1000,
                client.address,
                client.name,
                settings["slowlog-max-len"],
            )

    def note_large_requests(self, client: Client, requests: list[list[bytes]], least: int) -> None:
        """Log those of the requests that have `least` bytes or more."""
        instance = self.instance
        longest = instance.settings["commandlog-large-request-max-len"]
        for argv in requests:
            size = sum(map(len, argv))
            if size >= least:
                now = instance.keyspace.now // 1000
                instance.large_requests.add(
                    redacted(argv), size, now, client.address, client.name, longest
                )

    def _note_large_reply(self, client: Client, argv: list[bytes], size: int) -> None:
        instance = self.instance
        longest = instance.settings["commandlog-large-reply-max-len"]
        instance.large_replies.add(
            argv, size, instance.keyspace.now // 1000, client.address, client.name, longest
        )

    # --- the guarded path ---------------------------------------------------------------

    def _guarded(self, client: Client, argv: list[bytes], statistics: BoundCommand | None) -> bool:
        """Run a request that needs a closer look. False if the client must now wait."""
        if client.waiting is not None or client.closing:
            client.blocked_requests.insert(0, argv)
            return False
        if client.no_touch:
            client.ctx.keyspace.no_touch = True
            try:
                return self._checked(client, argv, statistics)
            finally:
                client.ctx.keyspace.no_touch = False
        return self._checked(client, argv, statistics)

    def _checked(self, client: Client, argv: list[bytes], statistics: BoundCommand | None) -> bool:
        instance = self.instance
        if statistics is None:
            statistics = instance.find_command(argv)
            if statistics is None and argv[0].lower() in _HTTP_WORDS:
                self._cut_off_http(client)
                return False
        refusal = self._refusal(client, argv, statistics)
        if refusal is not None:
            if statistics is not None:
                statistics.rejected += 1
            if client.transaction is not None:
                client.transaction.broken = True
            instance.statistics.count_error(refusal)
            if statistics is not None and statistics.command.name == "EXEC":
                client.end_transaction()
                refusal = _EXEC_REFUSED + refusal.removeprefix(b"ERR ")
            self._answer(client, ErrorReply(refusal))
            return True
        assert statistics is not None
        command = statistics.command
        if self._held_back(client, command):
            client.blocked_requests.insert(0, argv)
            self.blocking.pause(client)
            return False
        client.last_command = statistics
        if client.transaction is not None and command.name not in _NOT_QUEUED:
            if "no_multi" in command.flags:
                self._refuse_queueing(client, "ERR Command not allowed inside a transaction")
            else:
                self._queue(client, argv)
            return True
        # Messages to this client that its own request causes go out after the reply.
        held: list[bytes] = []
        client.held = held
        started = perf_counter_ns()
        try:
            reply = self.perform(client, statistics, argv)
            elapsed = perf_counter_ns() - started
            if instance.monitors:
                self._show_monitors(client, statistics, argv)
        finally:
            client.held = None
        if elapsed >= self._tick_ns:
            self._slow_step(client, argv, elapsed)
        if reply.__class__ in _EFFECTS:
            going_on = self._carry_out(client, reply, argv)
        else:
            size = self._answer(client, reply)
            if size >= self._large_reply:
                self._note_large_reply(client, argv, size)
            going_on = True
        client.outbox += held
        if instance.keyspace.ready:
            self.blocking.serve()
        return going_on

    def _refusal(
        self, client: Client, argv: list[bytes], statistics: BoundCommand | None
    ) -> bytes | None:
        """Why the request cannot be run or queued, in Redis' order; None if it can."""
        if statistics is None:
            return unknown_command(argv)
        command = statistics.command
        if command.subcommands and len(argv) > 1:
            return unknown_subcommand(argv)
        if not command.accepts(len(argv)):
            return wrong_arity(command.wire_name).text
        if not client.authenticated and "no_auth" not in command.flags:
            return NOT_AUTHENTICATED.encode()
        persistence = self.instance.persistence
        if persistence.gates and (command.name == "PING" or self._writes(client, command)):
            unsafe = persistence.write_refusal()
            if unsafe is not None:
                return unsafe
        if client.resp == 2 and client.subscriptions and command.name not in _SUBSCRIBER_COMMANDS:
            return (
                f"ERR Can't execute '{command.wire_name}': only (P|S)SUBSCRIBE / "
                "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ).encode()
        if persistence.load is not None and "loading" not in command.flags:
            return LOADING
        return None

    def _writes(self, client: Client, command: Command) -> bool:
        """Whether it is a command that writes, or the EXEC of one."""
        if command.name != "EXEC" or client.transaction is None:
            return command.writes
        queued = [self.instance.find_command(argv) for argv in client.transaction.queue]
        return any(found is not None and found.command.writes for found in queued)

    def _cut_off_http(self, client: Client) -> None:
        """Close without a word: a web page may be using its visitor's browser to get at us,
        and whatever its request's body holds must not be run."""
        now = self.instance.keyspace.now
        if now >= self._mute_http_until:
            self._mute_http_until = now + _HTTP_NOTICE_MS
            shown = client.address.decode("latin-1")
            logger.warning("Possible attack: %s sends HTTP. Connection closed.", shown)
        client.outbox.clear()
        client.close("HTTP request")

    def _queue(self, client: Client, argv: list[bytes]) -> None:
        transaction = client.transaction
        assert transaction is not None
        self._answer(client, "QUEUED")
        # What EXEC will refuse anyway needs no memory until then.
        if transaction.broken or client.watch_failed:
            return
        transaction.queue.append(argv)
        transaction.size += sum(map(len, argv))
        if transaction.size > self.instance.settings["client-query-buffer-limit"]:
            self.instance.statistics.client_query_limit_disconnects += 1
            client.close("query buffer limit")

    def _refuse_queueing(self, client: Client, text: str) -> None:
        assert client.transaction is not None
        client.transaction.broken = True
        self.instance.statistics.count_error(text.encode())
        self._answer(client, ErrorReply(text.encode()))

    def _held_back(self, client: Client, command: Command) -> bool:
        """Whether CLIENT PAUSE keeps the client from running this now."""
        instance = self.instance
        if instance.paused_until_ms <= instance.keyspace.now:
            # The timer may not have come to it, and what runs now must not see the pause.
            if instance.paused_until_ms:
                self.blocking.end_pause()
            return False
        if not instance.pause_writes_only:
            return True
        if command.name == "EXEC" and client.transaction is not None:
            queued = [instance.find_command(argv) for argv in client.transaction.queue]
            return any(found is not None and _may_write(found.command) for found in queued)
        return _may_write(command)

    # --- calling --------------------------------------------------------------------------

    def call(self, client: Client, statistics: BoundCommand, argv: list[bytes]) -> Reply:
        """Run a handler and count it; errors come back as replies.

        Retries after blocking are no further calls.
        """
        started = perf_counter_ns()
        try:
            reply = statistics.handler(client.ctx, argv)
        except CommandError as error:
            reply = self._failed(statistics, error.text)
        except WrongType:
            reply = self._failed(statistics, _WRONG_TYPE)
        elapsed = perf_counter_ns() - started
        if not client.ctx.retrying:
            statistics.count(1, elapsed)
        return reply

    def perform(self, client: Client, statistics: BoundCommand, argv: list[bytes]) -> Reply:
        """`call`, with what it wrote noted in the journal: off the straight path."""
        keyspace, ctx = self.instance.keyspace, client.ctx
        dirty, database = keyspace.dirty, ctx.db.index
        ctx.log_entries = None
        reply = self.call(client, statistics, argv)
        if keyspace.journal is not None and keyspace.dirty != dirty:
            keyspace.journal.record(
                database, [argv] if ctx.log_entries is None else ctx.log_entries
            )
        return reply

    def run_sweep(self, database: Database, run: Callable[[Context], bool]) -> bool:
        """Run a piece of regular work on a database, as a client of the server's own."""
        keyspace, ctx = self.instance.keyspace, self._own_client.ctx
        ctx.db = database
        ctx.log_entries = None
        dirty = keyspace.dirty
        try:
            more = run(ctx)
        finally:
            if keyspace.journal is not None and keyspace.dirty != dirty:
                keyspace.journal.record(database.index, ctx.log_entries or [])
        if keyspace.ready:
            self.blocking.serve()
        return more

    def run_queued(self, client: Client, argv: list[bytes]) -> tuple[Reply, list[list[bytes]]]:
        """Run one request of a transaction: its reply, and what is to be logged of it.

        What would wait answers at once instead.
        """
        instance = self.instance
        keyspace = instance.keyspace
        statistics = instance.find_command(argv)
        assert statistics is not None
        ctx = client.ctx
        ctx.log_entries = None
        dirty = keyspace.dirty
        started = perf_counter_ns()
        reply = settle_now(self.call(client, statistics, argv))
        if reply.__class__ in _FILE_EFFECTS:
            reply = self._work_on_files(statistics, reply, atomic=True)
        elapsed = perf_counter_ns() - started
        if elapsed >= self._tick_ns:
            self._note_slow(client, argv, elapsed, keyspace.now)
        if instance.monitors:
            self._show_monitors(client, statistics, argv)
        effects: list[list[bytes]] = []
        if statistics.command.name == "SELECT":
            # What follows in the transaction is for another database.
            effects = [[b"SELECT", b"%d" % ctx.db.index]]
        elif keyspace.dirty != dirty:
            effects = [argv] if ctx.log_entries is None else ctx.log_entries
        ctx.log_entries = None
        return reply, effects

    # --- replies and effects ----------------------------------------------------------------

    def _answer(self, client: Client, reply: Reply) -> int:
        """Put a reply into the outbox, unless CLIENT REPLY says otherwise; its size."""
        mode = client.reply_mode
        if mode != "on":
            if mode == "skip-next":
                client.reply_mode = "skip"
            elif mode == "skip":
                client.reply_mode = "on"
                client.refresh_gate()
            # Messages are no replies, and confirmations of subscriptions are messages.
            if reply.__class__ not in _MESSAGES:
                return 0
        encoded = client.encode(reply)
        client.outbox.append(encoded)
        return len(encoded)

    def _carry_out(self, client: Client, effect: Any, argv: list[bytes]) -> bool:
        """Do what a handler asked for. False if the client must now wait."""
        if isinstance(effect, Close):
            self._answer(client, effect.reply)
            client.close("QUIT")
            return False
        if isinstance(effect, Shutdown):
            reply = self.on_shutdown(effect)
            self._answer(client, reply)
            return reply is not NO_REPLY
        if effect.__class__ in _FILE_EFFECTS:
            assert client.last_command is not None
            self._answer(client, self._work_on_files(client.last_command, effect, atomic=False))
            return True
        client.waiting = Waiting(
            effect, getattr(effect, "argv", None) or argv, client.ctx.db, self.instance.keyspace.now
        )
        client.refresh_gate()
        self.blocking.park(client)
        return False

    def _work_on_files(
        self, statistics: BoundCommand, effect: FileEffect, *, atomic: bool
    ) -> Reply:
        try:
            return self.on_files(effect, atomic=atomic)
        except CommandError as error:
            return self._failed(statistics, error.text)

    def finish_waiting(self, client: Client, reply: Reply) -> None:
        """A blocked client's reply has come."""
        self._answer(client, reply)
        client.flush_soon(client)

    def _show_monitors(self, client: Client, statistics: BoundCommand, argv: list[bytes]) -> None:
        if {"admin", "skip_monitor"} & statistics.command.flags:
            return
        line = monitor_line(self.instance.clock.now_ns(), client, redacted(argv))
        for monitor in self.instance.monitors:
            monitor.deliver(line)


class FileWork(Protocol):
    """Carries out an effect on files and answers; `atomic` inside a transaction."""

    def __call__(self, effect: FileEffect, *, atomic: bool = False) -> Reply: ...


def _no_files(effect: FileEffect, *, atomic: bool = False) -> Reply:
    raise CommandError("ERR no data files are kept here")


def _may_write(command: Command) -> bool:
    return command.writes or "may_replicate" in command.flags


def settle_now(reply: Reply) -> Reply:
    """A reply in place of an effect, where nothing may wait."""
    if isinstance(reply, BlockOn):
        return reply.otherwise
    if isinstance(reply, WaitUntil):
        return reply.reply()
    return reply.reply if isinstance(reply, Close) else reply
