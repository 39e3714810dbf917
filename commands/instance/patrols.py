"""Patrols: a slow look at everything that families store, to mend what nothing else would find.

Any client can delete or edit a key that an index or an agenda refers to. A patrol is a plain
function declared with the prefix of the keys it looks at. The server calls it for each such
key in each database, one bounded step after another and always at the same small cost, however
much is stored; what it does through `ctx.call` is logged like a command's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.instance.context import Context

# How many items one step looks at.
PATROL_BATCH = 20

# Called with a key and with where the last step at this key stopped, b"" at first. Returns where
# this one stopped, or None after the last item.
Look = Callable[[Context, bytes, bytes], "bytes | None"]


@dataclass(frozen=True, slots=True)
class Patrol:
    prefix: bytes
    look: Look


_declared: list[Patrol] = []


def patrol(prefix: bytes) -> Callable[[Look], Look]:
    """Declare a patrol over keys with this prefix, which a key layout must cover."""

    def declare(look: Look) -> Look:
        _declared.append(Patrol(prefix, look))
        return look

    return declare


def patrols() -> tuple[Patrol, ...]:
    """All patrols of the families that are loaded."""
    return tuple(_declared)
