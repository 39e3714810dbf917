"""Sweeps: background work on domain keys, such as expiring leases and delayed messages.

A sweep is a plain function declared with the prefix of the keys it works on. The server
calls it on the instance's clock for each such key in each database, with a context of its
own; what it does through `ctx.call` is logged like a command's. Its cost must follow what it
changes: it finds due items through sorted sets, does a bounded part of the work, and returns
whether there is more. A call for one key changes nothing that belongs to another, so a key
for which it fails can be left alone for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.instance.context import Context
from storage.database import Database

# How many due items a sweep handles before other clients get their turn.
BATCH = 100
# When to look again at something that cannot be handled.
RETRY_AFTER_MS = 60_000

Run = Callable[[Context, bytes], bool]


@dataclass(frozen=True, slots=True)
class Sweep:
    prefix: bytes
    run: Run
    # At a given time, nothing is due at keys from this one on; None if the keys do not say.
    until: Callable[[int], bytes] | None = None

    def at(self, key: bytes) -> Callable[[Context], bool]:
        """Return the work at one key."""
        return lambda ctx: self.run(ctx, key)

    def next_key(self, database: Database, now: int, after: bytes | None = None) -> bytes | None:
        """Return the first key, behind another one, at which something may be due."""
        start = self.prefix if after is None else after + b"\0"
        key = database.ordered.first(self.prefix, start=start)
        if key is None or (self.until is not None and key >= self.until(now)):
            return None
        return key


_declared: list[Sweep] = []


def sweep(prefix: bytes, *, until: Callable[[int], bytes] | None = None) -> Callable[[Run], Run]:
    """Declare a sweep over keys with this prefix, which a key layout must cover."""

    def declare(run: Run) -> Run:
        _declared.append(Sweep(prefix, run, until))
        return run

    return declare


def sweeps() -> tuple[Sweep, ...]:
    """All sweeps of the families that are loaded."""
    return tuple(_declared)
