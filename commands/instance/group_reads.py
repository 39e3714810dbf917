"""Observers of consumers that read a stream through their group.

A family that takes such a read as a sign of life (presence in queues) declares an observer
for its keys here, so that the stream commands need not know that family. While a consumer
waits, its read runs again at the interval of the observer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from commands.instance.context import Context

# Called with the stream's key, the group and the consumer, and whether it received entries.
Observe = Callable[[Context, bytes, bytes, bytes, bool], None]
# How often to call the observer while a consumer waits, in milliseconds.
Interval = Callable[[Context], int]


@dataclass(frozen=True, slots=True)
class GroupReadObserver:
    prefix: bytes
    observe: Observe
    interval: Interval


_declared: list[GroupReadObserver] = []


def group_read_observer(prefix: bytes, interval: Interval) -> Callable[[Observe], Observe]:
    """Declare an observer of reads from streams whose keys begin with this prefix."""

    def declare(observe: Observe) -> Observe:
        _declared.append(GroupReadObserver(prefix, observe, interval))
        return observe

    return declare


def observe_group_read(
    ctx: Context, key: bytes, group: bytes, consumer: bytes, *, received: bool
) -> None:
    for observer in _declared:
        if key.startswith(observer.prefix):
            observer.observe(ctx, key, group, consumer, received)


def group_read_interval(ctx: Context, keys: Sequence[bytes]) -> int | None:
    """How often a read of these streams runs again while it waits; None if nobody observes it."""
    intervals = (
        observer.interval(ctx)
        for observer in _declared
        if any(key.startswith(observer.prefix) for key in keys)
    )
    return min(intervals, default=None)
