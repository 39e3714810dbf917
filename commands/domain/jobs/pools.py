"""JOB.*: whole pools: pausing them, limits, what they keep, and their names."""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import Count, Milliseconds
from commands.domain.calls import call_integer, write
from commands.domain.jobs.arguments import POOL, kind_word
from commands.domain.jobs.config import (
    MOST_LIMITS,
    PAUSED,
    RETAIN_COUNT,
    RETAIN_MS,
    Limit,
    limit_field,
    read_config,
    read_retention,
)
from commands.domain.jobs.layout import AGENDA, INDEX_PREFIX, RETAIN, Keys
from commands.domain.jobs.waking import waking_calls
from commands.domain.pages import END, LARGEST_PAGE, NAME, PAGE, PAGE_SIZE, name_cursor
from commands.engine.errors import CommandError
from commands.engine.grammar import String
from commands.engine.registry import command
from commands.engine.replies import OK, Reply
from commands.instance.context import Context


@dataclass(slots=True)
class Pool:
    pool: bytes


@command(
    "JOB.PAUSE",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    summary="Keeps the jobs of a pool from being claimed.",
    arguments=[POOL],
    request=Pool,
)
def job_pause(ctx: Context, request: Pool) -> Reply:
    """Returns 1, or 0 if the pool was paused already. Running jobs go on, and jobs can be
    submitted. `JOB.CLAIM` finds nothing until `JOB.RESUME`.

        > JOB.PAUSE gpu
        (integer) 1
        > JOB.CLAIM gpu w1
        (nil)
    """
    keys = Keys(request.pool)
    if read_config(ctx, keys).paused:
        return 0
    write(ctx, b"HSET", keys.config, PAUSED, b"1")
    return 1


@command(
    "JOB.RESUME",
    group="job",
    since="0.1.0",
    flags="write",
    summary="Lets the jobs of a paused pool be claimed again.",
    arguments=[POOL],
    request=Pool,
)
def job_resume(ctx: Context, request: Pool) -> Reply:
    """Returns 1, or 0 if the pool was not paused. Workers that wait are served.

    > JOB.RESUME gpu
    (integer) 1
    """
    keys = Keys(request.pool)
    if not read_config(ctx, keys).paused:
        return 0
    wake = waking_calls(ctx, keys)
    write(ctx, b"HDEL", keys.config, PAUSED)
    for words in wake:
        write(ctx, *words)
    return 1


@dataclass(slots=True)
class SetLimit:
    pool: bytes
    kind: bytes = b""
    rate: int = 0
    per: int = 0
    concurrency: int = 0


@command(
    "JOB.LIMIT",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    summary="Limits how many jobs of a pool or a kind are started or run.",
    arguments=[
        POOL,
        String("kind", "KIND", optional=True, convert=kind_word),
        Count("rate", "RATE"),
        Milliseconds("per", "PER"),
        Count("concurrency", "CONCURRENCY"),
    ],
    request=SetLimit,
)
def job_limit(ctx: Context, request: SetLimit) -> Reply:
    """Replaces the limit of the pool or, with `KIND`, of one kind; with neither `RATE` nor
    `CONCURRENCY` it is removed. `RATE n PER ms` lets up to `n` jobs be started in a window of
    so many milliseconds, which the first start opens. `CONCURRENCY n` lets up to `n` run at a
    time. `JOB.CLAIM` obeys the limits of the pool and of the kind. Up to 100 kinds can have one.

        > JOB.LIMIT gpu RATE 100 PER 60000 CONCURRENCY 8
        OK
        > JOB.LIMIT gpu
        OK
    """
    if bool(request.rate) != bool(request.per):
        raise CommandError("ERR RATE and PER must be given together")
    keys = Keys(request.pool)
    config, name = read_config(ctx, keys), limit_field(request.kind)
    limit = Limit(request.rate, request.per, request.concurrency)
    is_new = limit != Limit() and request.kind and request.kind not in config.limits
    if is_new and sum(map(bool, config.limits)) >= MOST_LIMITS:
        raise CommandError(f"ERR only {MOST_LIMITS} kinds of a pool can have a limit")
    wake = waking_calls(ctx, keys)
    if limit == Limit():
        write(ctx, b"HDEL", keys.config, name)
    else:
        write(ctx, b"HSET", keys.config, name, limit.encode())
    for words in wake:
        write(ctx, *words)
    return OK


@dataclass(slots=True)
class Retain:
    pool: bytes
    count: int | None = None
    age: int | None = None


@command(
    "JOB.RETAIN",
    group="job",
    since="0.1.0",
    flags="write denyoom",
    summary="Sets how many ended jobs a pool keeps, and for how long.",
    arguments=[POOL, Count("count", "COUNT", low=0), Milliseconds("age", "AGE", low=0)],
    request=Retain,
)
def job_retain(ctx: Context, request: Retain) -> Reply:
    """Returns what the pool keeps now: `count`, the number of ended jobs (the newest), and
    `age_ms`, the time after which an ended job is removed. 0 is for any number and for ever.
    Without options nothing is changed; the defaults are the settings `job-retain-count` and
    `job-retain-ms`. Jobs are removed within a minute, a part at a time.

        > JOB.RETAIN gpu COUNT 5000
        1) "count"
        2) (integer) 5000
        3) "age_ms"
        4) (integer) 2592000000
    """
    keys = Keys(request.pool)
    count, age = read_retention(ctx, keys)
    entry = AGENDA.entry(ctx, request.pool, keys.next)
    has_jobs = call_integer(ctx, b"EXISTS", keys.all)
    given: list[bytes] = []
    if request.count is not None:
        count = request.count
        given += (RETAIN_COUNT, b"%d" % count)
    if request.age is not None:
        age = request.age
        given += (RETAIN_MS, b"%d" % age)
    if given:
        write(ctx, b"HSET", keys.config, *given)
        if has_jobs:
            write(ctx, b"ZADD", keys.due, b"%d" % ctx.now, RETAIN)
            entry.plan(ctx, ctx.now)
    return {b"count": count, b"age_ms": age}


@dataclass(slots=True)
class Pools:
    cursor: bytes | None = None
    count: int = PAGE_SIZE


@command(
    "JOB.POOLS",
    group="job",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*log(N)) for M returned pools and N keys.",
    summary="Lists the names of pools, a page at a time.",
    arguments=[NAME, PAGE],
    request=Pools,
)
def job_pools(ctx: Context, request: Pools) -> Reply:
    """Returns a cursor and an array of names: of pools that have jobs, schedules, limits or
    anything else that was set. Pass the cursor to the next call until it is 0.

        > JOB.POOLS
        1) "0"
        2) 1) "gpu"
           2) "mail"
    """
    names: list[bytes] = []
    start = INDEX_PREFIX if request.cursor is None else _behind(request.cursor)
    most = min(request.count, LARGEST_PAGE)
    while (key := ctx.db.ordered.first(INDEX_PREFIX, start=start)) is not None:
        if len(names) == most:
            return [name_cursor(names[-1]), names]
        name, end, _ = key[len(INDEX_PREFIX) :].partition(b"}:")
        if not end:
            # Another client's key, which has the prefix and not the form.
            start = key + b"\0"
            continue
        names.append(name)
        start = _behind(name)
    return [END, names]


def _behind(pool: bytes) -> bytes:
    """A place in the order of keys behind all keys of a pool."""
    return b"%b%b};" % (INDEX_PREFIX, pool)
