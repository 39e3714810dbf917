"""Values restored from damaged payloads: whatever RESTORE accepts must be a sound value.

`Examiner.examine(payload)` restores it, reads the value with every command of its type, and
checks that DUMP and the requests of a log reproduce it. Then it writes to it and empties it.
An internal error of the server is raised to the caller.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from commands.settings.settings import Settings
from storage.aof.rebuild import rebuild_value
from storage.values.types import type_name
from tests.storage.rdb.forms import sealed
from tests.storage.rdb.test_damage import NOW, PAYLOADS
from tests.support.damage import Damage
from tests.support.offline import Offline
from tests.support.resp import Error, Word

_VERSIONS = (1, 5, 6, 9, 10, 11, 12, 80)
BODIES = [
    (payload[:-10], int.from_bytes(payload[-10:-8], "little")) for payload in PAYLOADS.values()
]
# Settings under which other servers may have written a value, or will load it.
_SETTINGS = [
    ("list-max-listpack-size", (-2, 2, -5, 128)),
    ("hash-max-listpack-entries", (512, 1)),
    ("set-max-intset-entries", (512, 1)),
    ("set-max-listpack-entries", (128, 1)),
    ("zset-max-listpack-entries", (128, 1)),
    ("stream-node-max-entries", (100, 1)),
]

_READS_OF_ANY = [
    "OBJECT ENCODING k", "OBJECT IDLETIME k", "OBJECT FREQ k", "MEMORY USAGE k SAMPLES 0",
    "DEBUG OBJECT k", "DEBUG DIGEST-VALUE k", "DEBUG HTSTATS-KEY k", "DEBUG LISTPACK k",
    "DEBUG SDSLEN k", "DEBUG QUICKLIST k", "DEBUG DIGEST", "DUMP k", "COPY k c REPLACE",
    "RENAME c d", "DEL d", "TTL k",
]  # fmt: skip
_READS = {
    "string": [
        "GET k", "STRLEN k", "GETRANGE k 0 -1", "BITCOUNT k", "BITPOS k 1", "PFCOUNT k",
        "BITFIELD k GET u8 0", "LCS k k LEN",
    ],
    "list": ["LLEN k", "LINDEX k 0", "LINDEX k -1", "LPOS k a RANK -1", "SORT k ALPHA"],
    "set": [
        "SCARD k", "SRANDMEMBER k", "SRANDMEMBER k 3", "SRANDMEMBER k -3", "SSCAN k 0",
        "SISMEMBER k a", "SINTER k k", "SUNION k k", "SDIFF k none", "SORT k ALPHA",
        "SINTERCARD 1 k",
    ],
    "hash": [
        "HLEN k", "HKEYS k", "HVALS k", "HRANDFIELD k 3 WITHVALUES", "HSCAN k 0", "HGET k f",
        "HSTRLEN k f", "HTTL k FIELDS 1 f", "HEXISTS k g",
    ],
    "zset": [
        "ZCARD k", "ZRANGE k -inf +inf BYSCORE", "ZRANGE k - + BYLEX", "ZREVRANGE k 0 -1",
        "ZCOUNT k -inf +inf", "ZLEXCOUNT k - +", "ZRANK k a", "ZSCORE k a", "ZSCAN k 0",
        "ZRANDMEMBER k 3 WITHSCORES", "ZUNION 2 k k WITHSCORES", "ZINTER 1 k", "GEOHASH k a",
        "GEOPOS k a", "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 100 km", "SORT k ALPHA",
    ],
    "stream": [
        "XLEN k", "XREVRANGE k + -", "XINFO STREAM k", "XINFO STREAM k FULL", "XINFO GROUPS k",
        "XREAD STREAMS k 0", "XREAD STREAMS k +", "XINFO CONSUMERS k g", "XPENDING k g",
        "XPENDING k g - + 10", "XPENDING k g IDLE 1 - + 10 ann",
    ],
}  # fmt: skip
_LONG = "n" * 9000
_WRITES = {
    "string": ["APPEND k x", "SETRANGE k 3 y", "INCR k", "SETBIT k 70 1"],
    "list": [
        "LPUSH k a", "RPUSH k b", "LINSERT k BEFORE b z", "LSET k 0 new", f"LSET k -1 {_LONG}",
        "LREM k 1 b", "LMOVE k k LEFT RIGHT", "LINSERT k AFTER z zz", "LTRIM k 0 -2",
    ],
    "set": ["SADD k 5", "SADD k new", "SMOVE k k a", "SREM k 5", "SUNIONSTORE s k", "SPOP k 2"],
    "hash": [
        "HSET k f 1", "HINCRBY k f 2", "HDEL k g", "HEXPIRE k 100 FIELDS 1 f",
        "HPERSIST k FIELDS 1 f", "HINCRBYFLOAT k n 1.5",
    ],
    "zset": [
        "ZADD k 1 a", "ZINCRBY k 2 b", "ZREM k a", "ZRANGESTORE s k 0 -1", "ZPOPMIN k",
        "ZUNIONSTORE s 1 k", "ZREMRANGEBYRANK k 0 0",
    ],
    "stream": [
        "XADD k * f v", "XREADGROUP GROUP g ann COUNT 2 STREAMS k >",
        "XREADGROUP GROUP g ann STREAMS k 0", "XCLAIM k g bob 0 7-1", "XAUTOCLAIM k g bob 0 0",
        "XACK k g 7-1", "XDEL k 7-1", "XGROUP DELCONSUMER k g ann", "XGROUP CREATE k gg 0",
        "XREADGROUP GROUP gg cc STREAMS k >", "XTRIM k MAXLEN 1", "XGROUP SETID k g 0",
        "XINFO STREAM k FULL", "XGROUP DESTROY k g",
    ],
}  # fmt: skip
_POPS = {
    "list": ["LPOP k", "RPOP k", "LPOP k 2", "BRPOP k 1"],
    "set": ["SPOP k", "SPOP k 2"],
    "zset": ["ZPOPMIN k", "ZPOPMAX k 2", "BZPOPMIN k 1"],
    "stream": ["XTRIM k MAXLEN 0", "DEL k"],
    "string": ["GETDEL k"],
    "hash": ["DEL k"],
}


def damaged_payload(rng: random.Random, damage: Damage) -> bytes:
    """Return a payload with a correct checksum around damaged data."""
    body, version = rng.choice(BODIES)
    return sealed(damage.of(body), version if rng.random() < 0.9 else rng.choice(_VERSIONS))


class Unsound(AssertionError):
    """RESTORE accepted a payload that is not a sound value."""


class Examiner:
    """Restores payloads in one instance, under settings that change from time to time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._session = Offline(NOW)
        self._session.instance.settings.set(Settings.enable_debug_command, "yes")

    def change_settings(self) -> None:
        for name, values in _SETTINGS:
            assert self._run("CONFIG", "SET", name, self._rng.choice(values)) == "OK"

    def examine(self, payload: bytes) -> bool:
        """Return whether the payload is accepted; raise Unsound if it should not be."""
        try:
            if self._run("RESTORE", "k", 0, payload) != "OK":
                return False
            kind = self._run("TYPE", "k")
            # The fields of a hash may all have expired.
            if kind != "none":
                self._examine(kind)
            return True
        except Unsound:
            raise
        except Exception as error:
            raise Unsound(payload.hex()) from error
        finally:
            self._run("FLUSHALL")

    def _examine(self, kind: str) -> None:
        run = self._session
        for request in (*_READS_OF_ANY, *_READS[kind]):
            self._run(*request.split())
        self._compare_copies(kind)
        for request in _WRITES[kind]:
            self._run(*request.split())
        if run("EXISTS", "k"):
            self._compare_copies(kind)
        for _ in range(run("LLEN", "k") + 1 if kind == "list" and run("EXISTS", "k") else 1000):
            if not run("EXISTS", "k"):
                return
            self._run(*self._rng.choice(_POPS[kind]).split())
        if run("EXISTS", "k"):
            raise Unsound("popping does not empty it")

    def _run(self, *words: Word) -> Any:
        reply = self._session(*words)
        if any(not -(1 << 63) <= number < 1 << 63 for number in _integers(reply)):
            raise Unsound(f"{words}: an integer of the reply has more than 64 bits")
        return reply

    def _compare_copies(self, kind: str) -> None:
        """Compare the value with what DUMP, and a log that recreates it, restore."""
        run = self._session
        value = run.database.data[b"k"]
        if type_name(value) != kind:
            raise Unsound("the type changed")
        if run("RESTORE", "d", 0, run("DUMP", "k"), "REPLACE") != "OK":
            raise Unsound("DUMP returned a payload that RESTORE refuses")
        if self._contents(kind, "d") != self._contents(kind, "k"):
            raise Unsound("DUMP and RESTORE changed the value")
        settled = run("DUMP", "d")
        run("RESTORE", "d", 0, settled, "REPLACE")
        if run("DUMP", "d") != settled:
            raise Unsound("DUMP and RESTORE change the payload each time")
        run("DEL", "d")
        for request in rebuild_value(b"d", value):
            reply = run(*request)
            if isinstance(reply, Error):
                raise Unsound(f"a log that recreates the value fails: {request} {reply.text}")
        if self._contents(kind, "d", logged=True) != self._contents(kind, "k", logged=True):
            raise Unsound("a log recreates another value")
        run("DEL", "d")

    def _contents(self, kind: str, key: str, *, logged: bool = False) -> Any:
        run = self._session
        if kind == "string":
            return run("GET", key)
        if kind == "list":
            return run("LRANGE", key, 0, -1)
        if kind == "set":
            return sorted(run("SMEMBERS", key))
        if kind == "zset":
            return run("ZRANGE", key, 0, -1, "WITHSCORES")
        if kind == "hash":
            flat = run("HGETALL", key)
            fields = flat[::2]
            deadlines = run("HPEXPIRETIME", key, "FIELDS", len(fields), *fields) if fields else []
            return sorted(zip(fields, flat[1::2], deadlines, strict=True))
        return _stream(run, key, logged=logged)


def _stream(run: Offline, key: str, *, logged: bool) -> Any:
    """What a stream contains; with `logged`, only what requests of Redis can recreate."""
    facts = _by_name(run("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    for hidden in (b"radix-tree-keys", b"radix-tree-nodes"):
        del facts[hidden]
    entries = facts[b"entries"]
    exists = {entry_id for entry_id, _ in entries}
    groups = []
    for group in map(_by_name, facts.pop(b"groups")):
        consumers = [_by_name(consumer) for consumer in group.pop(b"consumers")]
        pending = group.pop(b"pending")
        if logged:
            del group[b"pel-count"]
            for consumer in consumers:
                for lost in (b"seen-time", b"active-time", b"pel-count", b"pending"):
                    del consumer[lost]
            # XCLAIM drops entries that were deleted, and times that have not come yet.
            pending = [
                [entry_id, owner, min(time, NOW) if time >= 0 else NOW, count]
                for entry_id, owner, time, count in pending
                if entry_id in exists
            ]
        groups.append((group, consumers, pending))
    return facts, groups


def _integers(reply: Any) -> Iterator[int]:
    if isinstance(reply, list):
        for part in reply:
            yield from _integers(part)
    elif isinstance(reply, int):
        yield reply


def _by_name(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
