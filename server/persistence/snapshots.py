"""Writing the data as a snapshot, or as the base of a log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import copy as shallow
from pathlib import Path

from commands.state.instance import COMPATIBLE_VERSION, Instance
from commands.state.process import memory_use
from server.persistence.files import replace_file, write_file
from storage import rdb
from storage.aof.encoder import encode
from storage.aof.rebuild import rebuild
from storage.keyspace import Keyspace


def temporary_snapshot(path: Path, pid: int) -> Path:
    """Under which name a process writes a snapshot until it is whole."""
    return path.with_name(f"temp-{pid}.rdb")


def write_snapshot(instance: Instance, keyspace: Keyspace, path: Path) -> int:
    """Replace the snapshot file; OSError leaves the old one. How many bytes it has."""
    return replace_file(
        path, temporary_snapshot(path, os.getpid()), snapshot(instance, keyspace, for_log=False)
    )


def write_base(instance: Instance, keyspace: Keyspace, path: Path) -> int:
    """Write what a log begins with, as snapshot or as requests, into a new file."""
    if instance.settings["aof-use-rdb-preamble"]:
        return write_file(path, snapshot(instance, keyspace, for_log=True))
    return write_file(path, (encode(requests) for requests in rebuild(keyspace)))


def snapshot(instance: Instance, keyspace: Keyspace, *, for_log: bool) -> Iterator[bytes]:
    settings = instance.settings
    facts: dict[str, str | int] = {
        "redis-ver": COMPATIBLE_VERSION,
        "redis-bits": 64,
        "ctime": instance.clock.now_ms() // 1000,
        "used-mem": memory_use(),
        "aof-base": int(for_log),
    }
    return rdb.save(
        keyspace,
        facts,
        compress=settings["rdbcompression"],
        checksum=settings["rdbchecksum"],
        idle_times="lru" in settings["maxmemory-policy"],
    )


def detached(keyspace: Keyspace) -> Keyspace:
    """The data as it is at this moment, to be written where no process can be forked.

    Strings that are never modified in place, which is most of what there is, are shared.
    """
    copied = Keyspace(keyspace.clock, len(keyspace.databases))
    copied.now = keyspace.now
    for database, twin in zip(keyspace.databases, copied.databases, strict=True):
        twin.data = {
            key: value if value.__class__ is bytes else _copied(value)
            for key, value in database.data.items()
        }
        twin.expires = shallow(database.expires)
        twin.accessed = dict(database.accessed)
    return copied


def _copied(value: object) -> object:
    return bytes(value) if isinstance(value, bytearray) else value.copy()  # type: ignore[attr-defined]
