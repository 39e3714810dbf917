"""A connected client, as commands see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from commands.engine.effects import BlockOn, WaitUntil
from commands.engine.replies import Reply
from commands.instance.guards import Guard
from commands.instance.statistics import BoundCommand
from commands.instance.tracker import Tracker
from commands.instance.users.users import User
from storage.database import Database

Encoder = Callable[[Reply], bytes]

# What a connection takes that neither sends nor receives anything, and each channel it subscribed
# to and key it watches.
_IDLE_MEMORY = 4096
_NAME_MEMORY = 150

# Replies of this size and more are sent from where they are; shorter ones are joined with
# others, because each chunk that is sent has its own cost.
LONG_REPLY = 16 * 1024


class Wire(Protocol):
    """The server's side of a client: its connection."""

    # How to encode replies in each protocol version.
    encoders: Mapping[int, Encoder]
    fd: int
    # The socket took less than it was given; the rest is sent when it can take more.
    wants_write: bool
    # The bytes of the latest requests, with those that followed them.
    received: int

    @property
    def unread(self) -> int:
        """Bytes received that belong to requests not run yet."""

    @property
    def unsent(self) -> int:
        """Bytes of replies not sent yet."""

    def flush_soon(self) -> None:
        """Send the outbox at the end of this turn."""

    def keep_back(self, start: int) -> None:
        """Send the replies before this place in the outbox, and the others only when the log is
        on disk."""

    def check_output(self) -> None:
        """Close the connection if the client left too many replies unread."""

    def resume(self) -> None:
        """Run the requests that were received while the client was blocked or paused."""

    def finish(self) -> None:
        """Close the connection after a last attempt to send its replies."""

    def close(self) -> None:
        """Close the connection at once."""


class NoWire:
    """The wire of a client without a connection: what would be sent is dropped."""

    encoders: Mapping[int, Encoder] = MappingProxyType({2: lambda _: b"", 3: lambda _: b""})
    fd = -1
    wants_write = False
    unread = 0
    received = 0
    unsent = 0

    def flush_soon(self) -> None:
        pass

    def keep_back(self, start: int) -> None:
        pass

    def check_output(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


class Transaction:
    """What MULTI opened: the requests queued so far."""

    __slots__ = ("broken", "queue", "size")

    def __init__(self) -> None:
        self.queue: list[list[bytes]] = []
        self.size = 0
        # A request could not be queued, so EXEC must refuse.
        self.broken = False

    def add(self, argv: list[bytes]) -> None:
        self.queue.append(argv)
        # Every request and every word takes memory of its own: a PING of four bytes a hundred.
        self.size += 64 + sum(map(len, argv)) + 41 * len(argv)


class Waiting:
    """Why and until when a client is blocked."""

    __slots__ = (
        "argv",
        "arrival",
        "db",
        "deadline",
        "effect",
        "elapsed_ns",
        "repeat_at",
        "request",
    )

    def __init__(
        self,
        effect: BlockOn | WaitUntil,
        request: list[bytes],
        argv: list[bytes],
        db: Database,
        deadline: int | None,
        arrival: int,
    ) -> None:
        self.effect = effect
        # What the client has sent, and what runs when the wait may be over.
        self.request = request
        self.argv = argv
        self.db = db
        # How long its runs so far have taken, without the time that it waits.
        self.elapsed_ns = 0
        # Greater than that of every client that began to wait earlier.
        self.arrival = arrival
        # Both by the monotonic clock, in ms.
        self.deadline = deadline
        self.repeat_at: int | None = None


class Client:
    """Facts about one connection, its protocol state, and its outbox.

    It knows neither the instance nor its context: both know it.
    """

    __slots__ = (
        "address",
        "capabilities",
        "channels",
        "closing_reason",
        "created_ms",
        "db",
        "deferred",
        "encode",
        "guards",
        "has_long_reply",
        "id",
        "last_command",
        "last_seen_ms",
        "lib_name",
        "lib_version",
        "local_address",
        "monitoring",
        "name",
        "no_evict",
        "outbox",
        "patterns",
        "postponed",
        "reply_mode",
        "resp",
        "shard_channels",
        "straight_commands",
        "tls",
        "tracker",
        "transaction",
        "unix_socket",
        "unlogged_from",
        "user",
        "waiting",
        "watch_failed",
        "watching",
        "wire",
    )

    def __init__(
        self,
        ident: int,
        db: Database,
        wire: Wire,
        user: User,
        guards: Iterable[Guard] = (),
        now: int = 0,
    ) -> None:
        self.id = ident
        # The database chosen with SELECT.
        self.db = db
        self.wire = wire
        # Why its requests cannot take the straight path; change it with `hold` and `lift`.
        self.guards = set(guards)
        self.resp = 2
        self.encode: Encoder = wire.encoders[2]
        self.name = b""
        self.lib_name = b""
        self.lib_version = b""
        self.address = b""
        self.local_address = b""
        self.unix_socket = False
        # Connected to the TLS port.
        self.tls = False
        self.user = user
        self.follow_user()
        # By the monotonic clock.
        self.created_ms = self.last_seen_ms = now
        self.last_command: BoundCommand | None = None
        # One letter per capability announced with CLIENT CAPA.
        self.capabilities = b""
        self.transaction: Transaction | None = None
        self.watching: dict[tuple[Database, bytes], None] = {}
        self.watch_failed = False
        # Dicts as ordered sets: unsubscribing from all follows the order of subscription.
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        # Once it has turned tracking on; see `tracking`.
        self.tracker: Tracker | None = None
        # What runs on the straight path, if that is not everything; see `tracked_reads`.
        self.straight_commands: dict[bytes, BoundCommand] | None = None
        self.monitoring = False
        self.no_evict = False
        # "on", "off", "skip-next" or "skip" (CLIENT REPLY).
        self.reply_mode = "on"
        self.waiting: Waiting | None = None
        # A request that could not run yet, because clients are paused.
        self.postponed: list[bytes] | None = None
        self.closing_reason = ""
        # Encoded replies not yet sent. The server joins and sends them once a turn.
        self.outbox: list[bytes] = []
        # Whether any chunk in it is long.
        self.has_long_reply = False
        # The place in the outbox of the first reply that acknowledges a write of this turn, which
        # is not in the log yet; -1 if there is none.
        self.unlogged_from = -1
        # While one of its own requests runs: messages to this client, which follow the reply.
        self.deferred: list[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Client {self.id} {self.address.decode(errors='replace')}>"

    # --- guards -------------------------------------------------------------------------

    def hold(self, guard: Guard) -> None:
        """Keep requests off the straight path until `lift`."""
        self.guards.add(guard)

    def lift(self, guard: Guard) -> None:
        self.guards.discard(guard)

    @property
    def authenticated(self) -> bool:
        return Guard.UNAUTHENTICATED not in self.guards

    @property
    def closing(self) -> bool:
        """The connection closes once the outbox is sent."""
        return Guard.CLOSING in self.guards

    @property
    def no_touch(self) -> bool:
        """CLIENT NO-TOUCH: reading a key does not mark it as used."""
        return Guard.NO_TOUCH in self.guards

    def log_in(self, user: User) -> None:
        """The client proved to be this user."""
        self.user = user
        self.follow_user()
        self.lift(Guard.UNAUTHENTICATED)

    def follow_user(self) -> None:
        """Have requests checked if the user may not do everything."""
        if self.user.is_unlimited:
            self.lift(Guard.RESTRICTED)
        else:
            self.hold(Guard.RESTRICTED)

    @property
    def restricted(self) -> bool:
        """Whether each request must be checked by the rules of the user."""
        return Guard.RESTRICTED in self.guards

    def set_reply_mode(self, mode: str) -> None:
        self.reply_mode = mode
        if mode == "on":
            self.lift(Guard.REPLY_MODE)
        else:
            self.hold(Guard.REPLY_MODE)

    # --- facts --------------------------------------------------------------------------

    @property
    def is_local(self) -> bool:
        """Whether the peer is on this machine: a unix socket or the loopback."""
        return self.unix_socket or self.address.startswith((b"127.", b"[::1]", b"::1"))

    @property
    def subscriptions(self) -> int:
        """Channels and patterns together: above zero, a RESP2 client is a subscriber."""
        return len(self.channels) + len(self.patterns) + len(self.shard_channels)

    @property
    def memory(self) -> int:
        """Bytes that the client takes, about: its state, unfinished requests, unsent replies."""
        wire, queued = self.wire, self.transaction
        names = self.subscriptions + len(self.watching)
        return (
            _IDLE_MEMORY + names * _NAME_MEMORY + wire.unread + wire.unsent
            + (0 if queued is None else queued.size)
        )  # fmt: skip

    def subscriptions_changed(self) -> None:
        if self.subscriptions:
            self.hold(Guard.SUBSCRIBED)
        else:
            self.lift(Guard.SUBSCRIBED)

    # --- replies ------------------------------------------------------------------------

    def speak(self, resp: int) -> None:
        """Encode the replies from now on in this version of the protocol."""
        self.resp = resp
        self.encode = self.wire.encoders[resp]

    def deliver(self, reply: Reply) -> None:
        """Send something that does not answer a request: a message, a wake-up."""
        chunks = self.outbox if self.deferred is None else self.deferred
        encoded = self.encode(reply)
        chunks.append(encoded)
        if len(encoded) >= LONG_REPLY:
            self.has_long_reply = True
        self.wire.flush_soon()

    def close(self, reason: str) -> None:
        """Close the connection once the outbox is sent."""
        self.closing_reason = reason
        self.hold(Guard.CLOSING)
        self.wire.flush_soon()

    def disconnect(self) -> None:
        """The connection is gone.

        Client and wire refer to each other, and the garbage collector passes over objects
        older than a second, so this cycle is cut by hand.
        """
        self.wire = NoWire()
        self.outbox.clear()

    # --- blocking -----------------------------------------------------------------------

    def block(self, waiting: Waiting) -> None:
        self.waiting = waiting

    def unblock(self) -> None:
        self.waiting = None

    # --- transactions -------------------------------------------------------------------

    def begin_transaction(self) -> None:
        self.transaction = Transaction()
        self.hold(Guard.TRANSACTION)

    def end_transaction(self) -> None:
        """Leave MULTI; forget what was queued and watched."""
        self.transaction = None
        self.unwatch()
        self.lift(Guard.TRANSACTION)

    def watch(self, database: Database, key: bytes) -> None:
        """Make the next transaction fail if the key changes before it."""
        if (database, key) not in self.watching:
            database.watch(key, self)
            self.watching[database, key] = None

    def watched_key_changed(self) -> None:
        self.watch_failed = True

    def unwatch(self) -> None:
        for database, key in self.watching:
            database.unwatch(key, self)
        self.watching.clear()
        self.watch_failed = False
