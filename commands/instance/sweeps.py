"""Sweeps: background work on domain keys, such as expiring leases and delayed messages.

A sweep is a plain function declared with the prefix of the keys it works on. The server
calls it on the instance's clock for each database that holds such keys, with a context of
its own; what it does through `ctx.call` is logged like a command's. Its cost must follow
what it changes: it finds due items through sorted sets, does a bounded part of the work,
and returns whether there is more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.instance.context import Context

# How many due items a sweep handles before other clients get their turn.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Sweep:
    prefix: bytes
    run: Callable[[Context], bool]


_declared: list[Sweep] = []


def sweep(prefix: bytes) -> Callable[[Callable[[Context], bool]], Callable[[Context], bool]]:
    """Declare a sweep over keys with this prefix, which a key layout must cover."""

    def declare(run: Callable[[Context], bool]) -> Callable[[Context], bool]:
        _declared.append(Sweep(prefix, run))
        return run

    return declare


def sweeps() -> tuple[Sweep, ...]:
    """All sweeps of the families that are loaded."""
    return tuple(_declared)
