"""What was set for a pool: whether it is paused, its limits, and what it keeps.

All of it is in one hash of the pool. A field that cannot be read counts as not set, so a pool
works whatever other commands wrote there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.domain.arguments import LONGEST_MS, MOST
from commands.domain.calls import call_fields, call_values
from commands.domain.jobs.layout import Keys
from commands.domain.numbers import stored_integer
from commands.instance.context import Context

PAUSED, RETAIN_COUNT, RETAIN_MS = b"paused", b"retain_count", b"retain_ms"
_LIMIT = b"limit"
# How many kinds of a pool can have limits.
MOST_LIMITS = 100


@dataclass(frozen=True, slots=True)
class Limit:
    """How often jobs are started, and how many run at a time; 0 is any number."""

    rate: int = 0
    per: int = 0
    concurrency: int = 0

    def encode(self) -> bytes:
        return b"%d %d %d" % (self.rate, self.per, self.concurrency)


@dataclass(slots=True)
class PoolConfig:
    paused: bool = False
    # By kind; under an empty kind, that of the whole pool.
    limits: dict[bytes, Limit] = field(default_factory=dict)


def limit_field(kind: bytes) -> bytes:
    return b"%b:%b" % (_LIMIT, kind)


def read_config(ctx: Context, keys: Keys) -> PoolConfig:
    """Return what claims need to know."""
    config = PoolConfig()
    for name, value in call_fields(ctx, keys.config).items():
        what, _, kind = name.partition(b":")
        if name == PAUSED:
            config.paused = True
        elif what == _LIMIT and len(config.limits) <= MOST_LIMITS:
            limit = _decode_limit(value)
            if limit is not None:
                config.limits[kind] = limit
    return config


def _decode_limit(text: bytes) -> Limit | None:
    words = text.split(b" ")
    if len(words) != 3:
        return None
    rate, per = stored_integer(words[0], 0, MOST), stored_integer(words[1], 0, LONGEST_MS)
    concurrency = stored_integer(words[2], 0, MOST)
    if rate is None or per is None or concurrency is None:
        return None
    return Limit(rate, per, concurrency)


def read_retention(ctx: Context, keys: Keys) -> tuple[int, int]:
    """How many ended jobs a pool keeps, and for how many milliseconds; 0 is any number."""
    count, age = call_values(ctx, b"HMGET", keys.config, RETAIN_COUNT, RETAIN_MS)
    settings = ctx.instance.settings
    own_count = None if count is None else stored_integer(count, 0, MOST)
    own_age = None if age is None else stored_integer(age, 0, LONGEST_MS)
    return (
        settings.job_retain_count if own_count is None else own_count,
        settings.job_retain_ms if own_age is None else own_age,
    )
