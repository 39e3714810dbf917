"""Keyspace notifications: publishing what happens to keys (`notify-keyspace-events`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from commands.instance.pubsub import PubSub
from storage.database import Database, KeyspaceState

# The classes of events by their letters in the setting, as Redis assigns them.
_EVENTS = {
    "g": "del expire persist rename_from rename_to move_from move_to copy_to restore",
    "$": "set append setrange setbit incrby incrbyfloat pfadd",
    "l": "lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
    "s": "sadd srem spop sinterstore sunionstore sdiffstore",
    "h": "hset hdel hincrby hincrbyfloat hexpire hpersist hexpired",
    "z": (
        "zadd zincr zrem zpopmin zpopmax zremrangebyscore zremrangebyrank zremrangebylex "
        "zdiffstore zinterstore zunionstore zrangestore geosearchstore "
        "georadiusstore"
    ),
    "x": "expired",
    "e": "evicted",
    "t": (
        "xadd xdel xtrim xsetid xgroup-create xgroup-createconsumer xgroup-delconsumer "
        "xgroup-destroy xgroup-setid"
    ),
    "m": "keymiss",
    "n": "new",
}
# What `d` stands for: events of types that Redis does not have.
_OWN_TYPES = "d"
CLASSES: Mapping[str, str] = MappingProxyType(
    {event: letter for letter, events in _EVENTS.items() for event in events.split()}
)
# The letter A: all classes but those of misses and of new keys.
_ALL = frozenset("g$lshzxetd")


class KeyspaceEvents:
    """Publishes the events of the classes that the setting names.

    It observes the keyspace only while the setting names any, so that it costs nothing else.
    """

    def __init__(self, keyspace: KeyspaceState, pubsub: PubSub) -> None:
        self._observers = keyspace.observers
        self._pubsub = pubsub
        # The names of events that are published. A type that Redis does not have may have others.
        self._names: dict[str, bytes] = {}
        self._has_own_types = False
        self._by_key = self._by_event = False
        # Channels of events by database; the others, one per key, would be too many.
        self._channels: dict[tuple[int, bytes], bytes] = {}

    def follow(self, letters: str) -> None:
        """Publish what this value of the setting asks for."""
        classes = set(letters)
        if "A" in classes:
            classes |= _ALL
        self._by_key = "K" in classes
        self._by_event = "E" in classes
        self._names = {event: event.encode() for event in CLASSES if CLASSES[event] in classes}
        self._has_own_types = _OWN_TYPES in classes
        published = bool(self._names) or self._has_own_types
        wanted = published and (self._by_key or self._by_event)
        if wanted != (self._publish in self._observers):
            if wanted:
                self._observers.append(self._publish)
            else:
                self._observers.remove(self._publish)

    def _publish(self, database: Database, key: bytes, event: str | None, modified: bool) -> None:
        pubsub = self._pubsub
        # A change need not be an event, and without subscribers no channel is needed.
        if event is None or not (pubsub.channels or pubsub.patterns):
            return
        name = self._names.get(event)
        if name is None:
            if event in CLASSES or not self._has_own_types:
                return
            name = event.encode()
        if self._by_key:
            pubsub.publish(b"__keyspace@%d__:%b" % (database.index, key), name)
        if self._by_event:
            place = (database.index, name)
            channel = self._channels.get(place)
            if channel is None:
                channel = self._channels[place] = b"__keyevent@%d__:%b" % place
            pubsub.publish(channel, key)
