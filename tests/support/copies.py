"""All keys of one server in another: what is stored is ordinary values, or this loses it."""

from __future__ import annotations

from tests.support.resp import Connection


def copy_keys(source: Connection, target: Connection, *, deadlines: bool = True) -> int:
    """Carry every key over, value by value, and mostly with its deadline; how many there were."""
    keys = source("KEYS", "*")
    for key in keys:
        deadline = max(0, source("PEXPIRETIME", key)) if deadlines else 0
        reply = target("RESTORE", key, deadline, source("DUMP", key), "ABSTTL")
        assert reply == "OK", (key, reply)
    return len(keys)
