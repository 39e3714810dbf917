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
        self._classes: frozenset[str] = frozenset()
        self._by_key = self._by_event = False

    def follow(self, letters: str) -> None:
        """Publish what this value of the setting asks for."""
        classes = set(letters)
        if "A" in classes:
            classes |= _ALL
        self._by_key = "K" in classes
        self._by_event = "E" in classes
        self._classes = frozenset(classes - set("AKE"))
        wanted = bool(self._classes) and (self._by_key or self._by_event)
        if wanted != (self._publish in self._observers):
            if wanted:
                self._observers.append(self._publish)
            else:
                self._observers.remove(self._publish)

    def _publish(self, database: Database, key: bytes, event: str | None, modified: bool) -> None:
        pubsub = self._pubsub
        # A change need not be an event, and without subscribers no names are needed.
        if event is None or not (pubsub.channels or pubsub.patterns):
            return
        if CLASSES.get(event, _OWN_TYPES) not in self._classes:
            return
        name = event.encode()
        if self._by_key:
            pubsub.publish(b"__keyspace@%d__:%b" % (database.index, key), name)
        if self._by_event:
            pubsub.publish(b"__keyevent@%d__:%b" % (database.index, name), key)
