"""A connected client, as commands see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from commands.engine.replies import Reply
from commands.instance.context import Context

if TYPE_CHECKING:
    from commands.engine.effects import BlockOn, WaitUntil
    from commands.instance.instance import Instance
    from commands.instance.statistics import BoundCommand
    from storage.keyspace import Database


class Transaction:
    """What MULTI opened: the requests queued so far."""

    __slots__ = ("broken", "queue", "size")

    def __init__(self) -> None:
        self.queue: list[list[bytes]] = []
        self.size = 0
        # A request could not be queued, so EXEC must refuse.
        self.broken = False


class Waiting:
    """Why and how long a client is blocked."""

    __slots__ = ("argv", "db", "effect", "since_ms")

    def __init__(
        self, effect: BlockOn | WaitUntil, argv: list[bytes], db: Database, now: int
    ) -> None:
        self.effect = effect
        self.argv = argv
        self.db = db
        self.since_ms = now


class Client:
    """Facts about one connection, its protocol state, and its outbox.

    `gated` is true whenever a request of this client cannot simply be run: the dispatcher
    looks at this one flag on its straight path and at the reasons only behind it. Whoever
    changes a reason calls `refresh_gate`.
    """

    __slots__ = (
        "address",
        "authenticated",
        "blocked_requests",
        "capabilities",
        "channels",
        "closing",
        "closing_reason",
        "created_ms",
        "ctx",
        "encode",
        "encoders",
        "flush_soon",
        "gated",
        "held",
        "id",
        "instance",
        "last_command",
        "last_seen_ms",
        "lib_name",
        "lib_version",
        "local_address",
        "monitoring",
        "name",
        "no_evict",
        "no_touch",
        "outbox",
        "patterns",
        "reply_mode",
        "resp",
        "shard_channels",
        "transaction",
        "unix_socket",
        "user",
        "waiting",
        "watch_failed",
        "watching",
        "wire",
    )

    def __init__(self, instance: Instance, ident: int) -> None:
        self.instance = instance
        self.id = ident
        self.ctx = Context(instance, self)
        self.resp = 2
        self.name = b""
        self.lib_name = b""
        self.lib_version = b""
        self.address = b""
        self.local_address = b""
        self.unix_socket = False
        self.user = b"default"
        self.authenticated = not instance.settings["requirepass"]
        self.created_ms = self.last_seen_ms = instance.keyspace.now
        self.last_command: BoundCommand | None = None
        # Letters for what the client can do beyond the protocol (CLIENT CAPA).
        self.capabilities = b""
        self.transaction: Transaction | None = None
        self.watching: dict[tuple[Database, bytes], None] = {}
        self.watch_failed = False
        # Dicts as ordered sets: leaving them all happens in the order of subscription.
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.monitoring = False
        self.no_evict = False
        self.no_touch = False
        # "on", "off", "skip-next" or "skip" (CLIENT REPLY).
        self.reply_mode = "on"
        self.waiting: Waiting | None = None
        # Requests that came in while the client was blocked or paused.
        self.blocked_requests: list[list[bytes]] = []
        self.closing = False
        self.closing_reason = ""
        # Encoded replies on their way out. `server/` joins and sends them once a turn.
        self.outbox: list[bytes] = []
        # While one of its own requests runs: messages to it, which go out after the reply.
        self.held: list[bytes] | None = None
        # Set by the server: how to encode in each protocol (and in this client's), and how
        # to ask that an outbox filled outside the client's own turn be sent.
        self.encoders: Mapping[int, Callable[[Reply], bytes]] = {2: _no_wire, 3: _no_wire}
        self.encode: Callable[[Reply], bytes] = _no_wire
        self.flush_soon: Callable[[Client], None] = _no_wire
        # The server's side of this client; None for one without a connection.
        self.wire: Any = None
        self.gated = False
        self.refresh_gate()

    def __repr__(self) -> str:
        return f"<Client {self.id} {self.address.decode(errors='replace')}>"

    def refresh_gate(self) -> None:
        """Recompute `gated`. Each reason stands here once."""
        self.gated = bool(
            self.instance.gated
            or not self.authenticated
            or self.transaction is not None
            or self.reply_mode != "on"
            or self.no_touch
            or self.waiting is not None
            or self.closing
            or self.subscriptions
        )

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: over a unix socket or the loopback."""
        return self.unix_socket or self.address.startswith((b"127.", b"[::1]", b"::1"))

    @property
    def subscriptions(self) -> int:
        """Channels and patterns together: above zero, a RESP2 client is a subscriber."""
        return len(self.channels) + len(self.patterns) + len(self.shard_channels)

    def speak(self, resp: int) -> None:
        """Change the protocol of what is answered from now on."""
        self.resp = resp
        self.encode = self.encoders[resp]
        self.refresh_gate()

    def log_in(self, user: bytes) -> None:
        """The client has shown to be this user."""
        self.user = user
        self.authenticated = True
        self.refresh_gate()

    def reset(self) -> None:
        """Return to the state of a connection that was just made."""
        instance = self.instance
        self.transaction = None
        self.unwatch()
        instance.pubsub.leave(self)
        if self.monitoring:
            self.monitoring = False
            instance.monitors.pop(self, None)
            instance.refresh_gates()
        self.ctx.db = instance.keyspace.databases[0]
        self.name = b""
        self.reply_mode = "on"
        self.no_evict = self.no_touch = False
        self.user = b"default"
        self.authenticated = not instance.settings["requirepass"]
        self.speak(2)

    def deliver(self, reply: Reply) -> None:
        """Send something that is no answer to a request: a message, a wake-up."""
        chunks = self.outbox if self.held is None else self.held
        chunks.append(self.encode(reply))
        self.flush_soon(self)

    def close(self, reason: str) -> None:
        """Have the connection closed once its outbox is sent."""
        self.closing = True
        self.closing_reason = reason
        self.refresh_gate()
        self.flush_soon(self)

    def end_transaction(self) -> None:
        """Leave MULTI, with whatever was queued and watched."""
        self.transaction = None
        self.unwatch()
        self.refresh_gate()

    def watch(self, database: Database, key: bytes) -> None:
        """Have the next transaction fail if the key is changed before it."""
        if (database, key) not in self.watching:
            database.watch(key, self)
            self.watching[database, key] = None

    def retire(self) -> None:
        """The connection is gone, and nobody will run anything for this client again.

        Its wire and its context refer back to it. Garbage collection passes over what is
        older than a second, so these cycles are cut by hand.
        """
        self.wire = None
        self.outbox.clear()
        del self.ctx

    def watched_key_changed(self) -> None:
        self.watch_failed = True

    def unwatch(self) -> None:
        for database, key in self.watching:
            database.unwatch(key, self)
        self.watching.clear()
        self.watch_failed = False


def _no_wire(_: Any) -> Any:
    """For clients without a connection: whatever would be sent goes nowhere."""
    return b""
