"""Everything one server knows: the root through which handlers and connections reach the rest."""

from __future__ import annotations

import time
from dataclasses import fields
from functools import partial
from random import Random

from commands.engine.key_layouts import ordered_prefixes, places
from commands.engine.registry import Command, commands
from commands.instance.client import Client, NoWire, Wire
from commands.instance.cluster import Cluster
from commands.instance.guards import CommonGuards, Guard
from commands.instance.keyspace_events import KeyspaceEvents
from commands.instance.latency import LatencyMonitor
from commands.instance.memory_limit import MemoryLimit
from commands.instance.persistence import Persistence
from commands.instance.process import memory_use
from commands.instance.pubsub import PubSub
from commands.instance.scripting import KeptLibraries, KeptScripts, RunningScript
from commands.instance.slow_log import SlowLog
from commands.instance.statistics import BoundCommand, Rate, Statistics
from commands.instance.tracking import Tracking
from commands.instance.users.table import Users
from commands.instance.users.users import User
from commands.settings.setting import Setting
from commands.settings.settings import Settings
from storage.clock import Clock
from storage.keyspace import Keyspace
from storage.values.limits import Limits

# The Redis whose behaviour is promised; clients choose their features by it.
COMPATIBLE_VERSION = "7.2.4"

# Spellings of command names kept for the straight path. Clients use one or two; the limit
# keeps a hostile one from filling memory with the others.
_MOST_SPELLINGS = 4096


class Instance:
    """One server's state: data, clients, settings, counters, time and chance."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        """`commands.families.load` comes first: it declares commands and layouts."""
        self.settings = settings or Settings()
        self.clock = clock or Clock()
        self.rng = Random()
        self.keyspace = Keyspace(
            self.clock,
            self.settings.databases,
            ordered_prefixes(),
            places(tagged=self.settings.hash_tags),
        )
        # Monotonic time as of the last tick of the timers: precise enough for the idle times of
        # clients, and free where each request needs it.
        self.coarse_ms = self._began_ms = self.clock.monotonic_ms()
        self.clock.on_jump(self.note_time)
        self.clients: dict[int, Client] = {}
        self.last_client_id = 0
        self.users = Users(self.settings, commands(), self.clients.values())
        # What keeps the requests of all clients off the straight path.
        self.guards = CommonGuards(self.clients.values())
        # Presented with `cluster-enabled yes`.
        self.cluster = Cluster() if self.settings.cluster_enabled else None
        if self.cluster is not None:
            self.guards.hold(Guard.CLUSTER)
        # An empty keyspace counts as saved.
        self.persistence = Persistence(self.settings, self.guards, self.clock)
        self.run_id = b"%040x" % Random().getrandbits(160)
        # Identifies the history of the data to replicas.
        self.replication_id = b"%040x" % Random().getrandbits(160)
        # Clients whose outbox acknowledges writes of this turn.
        self.unlogged_clients: list[Client] = []
        self.monitors: dict[Client, None] = {}
        self.pubsub = PubSub()
        self.tracking = Tracking(
            self.keyspace, self.clients, self.bind, lambda: self.running_script is not None
        )
        self.statistics = Statistics()
        # Rates per second that INFO shows; `sample_rates` updates them.
        self.rates = {"commands": Rate(), "input": Rate(), "output": Rate()}
        # The last UUID that was generated, without its constant bits; the next one is greater.
        self.last_uuid = 0
        # The scripts, once one was loaded; the libraries of functions; the script that runs now.
        self.scripts: KeptScripts | None = None
        self.libraries: KeptLibraries | None = None
        self.running_script: RunningScript | None = None
        self.slowlog = SlowLog()
        self.startup_memory = memory_use()
        self.large_requests = SlowLog()
        self.large_replies = SlowLog()
        self.latency = LatencyMonitor()
        # Whether expired keys are removed in the background (DEBUG SET-ACTIVE-EXPIRE).
        self.active_expire = True
        # Set by DEBUG: no background work, no commands denied to scripts, no checksums.
        self.background_paused = False
        self.scripts_may_call_all = False
        self.skip_checksums = False
        # CLIENT PAUSE: when the pause ends by the monotonic clock, and whether it is for writes
        # only.
        self.paused_until_ms = 0
        self.pause_writes_only = False
        self.memory = MemoryLimit(
            self.settings, self.keyspace, self.guards, self._other_memory, self.rng
        )
        # Filled when commands are first used.
        self._by_spelling: dict[bytes, BoundCommand] = {}
        self._by_command: dict[Command, BoundCommand] = {}
        self._follow_limits()
        self.settings.on_change(
            Settings.notify_keyspace_events, KeyspaceEvents(self.keyspace, self.pubsub).follow
        )
        self.settings.on_change(Settings.tracking_table_max_keys, self.tracking.limit)
        self.settings.on_change(Settings.latency_monitor_threshold, self.latency.follow_threshold)

    def _follow_limits(self) -> None:
        """Keep the keyspace's encoding thresholds equal to the settings of the same names."""
        limits = self.keyspace.limits
        for threshold in fields(Limits):
            setting: Setting[int] = getattr(Settings, threshold.name)
            self.settings.on_change(setting, partial(setattr, limits, threshold.name))

    # --- clients --------------------------------------------------------------------------

    def new_client(self, wire: Wire) -> Client:
        """A client with the next id. It counts as connected once `admit` was called."""
        self.last_client_id += 1
        client = self._client(self.last_client_id, wire, self.users.default)
        if self.users.login_required:
            client.hold(Guard.UNAUTHENTICATED)
        return client

    def internal_client(self) -> Client:
        """A client without a connection, for work that the server does itself."""
        return self._client(0, NoWire(), self.users.internal)

    def _client(self, ident: int, wire: Wire, user: User) -> Client:
        now = self.clock.monotonic_ms()
        return Client(ident, self.keyspace.databases[0], wire, user, self.guards, now)

    def admit(self, client: Client) -> None:
        self.clients[client.id] = client

    def reset_client(self, client: Client) -> None:
        """Return the client to the state of a new connection (RESET)."""
        client.end_transaction()
        self.tracking.turn_off(client)
        self.pubsub.leave(client)
        self._stop_monitoring(client)
        client.name = b""
        client.set_reply_mode("on")
        client.no_evict = False
        client.lift(Guard.NO_TOUCH)
        client.log_in(self.users.default)
        if self.users.login_required:
            client.hold(Guard.UNAUTHENTICATED)
        client.speak(2)

    def forget(self, client: Client) -> None:
        """The client is gone: remove it from everything that refers to it."""
        self.clients.pop(client.id, None)
        self.tracking.forget(client)
        self._stop_monitoring(client)
        self.pubsub.leave(client)
        client.unwatch()
        client.transaction = None

    def monitor(self, client: Client) -> None:
        """Show this client every command that runs (MONITOR)."""
        client.monitoring = True
        self.monitors[client] = None
        self.guards.hold(Guard.MONITORED)

    def _stop_monitoring(self, client: Client) -> None:
        client.monitoring = False
        self.monitors.pop(client, None)
        self.guards.follow(Guard.MONITORED, bool(self.monitors))

    @property
    def blocked_clients(self) -> list[Client]:
        """The clients blocked by a command."""
        return [client for client in self.clients.values() if client.waiting is not None]

    def pause(self, duration_ms: int, *, writes_only: bool) -> None:
        """Hold requests back for so long. Pausing again only lengthens or tightens a pause."""
        now = self.clock.monotonic_ms()
        until_ms = now + duration_ms
        if self.paused_until_ms > now:
            until_ms = max(until_ms, self.paused_until_ms)
            writes_only = writes_only and self.pause_writes_only
        self.paused_until_ms = until_ms
        self.pause_writes_only = writes_only
        self.keyspace.expiry_paused = True
        self.guards.hold(Guard.PAUSED)

    def end_pause(self) -> None:
        self.paused_until_ms = 0
        self.keyspace.expiry_paused = False
        self.guards.lift(Guard.PAUSED)

    # --- commands -------------------------------------------------------------------------

    @property
    def spellings(self) -> dict[bytes, BoundCommand]:
        """Command names as clients spell them: the dispatcher's first lookup."""
        return self._by_spelling

    def find_command(self, argv: list[bytes]) -> BoundCommand | None:
        """The command of a request, subcommands resolved; None if it is unknown."""
        name = argv[0]
        found = commands().get(name.upper().decode("latin-1"))
        if found is None:
            return None
        if found.subcommands:
            if len(argv) > 1:
                found = found.subcommands.get(argv[1].upper().decode("latin-1"), found)
            return self.bind(found)
        bound = self.bind(found)
        if len(self._by_spelling) < _MOST_SPELLINGS:
            self._by_spelling[name] = bound
        return bound

    def bind(self, command: Command) -> BoundCommand:
        bound = self._by_command.get(command)
        if bound is None:
            self._by_command[command] = bound = BoundCommand(command)
        return bound

    @property
    def used_commands(self) -> list[BoundCommand]:
        return list(self._by_command.values())

    def note_time(self) -> None:
        """Update `coarse_ms`."""
        self.coarse_ms = self.clock.monotonic_ms()

    # --- what INFO and MEMORY tell --------------------------------------------------------

    def used_memory(self) -> int:
        """Return what is compared with `maxmemory`; without a limit, the resident memory."""
        return self.memory.used() if self.memory.limit else memory_use()

    def note_memory(self, used: int) -> int:
        """Record the memory in use; return the highest value recorded so far."""
        self.statistics.peak_memory = peak = max(self.statistics.peak_memory, used)
        return peak

    def client_memory(self) -> int:
        """Bytes that the clients take: their state, requests not yet run, replies not yet sent."""
        return sum(client.memory for client in self.clients.values())

    def _other_memory(self) -> int:
        """What counts towards `maxmemory` besides the keys."""
        interpreter = 0 if self.scripts is None else self.scripts.memory_used
        return self.client_memory() + interpreter

    @property
    def calls(self) -> int:
        """The number of commands that were run."""
        return sum(bound.stats.calls for bound in self._by_command.values())

    def sample_rates(self) -> None:
        """Update the rates per second that INFO shows; called by a timer."""
        now = self.clock.monotonic_ms()
        self.rates["commands"].sample(now, self.calls)
        self.rates["input"].sample(now, self.statistics.bytes_in)
        self.rates["output"].sample(now, self.statistics.bytes_out)

    def reset_statistics(self) -> None:
        """Reset the counters of INFO (CONFIG RESETSTAT)."""
        peak = self.statistics.peak_memory
        self.statistics = Statistics(peak_memory=peak)
        for bound in self._by_command.values():
            bound.stats.reset()
        keyspace = self.keyspace
        keyspace.hits = keyspace.misses = 0
        keyspace.expired_keys = keyspace.expired_fields = keyspace.evicted_keys = 0
        self.memory.reset_statistics()

    @property
    def uptime_seconds(self) -> int:
        return (self.clock.monotonic_ms() - self._began_ms) // 1000

    @staticmethod
    def monotonic_ns() -> int:
        """For durations, which a frozen clock must not stop."""
        return time.perf_counter_ns()
