"""MEMORY: what keys and the process take."""

from __future__ import annotations

import gc
import sys
from typing import Any

from commands.engine.arguments import Arguments
from commands.engine.containers import container
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import Integer, Key
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply, Verbatim
from commands.instance.context import Context
from commands.instance.process import memory_use
from storage.database import Database
from storage.memory_usage import size_of

_SAMPLES = 5
_SPECIAL = ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]

container("MEMORY", group="server", since="4.0.0", summary="What the data takes.")


@command(
    "MEMORY USAGE",
    group="server",
    since="4.0.0",
    flags="readonly",
    complexity="O(N) where N is the number of samples",
    summary="Estimates the bytes that a key and its value take.",
    arguments=[Key("key", "RO"), Integer("count", "SAMPLES", optional=True)],
    keys=[KeySpec("RO", index=2)],
)
def memory_usage(ctx: Context, argv: list[bytes]) -> Reply:
    options = Arguments(argv, 3)
    samples = _SAMPLES
    while options:
        if not options.flag(b"SAMPLES"):
            raise CommandError(SYNTAX)
        samples = options.integer() if options else -1
        if samples < 0:
            raise CommandError(SYNTAX)
    value = ctx.db.peek(argv[2])
    if value is None:
        return None
    return _entry_size(ctx.db, argv[2]) + size_of(value, samples)


def _entry_size(database: Database, key: bytes) -> int:
    """The key, its share of the tables, and its deadline."""
    size = sys.getsizeof(key) + _slot_size(database.data) + _slot_size(database.accessed)
    if database.deadline(key) is not None:
        size += _slot_size(database.expires) + sys.getsizeof(database.deadline(key))
    return size


def _slot_size(table: dict[bytes, Any]) -> int:
    return sys.getsizeof(table) // max(1, len(table))


@command(
    "MEMORY STATS",
    group="server",
    since="4.0.0",
    flags="",
    summary="Breaks the process' memory down.",
    tips=_SPECIAL,
)
def memory_stats(ctx: Context, argv: list[bytes]) -> Reply:
    instance = ctx.instance
    used = memory_use()
    peak = instance.note_memory(used)
    startup = instance.startup_memory
    databases = [database for database in ctx.keyspace.databases if len(database)]
    tables = [
        (sys.getsizeof(database.data), sys.getsizeof(database.expires)) for database in databases
    ]
    overhead = startup + sum(main + expires for main, expires in tables)
    keys = sum(map(len, databases))
    data = max(0, used - overhead)
    rows: list[tuple[bytes, Reply]] = [
        (b"peak.allocated", peak),
        (b"total.allocated", used),
        (b"startup.allocated", startup),
        (b"replication.backlog", 0),
        (b"clients.slaves", 0),
        (b"clients.normal", instance.client_memory()),
        (b"cluster.links", 0),
        (b"aof.buffer", 0),
        (b"lua.caches", 0),
        (b"functions.caches", 0),
    ]
    for database, (main, expires) in zip(databases, tables, strict=True):
        rows.append(
            (
                b"db.%d" % database.index,
                {b"overhead.hashtable.main": main, b"overhead.hashtable.expires": expires},
            )
        )
    rows += [
        (b"overhead.total", overhead),
        (b"keys.count", keys),
        (b"keys.bytes-per-key", max(0, used - startup) // keys if keys else 0),
        (b"dataset.bytes", data),
        (b"dataset.percentage", 100.0 * data / max(1, used - startup) if used > startup else 0.0),
        (b"peak.percentage", 100.0 * used / peak),
        # There is no allocator of our own: what is in use is what is resident.
        (b"allocator.allocated", used),
        (b"allocator.active", used),
        (b"allocator.resident", used),
        (b"allocator-fragmentation.ratio", 1.0),
        (b"allocator-fragmentation.bytes", 0),
        (b"allocator-rss.ratio", 1.0),
        (b"allocator-rss.bytes", 0),
        (b"rss-overhead.ratio", 1.0),
        (b"rss-overhead.bytes", 0),
        (b"fragmentation", 1.0),
        (b"fragmentation.bytes", 0),
    ]
    return MapReply(rows)


@command(
    "MEMORY DOCTOR",
    group="server",
    since="4.0.0",
    flags="",
    summary="Says whether something about the memory looks wrong.",
    tips=_SPECIAL,
)
def memory_doctor(ctx: Context, argv: list[bytes]) -> Reply:
    used = memory_use()
    peak = ctx.instance.note_memory(used)
    limit = ctx.instance.settings.maxmemory
    findings = []
    if peak > used * 3 // 2:
        findings.append(
            f"At its peak the process held {peak >> 20} MB, now {used >> 20} MB. Python keeps "
            "memory for later use, so this need not go down again."
        )
    if limit and used > limit:
        findings.append(f"The process holds {used >> 20} MB and maxmemory is {limit >> 20} MB.")
    biggest = max((len(client.outbox) for client in ctx.instance.clients.values()), default=0)
    if biggest > 10000:
        findings.append("A client does not read its replies. CLIENT LIST shows its omem.")
    text = "\n".join(findings) or "Nothing about the memory looks wrong."
    return Verbatim(text.encode() + b"\n")


@command(
    "MEMORY PURGE",
    group="server",
    since="4.0.0",
    flags="loading",
    complexity="O(N) where N is the number of objects",
    summary="Collects garbage.",
    tips=["request_policy:all_shards", "response_policy:all_succeeded"],
)
def memory_purge(ctx: Context, argv: list[bytes]) -> Reply:
    gc.collect()
    return OK


@command(
    "MEMORY MALLOC-STATS",
    group="server",
    since="4.0.0",
    flags="loading",
    complexity="O(1)",
    summary="Shows the counters of Python's garbage collector.",
    tips=_SPECIAL,
)
def memory_malloc_stats(ctx: Context, argv: list[bytes]) -> Reply:
    lines = [f"blocks in use: {sys.getallocatedblocks()}"]
    for generation, counters in enumerate(gc.get_stats()):
        shown = ", ".join(f"{name} {count}" for name, count in counters.items())
        lines.append(f"generation {generation}: {shown}")
    return Verbatim("\n".join(lines).encode() + b"\n")
