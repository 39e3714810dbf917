"""Data that no command of a family would write, under the keys that the families use.

    adversary = Adversary(rng, session)
    adversary.attack()

All choices come from the given `random.Random`. The keys that are attacked belong to one
collection of each family, which `PREPARATION` makes; `is_attacked` tells them from all others.
"""

from __future__ import annotations

import json
import random
from typing import Any

from tests.support.offline import Offline

JOB = "0000000000000000000000000000000a"
LEASED, DELAYED, WAITING, ENDED = (f"{number:032x}" for number in (0x1A, 0x1B, 0x1C, 0x1D))
CHECKPOINT = "01890a5d-ac96-774b-bcce-00000000000a"

# Makes a key of each kind that is in the tables of the modules that describe them.
PREPARATION: list[list[str]] = [
    ["CONFIG", "SET", "domain-events", "yes"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "ID", ENDED],
    ["JOB.CLAIM", "gpu", "w1", "LEASE", "1000"],
    ["JOB.COMPLETE", "gpu", ENDED, "METRICS", "{}", "WORKER", "w1"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "ID", LEASED, "ATTEMPTS", "2"],
    ["JOB.CLAIM", "gpu", "w1", "LEASE", "1000"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "ID", JOB, "TTL", "90000", "UNIQUE", "u"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "ID", DELAYED, "DELAY", "1000"],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "ID", WAITING, "AFTER", "2", JOB, DELAYED],
    ["JOB.SUBMIT", "gpu", "train", "spam", "{}", "PARENT", JOB],
    ["JOB.LOG", "gpu", LEASED, "line"],
    ["JOB.LIMIT", "gpu", "RATE", "1000", "PER", "1000"],
    ["JOB.CLAIM", "gpu", "w1", "LEASE", "1000"],
    ["JOB.SCHEDULE", "gpu", "s", "EVERY", "1000", "train", "spam", "{}"],
    ["MODEL.REGISTER", "spam", "WEIGHTS", "w", "METRICS", "{}"],
    ["MODEL.REGISTER", "spam", "PARENT", "1"],
    ["MODEL.ARCHIVE", "spam", "1"],
    ["MODEL.ALIAS", "spam", "champion", "2"],
    ["MODEL.TAG", "spam", "1", "team", "mail"],
    ["MODEL.DESCRIBE", "spam", "Finds unwanted mail."],
    ["MODEL.METRICS", "spam", "2", '{"auc":0.9}'],
    ["MODEL.REGISTER", "spam", "PIECES"],
    ["MODEL.APPEND", "spam", "3", "0", "abc"],
    ["ZADD", "redkeep:model_dropped:{spam}:0", "1", "1"],
    ["HSET", "redkeep:model_dropped_versions:{spam}:0", "1", "{}"],
    ["HSET", "redkeep:model_dropped_notes:{spam}:0", "1", "{}"],
    ["SADD", "redkeep:model_dropped_archive:{spam}:0", "1"],
    ["CP.PUT", "acme", "t", "STEP", "0", "STATE", "1", "ID", CHECKPOINT, "META", '{"a":1}'],
    ["CP.PUT", "acme", "t", "STEP", "1", "STATE", '{"a":[1]}', "PARENT", CHECKPOINT],
    ["CP.WRITES", "PUT", "acme", "t", CHECKPOINT, "task", "0", "channel", "value"],
    ["CP.PUT", "acme", "t", "STEP", "2", "BSTATE", "b", "META", '{"a":{}}', "NS", "n"],
    ["CP.PUT", "acme", "t", "STEP", "2", "BSTATE", "b", "META", '{"a":"x"}'],
    ["HSET", "redkeep:cp-work:acme:t", "copy:u", ":0"],
    ["ZADD", "redkeep:cp-trash:acme:t:5:bystep", "0", CHECKPOINT],
    ["HSET", "redkeep:cp-trash:acme:t:5:byid", CHECKPOINT, "{}"],
    ["STORE.PUT", "acme:a", "k", '{"a":1}'],
    ["STORE.PUT", "acme:a:b", "k", "v"],
    ["STORE.PUT", "acme:a", "near", '{"a":2}', "VECTOR", "abcd"],
    ["STORE.INDEX", "acme", "FIELDS", "1", "a"],
    ["QUEUE.PUSH", "q", "x"],
    ["QUEUE.PUSH", "q", "y", "PRIORITY", "3", "ID", "chosen"],
    ["QUEUE.PUSH", "q", "z", "DELAY", "1000"],
    ["QUEUE.READ", "q", "g", "c", "COUNT", "2", "LEASE", "1000"],
    ["ZADD", "redkeep:queue:{q}:dead:g", "5", "5-5"],
    ["QUEUE.HEARTBEAT", "q", "g", "d", "LEASES", "2"],
    ["QUEUE.MPUSH", "q", "MESSAGES", "2", "o1", "o2", "PRIORITY", "5", "ORDER", "k"],
    ["QUEUE.READ", "q", "g", "c", "COUNT", "2", "LEASE", "1000"],
    ["ZADD", "redkeep:queue:{q}:returned:g", "5", "5-5"],
    ["ZADD", "redkeep:queue:{q}:idle", "5", "h"],
    ["SET", "redkeep:queue:{q}:clean", "0 0-0"],
    ["ZADD", "redkeep:queue:gone:{q}:1", "1", "x"],
    ["QUEUE.CONFIG", "q", "MAXLEN", "50"],
]
# The same of other collections. Nothing in them becomes due.
OTHERS: list[list[str]] = [
    ["JOB.SUBMIT", "cpu", "train", "ham", "{}", "ID", JOB],
    ["JOB.SUBMIT", "cpu", "train", "ham", "{}", "AFTER", "1", JOB],
    ["MODEL.REGISTER", "ham"],
    ["CP.PUT", "globex", "t", "STEP", "0", "STATE", "1", "ID", CHECKPOINT],
    ["STORE.PUT", "globex:a", "k", "v"],
    ["QUEUE.PUSH", "r", "x"],
    ["XGROUP", "CREATE", "redkeep:queue:{r}:stream:0", "g", "0"],
]
_MARKS = (b"{gpu}", b"{spam}", b":acme", b"{acme", b"{q}", b"store:indexes")

_TEXTS: list[bytes] = [
    *(b"", b"{}", b"%s", b"{0}", b"{x}%d\r\n", b"\xff\xfe", b"\0", b"null", b"true", b"[]"),
    *(b"0", b"1", b"-1", b"1.5", b"01", b" 1", b"1_0", b"1e400", b"NaN", b"inf", b"-Infinity"),
    *(b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"9" * 400),
    *(b"18446744073709551615", b"-9223372036854775808", b"x" * 5000, b"[" * 2000),
    *(b'{"a":' * 900 + b"1" + b"}" * 900, b'"\\ud800"', b"[1,2", b"queued", b"running", b"train"),
    *(b"g:c", b"a:b:c", b"\\", b"\\x", b":", b"3 payload", b"@5", b"1-1", b"5-5@3", b"0-0"),
    *(b"18446744073709551615-18446744073709551615", b"99999999999999999999-0"),
    *(b"lease:" + LEASED.encode(), b"start:x", b"cancel:" + JOB.encode(), b"unblock:x"),
    *(JOB.encode(), LEASED.encode(), WAITING.encode(), CHECKPOINT.encode(), b"f" * 32),
    *(b"%s %s" % (JOB.encode(), WAITING.encode()), b"0000000000000001:" + JOB.encode()),
    *(b"d0000000000000001", b"payload", b"row", b"2", b"c", b"w1", b"task:0", b"t:x:y"),
]
_SCORES = [b"0", b"-0", b"1", b"-1", b"0.5", b"inf", b"-inf", b"1e308", b"-1e308", b"9.3e18"]
_SCORES += [b"1e300", b"5e-324", b"9007199254740993", b"1700000000000", b"1700000000500.5"]
_VALUES: list[Any] = [None, True, False, 0, 1, -1, 1.5, 2**53, 2**63, 2**64 - 1, -(2**63)]
_VALUES += ["", "{}", "%s", "queued", "running", "completed", [], {}, [[]], {"a": {}}, "x" * 3000]
_IDS = [b"1-1", b"1700000000000-0", b"18446744073709551615-18446744073709551615"]


def is_attacked(key: bytes) -> bool:
    return any(mark in key for mark in _MARKS)


class Adversary:
    """Writes with ordinary commands, as any client could."""

    def __init__(self, rng: random.Random, session: Offline) -> None:
        self._rng = rng
        self._session = session

    def attack(self) -> list[bytes]:
        """Change the value of one attacked key, or replace it; return the request."""
        rng = self._rng
        keys = sorted(key for key in self._session.database.data if is_attacked(key))
        key = rng.choice(keys or [b"redkeep:jobs:{gpu}:all"])
        if rng.random() < 0.1:
            # A key beside it, of the same kind.
            key = key.rpartition(b":")[0] + b":" + self._text()[:600]
            if not is_attacked(key):
                key += b"{q}"
        kind = self._session("TYPE", key)
        if kind == "none" or rng.random() < 0.15:
            self._session("DEL", key)
            kind = rng.choice(("none", "string", "list", "set", "zset", "hash", "stream"))
        request = self._request(key, kind)
        self._session(*request)
        return request

    def _text(self) -> bytes:
        return self._rng.choice(_TEXTS)

    def _request(self, key: bytes, kind: str) -> list[bytes]:
        rng, text = self._rng, self._text
        if kind == "string":
            return [b"SET", key, self._damaged(self._session("GET", key))]
        if kind == "list":
            return [b"RPUSH", key, text(), text()]
        if kind == "set":
            members = self._session("SMEMBERS", key)
            if members and rng.random() < 0.2:
                return [b"SREM", key, rng.choice(sorted(members))]
            return [b"SADD", key, text(), text()]
        if kind == "zset":
            members = self._session("ZRANGE", key, 0, -1)
            member = rng.choice(members) if members and rng.random() < 0.6 else text()
            return [b"ZADD", key, rng.choice(_SCORES), member]
        if kind == "hash":
            fields = sorted(self._session("HKEYS", key))
            field = rng.choice(fields) if fields and rng.random() < 0.7 else text()
            if rng.random() < 0.15:
                return [b"HDEL", key, field]
            return [b"HSET", key, field, self._damaged(self._session("HGET", key, field))]
        if kind == "stream":
            return self._to_stream(key)
        return [b"DEL", key]

    def _to_stream(self, key: bytes) -> list[bytes]:
        rng, text = self._rng, self._text
        return rng.choice(
            (
                [b"XADD", key, b"*", rng.choice((b"payload", text())), text()],
                [b"XADD", key, rng.choice(_IDS), b"payload", text()],
                [b"XSETID", key, _IDS[-1], b"ENTRIESADDED", b"9223372036854775807"],
                [b"XGROUP", b"CREATE", key, text(), b"0"],
                [b"XGROUP", b"CREATE", key, b"g", b"0", b"ENTRIESREAD", b"9223372036854775807"],
                [b"XGROUP", b"SETID", key, b"g", rng.choice((b"0", b"$", _IDS[-1]))],
                [b"XGROUP", b"DESTROY", key, b"g"],
                [b"XTRIM", key, b"MAXLEN", b"0"],
                [b"XGROUP", b"DELCONSUMER", key, b"g", b"c"],
                [b"XAUTOCLAIM", key, b"g", text(), b"0", b"0"],
            )
        )

    def _damaged(self, text: bytes | None) -> bytes:
        """Another text; often JSON with a changed member, if the text is JSON."""
        rng = self._rng
        try:
            value = json.loads(text or b"")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not value or rng.random() < 0.4:
            return self._text()
        part = value
        while inner := [name for name in part if isinstance(part[name], dict) and part[name]]:
            if rng.random() < 0.3:
                break
            part = part[rng.choice(inner)]
        name = rng.choice(list(part))
        if rng.random() < 0.2:
            del part[name]
        else:
            part[name] = rng.choice(_VALUES)
        return json.dumps(value).encode()
