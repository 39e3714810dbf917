"""Regular work on domain keys: leases that run out, messages that come due.

A sweep is a plain function declared with the prefix of the keys it looks after. The server
calls it on the instance's clock, for each database that holds such keys, as a client of
its own; what it does through `ctx.call` is logged like a command's. It must cost what it
acts on: find what is due through sorted sets, do a bounded part of it, and answer whether
there is more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.instance.context import Context

# How many due items a sweep should take on before it lets others have their turn.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Sweep:
    prefix: bytes
    run: Callable[[Context], bool]


_declared: list[Sweep] = []


def sweep(prefix: bytes) -> Callable[[Callable[[Context], bool]], Callable[[Context], bool]]:
    """Declare a sweep over keys with this prefix, which must be one that is kept ordered."""

    def declare(run: Callable[[Context], bool]) -> Callable[[Context], bool]:
        _declared.append(Sweep(prefix, run))
        return run

    return declare


def sweeps() -> tuple[Sweep, ...]:
    """All sweeps of the families that are loaded."""
    return tuple(_declared)
