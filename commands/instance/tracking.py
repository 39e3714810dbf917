"""Client-side caching: which clients have read which keys, and telling them of changes.

A client in the default mode is entered in the table under each key that it reads. A change of
the key removes the entry and tells the clients in it. Clients in broadcasting mode are not in
the table: at the end of a turn they are told of all changed keys with their prefixes.

The table observes the keyspace only while a client with a tracker is connected. Entries of
clients that are gone are skipped, and removed together once they are the larger part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from commands.engine.registry import Command
from commands.engine.replies import Push
from commands.instance.client import Client
from commands.instance.guards import Guard
from commands.instance.tracked_reads import Bind, Spellings, plain_reads, tracked_reads
from commands.instance.tracker import Tracker
from storage.database import Database, KeyspaceState

_CHANNEL = b"__redis__:invalidate"
# After a change of the limit, so many entries more than it were added are removed at a time.
_EVICTIONS = 100
# Below this, entries of clients that are gone are not worth a pass over the table.
_FEW_ITEMS = 1000


class _Prefix:
    """A prefix of keys: the clients that are told of them, and what they will be told next."""

    __slots__ = ("changed", "clients")

    def __init__(self) -> None:
        self.clients: dict[Client, Tracker] = {}
        # Under each key the first client that changed it, if that must not be told.
        self.changed: dict[bytes, Client | None] = {}


class Tracking:
    """Who tracks what in one instance."""

    def __init__(
        self,
        keyspace: KeyspaceState,
        clients: Mapping[int, Client],
        bind: Bind,
        is_in_script: Callable[[], bool],
    ) -> None:
        self._observers = keyspace.observers
        self._clients = clients
        self._bind = bind
        self._is_in_script = is_in_script
        # What clients run on the straight path, in each of the two modes; made when needed.
        self._reads: dict[bool, Spellings] = {}
        # IDs of clients under each key, the longest unchanged key first.
        self.table: OrderedDict[bytes, AbstractSet[int]] = OrderedDict()
        self._prefixes: dict[bytes, _Prefix] = {}
        self._trackers = 0
        # How many trackers send their messages to each client.
        self._redirections: dict[int, int] = {}
        self._max_keys = 0
        # Entries of clients that are gone.
        self._dead_items = 0
        # The numbers that INFO shows.
        self.active = 0
        self.items = 0
        # Whether `broadcast` has anything to do.
        self.has_broadcasts = False

    @property
    def keys(self) -> int:
        return len(self.table)

    @property
    def prefixes(self) -> int:
        return len(self._prefixes)

    def limit(self, max_keys: int) -> None:
        """Keep at most so many keys from now on; 0 is no limit."""
        self._max_keys = max_keys
        self._evict(_EVICTIONS)

    # --- clients ----------------------------------------------------------------------------

    def turn_on(
        self, client: Client, *, opt: str, no_loop: bool, redirect: int, prefixes: list[bytes]
    ) -> None:
        """Begin or change a client's tracking. Prefixes are added; any puts it into that mode."""
        tracker = client.tracker
        if tracker is None:
            client.tracker = tracker = Tracker(client.id)
            self._trackers += 1
            if self._trackers == 1:
                self._observers.append(self._observe)
        if not tracker.is_on:
            self.active += 1
        self._redirect(tracker.redirect, redirect)
        for prefix in prefixes:
            tracker.prefixes.add(prefix)
            self._prefixes.setdefault(prefix, _Prefix()).clients[client] = tracker
        tracker.configure(opt=opt, no_loop=no_loop, redirect=redirect)
        if opt:
            # CLIENT CACHING is about the next request, whichever that is.
            client.hold(Guard.TRACKING)
            client.straight_commands = None
        else:
            client.lift(Guard.TRACKING)
            client.straight_commands = self._straight_reads(noted=not tracker.prefixes)

    def turn_off(self, client: Client) -> None:
        tracker = client.tracker
        if tracker is None or not tracker.is_on:
            return
        self.active -= 1
        client.lift(Guard.TRACKING)
        client.straight_commands = None
        self._redirect(tracker.redirect, 0)
        for name in tracker.prefixes:
            prefix = self._prefixes[name]
            del prefix.clients[client]
            if not prefix.clients:
                del self._prefixes[name]
        tracker.turn_off()

    def _straight_reads(self, *, noted: bool) -> Spellings:
        if noted not in self._reads:
            bind = self._bind
            self._reads[noted] = tracked_reads(bind, self) if noted else plain_reads(bind)
        return self._reads[noted]

    def forget(self, client: Client) -> None:
        """The client is gone, and no longer among the clients."""
        self._redirections.pop(client.id, None)
        tracker = client.tracker
        if tracker is None:
            return
        self.turn_off(client)
        client.tracker = None
        self._trackers -= 1
        self._dead_items += tracker.items
        if not self._trackers:
            self._observers.remove(self._observe)
            self._clear()
        elif self._dead_items > max(_FEW_ITEMS, self.items // 2):
            self._remove_dead()

    def _redirect(self, before: int, now: int) -> None:
        """Keep the guard of the clients that get messages of others, among their own replies."""
        for ident, step in ((now, 1), (before, -1)):
            client = self._clients.get(ident)
            if client is None:
                continue
            number = self._redirections.get(ident, 0) + step
            if number:
                self._redirections[ident] = number
                client.hold(Guard.TRACKING_TARGET)
            else:
                self._redirections.pop(ident, None)
                client.lift(Guard.TRACKING_TARGET)

    # --- reads ------------------------------------------------------------------------------

    def remember(self, client: Client, command: Command, argv: list[bytes]) -> None:
        """A command that reads was run for a client that caches its keys: note them."""
        tracker = client.tracker
        assert tracker is not None
        table, ident, added = self.table, client.id, 0
        for place in command.key_indexes(argv):
            key = command.key_at(argv, place)
            readers = table.get(key)
            if readers is None:
                table[key] = tracker.alone
            elif ident in readers:
                continue
            elif isinstance(readers, set):
                readers.add(ident)
            else:
                table[key] = {*readers, ident}
            added += 1
        self.items += added
        tracker.items += added
        if len(table) > self._max_keys > 0:
            self._evict(added + _EVICTIONS)

    def _evict(self, most: int) -> None:
        """Remove keys above the limit, and tell those who read them that they changed."""
        table = self.table
        while len(table) > self._max_keys > 0 and most > 0:
            self._invalidate(*table.popitem(last=False))
            most -= 1

    # --- changes ----------------------------------------------------------------------------

    def _observe(self, database: Database, key: bytes, event: str | None, modified: bool) -> None:
        # As in Redis, a key stands for the keys of that name in all databases.
        if not modified:
            return
        readers = self.table.pop(key, None)
        if self._prefixes:
            self._note_for_broadcast(key)
        if readers is not None:
            self._invalidate(key, readers)

    def _invalidate(self, key: bytes, readers: AbstractSet[int]) -> None:
        self.items -= len(readers)
        payload = [key]
        for ident in readers:
            client = self._clients.get(ident)
            if client is None or client.tracker is None:
                self._dead_items -= 1
                continue
            tracker = client.tracker
            tracker.items -= 1
            # A client has deferred messages while one of its own requests runs.
            if tracker.prefixes or (tracker.no_loop and client.deferred is not None):
                continue
            if tracker.is_on:
                self._send(client, tracker, payload)

    def flushed(self) -> None:
        """All keys of a database, or of all, are gone: every client must drop all it has."""
        for client in list(self._clients.values()):
            if client.tracker is not None:
                client.tracker.items = 0
                if client.tracker.is_on:
                    self._send(client, client.tracker, None)
        self._clear()

    def _clear(self) -> None:
        self.table.clear()
        self.items = self._dead_items = 0

    def _remove_dead(self) -> None:
        alive = frozenset(ident for ident, client in self._clients.items() if client.tracker)
        for key, readers in list(self.table.items()):
            left = readers & alive
            if not left:
                del self.table[key]
            elif len(left) < len(readers):
                self.table[key] = left
        self.items -= self._dead_items
        self._dead_items = 0

    def _send(self, client: Client, tracker: Tracker, keys: list[bytes] | None) -> None:
        """Tell a client, or the one that gets its messages, that keys have changed."""
        target: Client | None = client
        if tracker.redirect:
            target = self._clients.get(tracker.redirect)
            if target is None:
                tracker.is_broken = True
                if client.resp == 3:
                    client.deliver(Push([b"tracking-redir-broken", tracker.redirect]))
                return
        assert target is not None
        if target.resp == 3:
            target.deliver(Push([b"invalidate", keys]))
        elif tracker.redirect and target.subscriptions:
            # RESP2 has no pushes, but subscribers get messages.
            target.deliver(Push([b"message", _CHANNEL, keys]))

    # --- broadcasting -----------------------------------------------------------------------

    def _note_for_broadcast(self, key: bytes) -> None:
        for name, prefix in self._prefixes.items():
            if key.startswith(name) and key not in prefix.changed:
                prefix.changed[key] = self._writer(prefix)
                self.has_broadcasts = True

    def _writer(self, prefix: _Prefix) -> Client | None:
        """The client that must not be told of the change it makes; not so in a script."""
        for client, tracker in prefix.clients.items():
            if tracker.no_loop and client.deferred is not None and not self._is_in_script():
                return client
        return None

    def broadcast(self) -> None:
        """Send what is due at the end of a turn."""
        self.has_broadcasts = False
        for _, prefix in sorted(self._prefixes.items()):
            changed, prefix.changed = prefix.changed, {}
            if not changed:
                continue
            keys = sorted(changed)
            for client, tracker in prefix.clients.items():
                told = keys
                if tracker.no_loop:
                    told = [key for key in keys if changed[key] is not client]
                if told:
                    self._send(client, tracker, told)
