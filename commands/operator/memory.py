"""MEMORY: the memory used by keys and by the process."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass

from commands.engine.containers import container
from commands.engine.errors import SYNTAX
from commands.engine.grammar import Integer, Key
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import OK, MapReply, Reply, Verbatim
from commands.instance.context import Context
from storage.footprints import DEADLINE, SAMPLES, key_footprint

_SPECIAL = ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]

container(
    "MEMORY", group="server", since="4.0.0", summary="Contains commands that report memory use."
)


@dataclass(slots=True)
class Usage:
    key: bytes
    samples: int = SAMPLES


@command(
    "MEMORY USAGE",
    group="server",
    since="4.0.0",
    flags="readonly",
    complexity="O(N) for N samples",
    summary="Estimates the memory used by a key and its value, in bytes.",
    arguments=[
        Key("key", "RO"),
        Integer("count", "SAMPLES", optional=True, low=0, range_message=SYNTAX),
    ],
    keys=[KeySpec("RO", index=2)],
    request=Usage,
)
def memory_usage(ctx: Context, request: Usage) -> Reply:
    value = ctx.db.peek(request.key)
    if value is None:
        return None
    deadline = 0 if ctx.db.deadline(request.key) is None else DEADLINE
    return key_footprint(request.key, value, request.samples) + deadline


@command(
    "MEMORY STATS",
    group="server",
    since="4.0.0",
    flags="",
    summary="Returns a breakdown of the memory of the process.",
    tips=_SPECIAL,
)
def memory_stats(ctx: Context, argv: list[bytes]) -> Reply:
    instance = ctx.instance
    used = instance.used_memory()
    peak = instance.note_memory(used)
    startup = min(used, instance.startup_memory)
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
        # Python's allocator has no such counters, so these equal the resident memory.
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
    summary="Reports problems with memory use.",
    tips=_SPECIAL,
)
def memory_doctor(ctx: Context, argv: list[bytes]) -> Reply:
    used = ctx.instance.used_memory()
    peak = ctx.instance.note_memory(used)
    limit = ctx.instance.settings.maxmemory
    findings = []
    if peak > used * 3 // 2:
        findings.append(
            f"The process used {peak >> 20} MB at its peak and uses {used >> 20} MB now. Python "
            "keeps freed memory for reuse, so memory use may not go back down."
        )
    if limit and used > limit:
        findings.append(f"{used >> 20} MB are used and maxmemory is {limit >> 20} MB.")
    biggest = max((len(client.outbox) for client in ctx.instance.clients.values()), default=0)
    if biggest > 10000:
        findings.append(
            "A client does not read its replies. Find it in CLIENT LIST by a large omem."
        )
    text = "\n".join(findings) or "No memory problems found."
    return Verbatim(text.encode() + b"\n")


@command(
    "MEMORY PURGE",
    group="server",
    since="4.0.0",
    flags="loading",
    complexity="O(N) for N objects",
    summary="Runs a garbage collection.",
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
    summary="Returns counters of Python's memory allocator and garbage collector.",
    tips=_SPECIAL,
)
def memory_malloc_stats(ctx: Context, argv: list[bytes]) -> Reply:
    lines = [f"blocks in use: {sys.getallocatedblocks()}"]
    for generation, counters in enumerate(gc.get_stats()):
        shown = ", ".join(f"{name} {count}" for name, count in counters.items())
        lines.append(f"generation {generation}: {shown}")
    return Verbatim("\n".join(lines).encode() + b"\n")
