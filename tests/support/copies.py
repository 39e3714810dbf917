"""Copying all keys from one server to another."""

from __future__ import annotations

from tests.support.resp import Connection


def copy_keys(source: Connection, target: Connection, *, deadlines: bool = True) -> int:
    """Copy every key by DUMP and RESTORE, by default with its deadline; return their number."""
    keys = source("KEYS", "*")
    for key in keys:
        deadline = max(0, source("PEXPIRETIME", key)) if deadlines else 0
        reply = target("RESTORE", key, deadline, source("DUMP", key), "ABSTTL")
        assert reply == "OK", (key, reply)
    return len(keys)
