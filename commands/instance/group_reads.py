"""Observers of consumers that read a stream through their group.

A family that takes such a read as a sign of life (presence in queues) declares an observer
for its keys here, so that the stream commands need not know that family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from commands.instance.context import Context

# Called with the stream's key, the group and the consumer.
Observe = Callable[[Context, bytes, bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class GroupReadObserver:
    prefix: bytes
    observe: Observe


_declared: list[GroupReadObserver] = []


def group_read_observer(prefix: bytes) -> Callable[[Observe], Observe]:
    """Declare an observer of reads from streams whose keys begin with this prefix."""

    def declare(observe: Observe) -> Observe:
        _declared.append(GroupReadObserver(prefix, observe))
        return observe

    return declare


def observe_group_read(ctx: Context, key: bytes, group: bytes, consumer: bytes) -> None:
    for observer in _declared:
        if key.startswith(observer.prefix):
            observer.observe(ctx, key, group, consumer)
