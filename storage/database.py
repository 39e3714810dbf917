"""`Database`: all access to the keys of one numbered database.

Every read and write of a key goes through the methods here, because they maintain what
no command may forget:

- *expiry*: a key past its deadline does not exist, and is removed when a command meets it;
- *change*: a write is dirty, fails transactions that watch the key, wakes clients blocked on
  it, and is reported to the observers (notifications, tracking, log, derived data);
- *statistics*: hits, misses and idle times.

Values are `bytes` (a string as it was set), `bytearray` (a string that was modified in place,
which Redis calls "raw"), and the classes of `storage.values`. Handlers may mutate a value they
fetched (or one they read, after `will_change`), and must then call `changed` or `finish_change`.
A database never holds an empty collection: `finish_change` removes it.

`keyspace.now` does not change while a command runs: the dispatcher sets it before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, TypeVar

from storage.deadlines import Deadlines
from storage.disposal import Disposal
from storage.errors import WrongType
from storage.journal import Journal
from storage.key_index import NO_PLACES, KeyIndex, Place
from storage.listeners import Copying, Watcher
from storage.scan_order import ScanOrder
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.types import Collection, Value

C = TypeVar("C", bound=Collection)

# (database, key, event if it has one, whether the key was modified or the event only informs)
Observer = Callable[["Database", bytes, str | None, bool], None]


class KeyspaceState:
    """What the databases of an instance share: the part of `Keyspace` that they need."""

    def __init__(
        self,
        now: int,
        ordered_prefixes: tuple[bytes, ...] = (),
        key_places: Mapping[bytes, Place] = NO_PLACES,
    ) -> None:
        self.now = now
        # Keys that begin with one of these can be read in order; see `key_index`.
        self.ordered_prefixes = ordered_prefixes
        self.key_places = key_places
        self.limits = Limits()
        self.dirty = self.hits = self.misses = 0
        self.expired_keys = self.expired_fields = self.evicted_keys = 0
        # Changed keys that clients are blocked on, in the order of the changes.
        self.ready: list[tuple[Database, bytes]] = []
        self.observers: list[Observer] = []
        # Records writes for the log and for replicas; None while nothing needs them.
        self.journal: Journal | None = None
        # The copy in progress, which must see values before they are changed in place.
        self.copying: Copying | None = None
        # While set, keys past their deadline are hidden but not removed, which is a write.
        self.expiry_paused = False
        # While set, reads do not update access times (CLIENT NO-TOUCH, introspection).
        self.no_touch = False
        self.disposal = Disposal()
        # For access times or, under an LFU policy, for frequencies.
        self.make_accessed: Callable[[], dict[bytes, int]] = dict


class Database:
    """One numbered database."""

    __slots__ = (
        "accessed",
        "awaited",
        "data",
        "derived",
        "expires",
        "field_expires",
        "index",
        "keyspace",
        "order",
        "ordered",
        "watched",
    )

    def __init__(self, keyspace: KeyspaceState, index: int) -> None:
        self.keyspace = keyspace
        self.index = index
        self.data: dict[bytes, Value] = {}
        self.expires = Deadlines()
        # Hashes with per-field deadlines, each under the earliest of them.
        self.field_expires = Deadlines()
        self.order = ScanOrder()
        self.ordered = KeyIndex(keyspace.ordered_prefixes, keyspace.key_places)
        # What was computed from the keys: an object per class. Flushing and loading drop it.
        self.derived: dict[type, object] = {}
        # When each key was last touched, in epoch ms: one int object for all keys of a turn.
        self.accessed: dict[bytes, int] = keyspace.make_accessed()
        self.watched: dict[bytes, set[Watcher]] = {}
        self.awaited: dict[bytes, int] = {}  # how many clients are blocked on each key

    def __len__(self) -> int:
        return len(self.data)

    # --- reading ----------------------------------------------------------------------

    def peek(self, key: bytes) -> Value | None:
        """Return the live value without counting a hit or miss and without touching it."""
        value = self.data.get(key)
        if value is None:
            return None
        expires = self.expires
        if expires and key in expires and expires[key] < self.keyspace.now:
            return None
        if value.__class__ is Hash and value.deadlines:
            self.purge_fields(key)
            return self.data.get(key)
        return value

    def read(self, key: bytes) -> Value | None:
        """Return the live value for a command that reads: count a hit or miss, and touch."""
        keyspace = self.keyspace
        value = self.data.get(key)
        if value is not None:
            expires = self.expires
            if expires and key in expires and expires[key] < keyspace.now:
                self.expire_now(key)
            elif value.__class__ is Hash and value.deadlines and not self.purge_fields(key):
                pass
            else:
                keyspace.hits += 1
                if not keyspace.no_touch:
                    self.accessed[key] = keyspace.now
                return value
        keyspace.misses += 1
        if keyspace.observers:
            self.notify(key, "keymiss")
        return None

    def inspect(self, key: bytes, *, silent: bool = False) -> Value | None:
        """Return the live value: count a hit or miss, which is an event or `silent`; no touch."""
        keyspace = self.keyspace
        value = self.peek(key)
        if value is not None:
            keyspace.hits += 1
            return value
        if key in self.data:
            self.expire_now(key)
        keyspace.misses += 1
        if keyspace.observers and not silent:
            self.notify(key, "keymiss")
        return None

    def read_as(self, key: bytes, kind: type[C]) -> C | None:
        """`read`, raising WrongType if the key holds another type."""
        # Any, because mypy cannot narrow a union to the class in a variable.
        value: Any = self.read(key)
        if value is None or value.__class__ is kind:
            return value
        raise WrongType

    def read_string(self, key: bytes) -> bytes | bytearray | None:
        # Repeats the body of `read` because GET takes this path.
        keyspace = self.keyspace
        value = self.data.get(key)
        if value is not None:
            expires = self.expires
            if expires and key in expires and expires[key] < keyspace.now:
                self.expire_now(key)
            else:
                keyspace.hits += 1
                if not keyspace.no_touch:
                    self.accessed[key] = keyspace.now
                if value.__class__ is bytes or value.__class__ is bytearray:
                    return value
                raise WrongType
        keyspace.misses += 1
        if keyspace.observers:
            self.notify(key, "keymiss")
        return None

    # --- reading in order to write ----------------------------------------------------

    def fetch(self, key: bytes) -> Value | None:
        """Return the live value for a command that is about to change it."""
        value = self.data.get(key)
        if value is None:
            return None
        keyspace = self.keyspace
        expires = self.expires
        if expires and key in expires and expires[key] < keyspace.now:
            self.expire_now(key)
            return None
        if value.__class__ is Hash and value.deadlines and not self.purge_fields(key):
            return None
        if keyspace.copying is not None:
            keyspace.copying.before_change(self.index, key)
        if not keyspace.no_touch:
            self.accessed[key] = keyspace.now
        return value

    def fetch_as(self, key: bytes, kind: type[C]) -> C | None:
        value: Any = self.fetch(key)
        if value is None or value.__class__ is kind:
            return value
        raise WrongType

    def fetch_string(self, key: bytes) -> bytes | bytearray | None:
        value = self.fetch(key)
        if value is None or value.__class__ is bytes or value.__class__ is bytearray:
            return value
        raise WrongType

    def fetch_buffer(self, key: bytes) -> bytearray | None:
        """Return the string to be modified in place; its encoding is raw from now on."""
        value = self.fetch_string(key)
        if isinstance(value, bytes):
            value = self.data[key] = bytearray(value)
        return value

    # --- writing ----------------------------------------------------------------------

    def store(
        self, key: bytes, value: Value, event: str | None, *, keep_ttl: bool = False, count: int = 1
    ) -> None:
        """Set the key's value, replacing any other one and (by default) its TTL."""
        data = self.data
        expires = self.expires
        if expires and key in expires and expires[key] < self.keyspace.now:
            self.expire_now(key)
        old = data.get(key)
        if old is not None:
            if old.__class__ is not bytes:
                self.keyspace.disposal.add(old)
            if expires and not keep_ttl and key in expires:
                expires.drop(key)
            if self.field_expires and key in self.field_expires:
                self.field_expires.drop(key)
            data[key] = value
        else:
            data[key] = value
            self.order.added(key, data)
            self.ordered.added(key)
            if self.keyspace.observers:
                self.notify(key, "new")
        self.accessed[key] = self.keyspace.now
        self.changed(key, event, count)

    def load(
        self, key: bytes, value: Value, deadline: int | None, accessed: int | None = None
    ) -> bool:
        """Add a key from a file without events or dirty count; False if the key exists."""
        data = self.data
        if key in data:
            return False
        data[key] = value
        keyspace = self.keyspace
        self.derived.clear()
        self.order.added(key, data)
        self.ordered.added(key)
        self.accessed[key] = keyspace.now if accessed is None else accessed
        if deadline is not None:
            self.expires.put(key, deadline, keyspace.now)
        if value.__class__ is Hash and value.deadlines:
            self.note_field_deadlines(key, value)
        return True

    def will_change(self, key: bytes) -> None:
        """Must precede changing a value in place that was read rather than fetched."""
        if self.keyspace.copying is not None:
            self.keyspace.copying.before_change(self.index, key)

    def changed(self, key: bytes, event: str | None, count: int = 1) -> None:
        """Must follow every modification; `count` is what Redis adds to dirty (0 for expiry)."""
        keyspace = self.keyspace
        keyspace.dirty += count
        if self.watched and key in self.watched:
            self._fail_watchers(key)
        if self.awaited and key in self.awaited:
            keyspace.ready.append((self, key))
        if keyspace.observers:
            for observe in keyspace.observers:
                observe(self, key, event, True)

    def finish_change(self, key: bytes, value: Value, event: str, count: int = 1) -> None:
        """`changed`, then remove the key if its collection is now empty."""
        self.changed(key, event, count)
        if not value:
            self.discard(key)
            self.notify(key, "del")

    def changed_quietly(self, key: bytes, event: str | None = None, count: int = 1) -> None:
        """Count a change of data kept beside the value, such as a stream's consumer groups.

        As in Redis it is dirty and logged, but fails no transactions and wakes no clients.
        """
        self.keyspace.dirty += count
        self.notify(key, event)

    def wake(self, key: bytes) -> None:
        """Make clients blocked on the key try again, though its value was not modified."""
        if self.awaited and key in self.awaited:
            self.keyspace.ready.append((self, key))

    def notify(self, key: bytes, event: str | None) -> None:
        """Report an event that is not (another) modification to the observers."""
        for observe in self.keyspace.observers:
            observe(self, key, event, False)

    def delete(self, key: bytes, *, even_expired: bool = False) -> bool:
        """Remove a live key (or any) as a write of its own; False if it did not exist."""
        if not (even_expired and key in self.data) and self.fetch(key) is None:
            return False
        self.keyspace.disposal.add(self.discard(key))
        self.changed(key, "del")
        return True

    def discard(self, key: bytes) -> Value | None:
        """Remove a key without reporting a change: the caller reports what happened."""
        if self.keyspace.copying is not None:
            # The value may continue to exist under another key.
            self.keyspace.copying.before_change(self.index, key)
        value = self.data.pop(key, None)
        if value is not None:
            self.ordered.removed(key)
        if self.expires:
            self.expires.drop(key)
        if self.field_expires:
            self.field_expires.drop(key)
        self.accessed.pop(key, None)
        return value

    def flush(self) -> int:
        """Remove every key and return how many there were."""
        keys = self.data
        for key in self.watched:
            if key in keys:
                self._fail_watchers(key)
        for key in self.awaited:
            if key in keys:
                self.keyspace.ready.append((self, key))
        count = len(keys)
        for table in (self.data, self.expires, self.accessed):
            self.keyspace.disposal.add(table)
        self.data = {}
        self.expires = Deadlines()
        self.field_expires = Deadlines()
        self.accessed = self.keyspace.make_accessed()
        self.derived = {}
        self.order.clear()
        self.ordered = KeyIndex(self.keyspace.ordered_prefixes, self.keyspace.key_places)
        return count

    def exchange(self, other: Database) -> None:
        """Swap contents with another database.

        Transactions that watch a key on either side fail; clients blocked on a key are woken.
        """
        for name in ("data", "expires", "field_expires", "order", "ordered", "accessed", "derived"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, theirs)
            setattr(other, name, mine)
        if self.keyspace.copying is not None:
            self.keyspace.copying.exchanged(self.index, other.index)
        for database, partner in ((self, other), (other, self)):
            for key in database.watched:
                if key in database.data or key in partner.data:
                    database._fail_watchers(key)
            for key in database.awaited:
                if key in database.data:
                    self.keyspace.ready.append((database, key))

    # --- expiry -----------------------------------------------------------------------

    def deadline(self, key: bytes) -> int | None:
        """Return when the key expires, in epoch ms; None if it does not or does not exist."""
        return self.expires.get(key)

    def expire_at(self, key: bytes, deadline: int) -> None:
        """Give a live key a deadline. The caller reports the change and its event."""
        self.expires.put(key, deadline, self.keyspace.now)

    def has_expired(self, key: bytes) -> bool:
        """Return whether the key is past its deadline, whether or not it was removed yet."""
        return self.expires.get(key, self.keyspace.now) < self.keyspace.now

    def persist(self, key: bytes) -> bool:
        """Remove the key's deadline and return whether it had one."""
        had_one = key in self.expires
        self.expires.drop(key)
        return had_one

    def expire_now(self, key: bytes) -> None:
        """Remove a key whose deadline has passed, and log and report that like a write."""
        keyspace = self.keyspace
        if keyspace.expiry_paused:
            return
        keyspace.disposal.add(self.discard(key))
        keyspace.expired_keys += 1
        self.ordered.count_expired(key)
        if keyspace.journal is not None:
            keyspace.journal.record(self.index, [[b"DEL", key]])
        self.changed(key, "expired", count=0)

    def expire_due(self, limit: int) -> None:
        """Remove up to `limit` expired keys of this database."""
        if not self.keyspace.expiry_paused:
            for key in self.expires.take_exactly_due(self.keyspace.now, limit):
                self.expire_now(key)

    def purge_fields(self, key: bytes) -> bool:
        """Remove the expired fields of a hash; False if that removed the key."""
        keyspace = self.keyspace
        value = self.data.get(key)
        if value.__class__ is not Hash or not value.deadlines:
            return value is not None
        expired = value.expired_fields(keyspace.now)
        if not expired or keyspace.expiry_paused:
            self.note_field_deadlines(key, value)
            return True
        if keyspace.copying is not None:
            keyspace.copying.before_change(self.index, key)
        for field in expired:
            value.remove(field)
        keyspace.expired_fields += len(expired)
        if keyspace.journal is not None:
            keyspace.journal.record(self.index, [[b"HDEL", key, *expired]])
        if value:
            self.note_field_deadlines(key, value)
            self.changed(key, "hexpired", count=0)
            return True
        self.discard(key)
        self.changed(key, "hexpired", count=0)
        self.notify(key, "del")
        return False

    def note_field_deadlines(self, key: bytes, value: Hash) -> None:
        """Record when the next field expires; call after changing deadlines."""
        soonest = value.next_deadline()
        if soonest is None:
            self.field_expires.drop(key)
        else:
            self.field_expires.put(key, soonest, self.keyspace.now)

    # --- iterating --------------------------------------------------------------------

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        return self.order.scan(self.data, cursor, count)

    def random_key(self, rng: Random) -> bytes | None:
        """Return a random live key, or None in an empty database."""
        while self.data:
            key = self.order.pick(self.data, rng)
            if not self.has_expired(key) or self.keyspace.expiry_paused:
                return key
            self.expire_now(key)
        return None

    def live_keys(self) -> Iterator[bytes]:
        """Return every key that has not expired, without touching or removing any."""
        now, expires = self.keyspace.now, self.expires
        if not expires:
            return iter(self.data)
        return (key for key in self.data if expires.get(key, now) >= now)

    # --- watched keys and blocked clients ---------------------------------------------

    def watch(self, key: bytes, watcher: Watcher) -> None:
        # Removing an already expired key later must not look like a change to it.
        if self.has_expired(key):
            self.expire_now(key)
        self.watched.setdefault(key, set()).add(watcher)

    def unwatch(self, key: bytes, watcher: Watcher) -> None:
        watchers = self.watched.get(key)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self.watched[key]

    def _fail_watchers(self, key: bytes) -> None:
        for watcher in self.watched.get(key, ()):
            watcher.watched_key_changed()

    def wait_for(self, key: bytes) -> None:
        """Count one more client blocked on the key: changes put it in `keyspace.ready`."""
        self.awaited[key] = self.awaited.get(key, 0) + 1

    def stop_waiting(self, key: bytes) -> None:
        left = self.awaited[key] - 1
        if left:
            self.awaited[key] = left
        else:
            del self.awaited[key]
