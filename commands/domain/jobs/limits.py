"""How many jobs a claim may start, by the limits of the pool and of its kinds.

A rate is counted in windows: the first start opens one, and once it is used up, nothing starts
until it is over. What was counted is in one hash, which a claim under a limit rewrites.
"""

from __future__ import annotations

from dataclasses import dataclass

from commands.domain.arguments import MOST
from commands.domain.calls import call_integer, call_values
from commands.domain.jobs.config import Limit, PoolConfig
from commands.domain.jobs.layout import Keys
from commands.domain.jobs.rows import LATEST
from commands.domain.jobs.table import JobTable
from commands.domain.numbers import stored_integer


@dataclass(slots=True)
class _Left:
    """What a limit leaves: how many starts, and the window that they are counted in."""

    limit: Limit
    starts: int
    since: int
    used: int
    # When more starts are possible, if only the rate is in the way.
    more_at: int | None


class Allowance:
    """What the limits of a pool leave for one claim."""

    def __init__(self, table: JobTable, config: PoolConfig) -> None:
        self._table = table
        kinds = list(config.limits)
        windows: list[bytes | None] = []
        if any(limit.rate for limit in config.limits.values()):
            windows = call_values(table.ctx, b"HMGET", table.keys.rates, *kinds)
        self._left = {
            kind: self._leaves(kind, config.limits[kind], window)
            for kind, window in zip(kinds, windows or [None] * len(kinds), strict=True)
        }
        self._started: set[bytes] = set()

    @property
    def any_kind(self) -> bool:
        """Whether no kind has a limit of its own."""
        return not any(self._left)

    def _leaves(self, kind: bytes, limit: Limit, window: bytes | None) -> _Left:
        now, since, used = self._table.ctx.now, 0, 0
        words = (window or b"").split(b" ")
        if limit.rate and len(words) == 2:
            opened = stored_integer(words[0], 0, LATEST)
            count = stored_integer(words[1], 0, MOST)
            # A window that begins in the future is from before the clock was set back.
            if opened is not None and count is not None and opened <= now < opened + limit.per:
                since, used = opened, count
        starts, more_at = MOST, None
        if limit.rate:
            starts = max(0, limit.rate - used)
            more_at = since + limit.per if not starts else None
        if limit.concurrency:
            free = max(0, limit.concurrency - self._running(kind))
            if not free:
                more_at = None
            starts = min(starts, free)
        return _Left(limit, starts, since, used, more_at)

    def _running(self, kind: bytes) -> int:
        keys = self._table.keys
        index = keys.running(kind) if kind else keys.by(b"status", b"running")
        return call_integer(self._table.ctx, b"ZCARD", index) - self._table.count_left(index)

    def starts(self, kind: bytes = b"") -> int:
        """How many jobs of this kind may be started; of the whole pool without a kind."""
        left = self._left.get(kind)
        return MOST if left is None else left.starts

    def take(self, kind: bytes) -> bool:
        """Count the start of one job, if it may be started."""
        if not self.starts() or not self.starts(kind):
            return False
        for scope in (b"", kind):
            left = self._left.get(scope)
            if left is not None:
                left.starts -= 1
                left.used += 1
                self._started.add(scope)
        return True

    def count_starts(self, keys: Keys) -> None:
        """Have the table note the starts that count for a rate."""
        words: list[bytes] = []
        for scope in sorted(self._started):
            left = self._left[scope]
            if left.limit.rate:
                since = left.since or self._table.ctx.now
                words += (scope, b"%d %d" % (since, min(left.used, MOST)))
        if words:
            self._table.link((b"HSET", keys.rates, *words), (b"HDEL", keys.rates, *words[::2]))

    def more_at(self) -> int | None:
        """When a rate allows more, if that is what keeps jobs from being started now."""
        moments = [left.more_at for left in self._left.values() if left.more_at is not None]
        return min(moments, default=None)
