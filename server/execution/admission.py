"""Whether a request may run: every refusal, in Redis' order.

The order decides which of two errors a client sees. It is: unknown command, wrong arity,
authentication, the rules of the user, keys of several slots in a cluster, memory that is exceeded,
data that cannot be saved, subscriber mode, loading. Then a pause may hold the request back, and a
transaction may queue it.
"""

from __future__ import annotations

import logging

from commands.engine.errors import NOT_AUTHENTICATED, OUT_OF_MEMORY, wrong_arity
from commands.engine.registry import Command
from commands.engine.slots import CROSS_SLOT
from commands.instance.client import Client
from commands.instance.instance import Instance
from commands.instance.persistence import LOADING
from commands.instance.statistics import BoundCommand
from server.execution.eviction import Eviction
from server.execution.permissions import Permissions
from server.execution.slots import crosses_slots
from server.wire.wording import unknown_command, unknown_subcommand

logger = logging.getLogger("redkeep")

# What a RESP2 subscriber may still send.
_SUBSCRIBER_COMMANDS = frozenset(
    "SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE PING QUIT RESET".split()
)
# What a client in MULTI may send while memory is exceeded: a queue takes memory too.
_ENDS_TRANSACTION = frozenset("EXEC DISCARD QUIT RESET".split())
_SCRIPTS_THAT_MAY_WRITE = frozenset(("EVAL", "EVALSHA", "FCALL"))
# The first words of the lines of an HTTP request.
_HTTP_WORDS = frozenset((b"post", b"host:"))
# A flood of HTTP requests must not flood the log as well.
_HTTP_NOTICE_MS = 60_000


class Admission:
    """Decides on the requests of one instance."""

    def __init__(self, instance: Instance, permissions: Permissions, eviction: Eviction) -> None:
        self._instance = instance
        self._permissions = permissions
        self._eviction = eviction
        self._mute_http_until = 0

    def refusal(
        self, client: Client, argv: list[bytes], bound: BoundCommand | None
    ) -> bytes | None:
        """The error that keeps the request from being run or queued; None if there is none."""
        if bound is None:
            return unknown_command(argv)
        command = bound.command
        if command.subcommands and len(argv) > 1:
            return unknown_subcommand(argv)
        if not command.accepts(len(argv)):
            return wrong_arity(command.wire_name).text
        if not client.authenticated and "no_auth" not in command.flags:
            return NOT_AUTHENTICATED.encode()
        if client.restricted:
            denied = self._permissions.refusal(client, command, argv)
            if denied is not None:
                return denied
        in_cluster = self._instance.cluster is not None
        if in_cluster and crosses_slots(self._instance, client, command, argv):
            return CROSS_SLOT
        running = self._instance.running_script
        if running is not None and "allow_busy" not in command.flags:
            return running.busy_error.encode()
        persistence = self._instance.persistence
        if (
            self._instance.memory.limit
            and running is None
            and persistence.load is None
            and not self._eviction.make_room()
            and self._needs_memory(client, command)
        ):
            return OUT_OF_MEMORY.encode()
        unsafe = persistence.write_refusal()
        if unsafe is not None and (command.name == "PING" or self._writes(client, command)):
            return unsafe
        if client.resp == 2 and client.subscriptions and command.name not in _SUBSCRIBER_COMMANDS:
            return (
                f"ERR Can't execute '{command.wire_name}': only (P|S)SUBSCRIBE / "
                "(P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ).encode()
        if persistence.load is not None and "loading" not in command.flags:
            return LOADING
        return None

    def is_paused(self, client: Client, command: Command) -> bool:
        """Whether CLIENT PAUSE holds this request back."""
        instance = self._instance
        if instance.paused_until_ms <= instance.clock.monotonic_ms():
            return False
        if not instance.pause_writes_only:
            return True
        return any(_may_write(each) for each in self._commands_of(client, command))

    def _writes(self, client: Client, command: Command) -> bool:
        return any(each.writes for each in self._commands_of(client, command))

    def _needs_memory(self, client: Client, command: Command) -> bool:
        if client.transaction is not None and command.name not in _ENDS_TRANSACTION:
            return True
        return any("denyoom" in each.flags for each in self._commands_of(client, command))

    def _commands_of(self, client: Client, command: Command) -> list[Command]:
        """The command itself, or the queued ones that EXEC would run."""
        if command.name != "EXEC" or client.transaction is None:
            return [command]
        queued = map(self._instance.find_command, client.transaction.queue)
        return [bound.command for bound in queued if bound is not None]

    # --- HTTP ---------------------------------------------------------------------------

    def is_http(self, argv: list[bytes]) -> bool:
        """Whether an unknown command is a line of an HTTP request.

        A web page may use its visitor's browser to reach this server, and the body of such
        a request must not be run.
        """
        return argv[0].lower() in _HTTP_WORDS

    def cut_off_http(self, client: Client) -> None:
        """Close the connection without a reply."""
        now = self._instance.keyspace.now
        if now >= self._mute_http_until:
            self._mute_http_until = now + _HTTP_NOTICE_MS
            shown = client.address.decode("latin-1")
            logger.warning("Possible attack: %s sends HTTP. Connection closed.", shown)
        client.outbox.clear()
        client.close("HTTP request")


def _may_write(command: Command) -> bool:
    return (
        command.writes
        or "may_replicate" in command.flags
        or command.name in _SCRIPTS_THAT_MAY_WRITE
    )
