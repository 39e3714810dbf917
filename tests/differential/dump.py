"""All data of a server, read with ordinary commands.

A dump is a dict of (database, key, aspect) to reply, so that a difference names its key. Times
are left out or compared with some tolerance.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.differential.compare import equal_encodings, equal_in_any_order, equal_within, timeless
from tests.support.resp import Connection

Dump = dict[tuple[Any, ...], Any]

_CONTENTS: dict[str, tuple[Any, ...]] = {
    "string": ("GET",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "hash": ("HGETALL",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "stream": ("XINFO STREAM", "FULL", "COUNT", 0),
}
_TTL_SLACK_MS = 3000


class Expiry(int):
    """A deadline in Unix milliseconds: equal within the time that a script takes."""


class Unordered(list[Any]):
    """Contents without a defined order."""


def dump(connection: Connection, databases: Iterable[int]) -> Dump:
    """Return all data of these databases."""
    found: Dump = {}
    for index in databases:
        keys = connection.pipeline([("SELECT", index), ("KEYS", "*")])[1]
        if isinstance(keys, list):
            for key in keys:
                _dump_key(connection, index, key, found)
    return found


def _dump_key(connection: Connection, index: int, key: bytes, found: Dump) -> None:
    kind, encoding, expiry = connection.pipeline(
        [("TYPE", key), ("OBJECT", "ENCODING", key), ("PEXPIRETIME", key)]
    )
    found[index, key, "type"] = kind
    found[index, key, "encoding"] = encoding
    found[index, key, "expiry"] = Expiry(expiry)
    if kind not in _CONTENTS:
        return
    name, *rest = _CONTENTS[kind]
    contents = connection(*name.split(" "), key, *rest)
    if kind == "stream":
        contents = timeless(contents)
    elif kind == "set" or kind == "hash":
        contents = Unordered(_couples(contents) if kind == "hash" else contents)
    found[index, key, "contents"] = contents
    if kind == "hash":
        fields = connection("HKEYS", key)
        times = connection("HPEXPIRETIME", key, "FIELDS", len(fields), *fields)
        if isinstance(times, list):
            for field, time in zip(fields, times, strict=True):
                if time != -1:
                    found[index, key, "field expiry", field] = Expiry(time)


def dumps_agree(ours: Any, theirs: Any) -> bool:
    """Return whether two entries of dumps are equal."""
    if isinstance(ours, Expiry) and isinstance(theirs, Expiry):
        return equal_within(_TTL_SLACK_MS)(int(ours), int(theirs))
    if isinstance(ours, Unordered) and isinstance(theirs, Unordered):
        return equal_in_any_order(list(ours), list(theirs))
    # Valkey embeds longer strings than Redis; the limit of Redis is tested in the cases.
    return equal_encodings(ours, theirs) or (ours == b"raw" and theirs == b"embstr")


def _couples(flat: list[Any]) -> list[Any]:
    return [flat[at : at + 2] for at in range(0, len(flat), 2)]
