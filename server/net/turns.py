"""The turn of the loop that serves all connections of an instance.

A turn is Redis' own: for each ready client read, parse and run; then, once for all, resume
the clients this unblocked, write the log, and send every outbox that has something. So
replies to other clients (messages, wake-ups) cost nothing extra, and a log that must be on
disk before its replies leave is written once per turn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Protocol

from commands.engine.replies import ErrorReply
from commands.instance.client import Client
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.settings.settings import Settings
from server.alarm import Alarm
from server.execution.blocking import Blocking
from server.execution.dispatch import Dispatcher
from server.execution.observation import Observation
from server.net.outboxes import Outboxes

logger = logging.getLogger("redkeep")

# How often clients that wake each other up by turns may do so within one turn of the loop.
_MOST_ROUNDS = 100


class LogEnd(Protocol):
    """The end of the log, to which each turn appends what it wrote."""

    def append(self) -> bool:
        """Write what the turn changed; False if its replies must wait for the disk."""


class Turns:
    """Begins and ends turns, and runs requests in between."""

    def __init__(
        self,
        instance: Instance,
        dispatcher: Dispatcher,
        blocking: Blocking,
        observation: Observation,
        outboxes: Outboxes,
        log: LogEnd,
        alarm: Alarm,
    ) -> None:
        self.instance = instance
        self._keyspace = instance.keyspace
        self._tracking = instance.tracking
        self._log_status = instance.persistence.log
        self._dispatcher = dispatcher
        self._blocking = blocking
        self._observation = observation
        self._outboxes = outboxes
        self._log = log
        self._alarm = alarm
        self._unlogged_clients = instance.unlogged_clients
        # Clients whose held input takes more than one turn.
        self._later: list[Client] = []
        # A request of so many bytes is logged as large.
        self.large_request = 0
        instance.settings.on_change(
            Settings.commandlog_request_larger_than, self._follow_large_request
        )

    def _follow_large_request(self, size: int) -> None:
        self.large_request = size if size >= 0 else 1 << 62

    def begin(self) -> None:
        self._keyspace.refresh_now()

    def flush(self) -> None:
        """Write the log and send all outboxes, from within a turn."""
        if self._tracking.has_broadcasts:
            self._tracking.broadcast()
        if self._log_status.enabled or self._unlogged_clients:
            self._write_log()
        self._outboxes.send()

    def end(self) -> None:
        """Resume unblocked clients, write the log, and send all outboxes."""
        blocking = self._blocking
        if blocking.resumed or self._later:
            self._resume()
        if self._tracking.has_broadcasts:
            self._tracking.broadcast()
        if self._log_status.enabled or self._unlogged_clients:
            self._write_log()
        self._outboxes.send()
        self._alarm.check(blocking.next_deadline())

    def _resume(self) -> None:
        blocking = self._blocking
        blocking.resumed += self._later
        self._later = []
        for _ in range(_MOST_ROUNDS):
            resumed, blocking.resumed = blocking.resumed, []
            for client in resumed:
                client.wire.resume()
            if not blocking.resumed:
                break
        if blocking.resumed or self._later:
            # There must be another turn, whatever the sockets do.
            self._alarm.ring()

    def _write_log(self) -> None:
        # The log may have been turned off in this turn.
        in_log = not self._log_status.enabled or self._log.append()
        for client in self._unlogged_clients:
            if not in_log:
                client.wire.keep_back(client.unlogged_from)
            client.unlogged_from = -1
        self._unlogged_clients.clear()

    def resume_later(self, client: Client) -> None:
        """Resume a client's requests again in the next turn: others get their turn first."""
        self._later.append(client)

    def run(self, ctx: Context, requests: Iterator[list[bytes]]) -> bool:
        """Run a client's requests. An internal error ends that client's connection only."""
        try:
            return self._dispatcher.run(ctx, requests)
        except Exception:
            client = ctx.client
            logger.exception("Serving client %d failed; closing its connection", client.id)
            client.outbox.append(client.encode(ErrorReply(b"ERR internal error, see the log")))
            client.close("internal error")
            return False

    def log_large_requests(self, client: Client, requests: list[list[bytes]]) -> None:
        self._observation.large_requests(client, requests, self.large_request)

    def forget(self, client: Client) -> None:
        """The client has disconnected."""
        self._blocking.forget(client)
        self.instance.forget(client)
