"""Encoding the data as a snapshot or as the base of a log, and writing it to a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from commands.instance.instance import COMPATIBLE_VERSION, Instance
from commands.instance.process import memory_use
from commands.scripting.functions import libraries_of
from server.persistence.files import replace_file, temporary_snapshot
from server.system.files import Files
from server.system.system import SYSTEM
from storage import rdb
from storage.aof.encoder import encode
from storage.aof.rebuild import rebuild
from storage.aof.writer import RequestWriter
from storage.copying import Copy
from storage.keyspace import Keyspace


def write_snapshot(
    instance: Instance, keyspace: Keyspace, path: Path, files: Files = SYSTEM.files
) -> int:
    """Replace the snapshot file and return its size. OSError leaves the old file."""
    temporary = temporary_snapshot(path, os.getpid())
    return replace_file(files, path, temporary, snapshot(instance, keyspace))


def snapshot(instance: Instance, keyspace: Keyspace) -> Iterator[bytes]:
    """Yield a snapshot in chunks. The keyspace must not change before the last one."""
    return _snapshot(instance, keyspace, for_log=False)


def base(instance: Instance, keyspace: Keyspace) -> Iterator[bytes]:
    """Yield the base of a log in chunks: a snapshot or requests, as the settings say."""
    if instance.settings.aof_use_rdb_preamble:
        return _snapshot(instance, keyspace, for_log=True)
    libraries = libraries_of(instance).codes()
    return (encode(requests) for requests in rebuild(keyspace, libraries))


def _snapshot(instance: Instance, keyspace: Keyspace, *, for_log: bool) -> Iterator[bytes]:
    settings = instance.settings
    return rdb.save(
        keyspace,
        _facts(instance, for_log=for_log),
        libraries=libraries_of(instance).codes(),
        compress=settings.rdbcompression,
        checksum=settings.rdbchecksum,
        idle_times=_idle_times(instance),
    )


def copy(instance: Instance, *, for_log: bool) -> Copy:
    """Return a copy of the data as it is now, which encodes a snapshot or a base in slices."""
    keyspace, settings = instance.keyspace, instance.settings
    libraries = libraries_of(instance).codes()
    if for_log and not settings.aof_use_rdb_preamble:
        requests = RequestWriter()
        for code in libraries:
            requests.add_library(code)
        return Copy(keyspace, requests)
    writer = rdb.SnapshotWriter(
        rdb.needed_version(keyspace),
        compress=settings.rdbcompression,
        checksum=settings.rdbchecksum,
    )
    writer.begin(_facts(instance, for_log=for_log))
    for code in libraries:
        writer.add_library(code)
    return Copy(keyspace, writer, idle_times=_idle_times(instance))


def _facts(instance: Instance, *, for_log: bool) -> dict[str, str | int]:
    return {
        "redis-ver": COMPATIBLE_VERSION,
        "redis-bits": 64,
        "ctime": instance.clock.now_ms() // 1000,
        "used-mem": memory_use(),
        "aof-base": int(for_log),
    }


def _idle_times(instance: Instance) -> bool:
    return "lru" in instance.settings.maxmemory_policy
