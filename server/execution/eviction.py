"""Evicting keys until the memory in use is within `maxmemory`.

Every request does that before it runs, once the limit is near (`Guard.MEMORY`), for as long as
`maxmemory-eviction-tenacity` allows; the timers go on with what is left.
"""

from __future__ import annotations

from time import perf_counter_ns

from commands.instance.instance import Instance
from storage.eviction import Candidates

# How many keys are evicted between two readings of the clock.
_STEP = 8
# How many between two exact measurements, for what is not noticed at once: deadlines.
_MEASURE_EVERY = 64
# What a request may take at the tenacity up to 10, for each unit of it; above, 15 % more for each.
_UNIT_NS = 50_000
_LINEAR_TO, _GROWTH = 10, 1.15
_ANY_TIME = 1 << 62


class Eviction:
    """The evictions of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._memory = instance.memory
        self._candidates = Candidates(instance.keyspace, instance.rng)
        self._evicted = 0

    def make_room(self) -> bool:
        """Evict keys for a request; False if the limit is exceeded and no key may be evicted.

        Keys that could not be evicted in time do not count as exceeding it.
        """
        memory = self._memory
        if memory.roughly_used() <= memory.limit:
            memory.note_result(exceeded=False, over=False)
            return True
        return self.evict(_budget(self._instance.settings.maxmemory_eviction_tenacity))

    def evict(self, nanoseconds: int) -> bool:
        """Evict for about this long while over the limit; False if no key may be evicted."""
        memory, settings, keyspace = self._memory, self._instance.settings, self._instance.keyspace
        policy, samples = settings.maxmemory_policy, settings.maxmemory_samples
        choose = self._candidates.choose
        until = perf_counter_ns() + nanoseconds
        found = True
        while memory.roughly_used() > memory.limit:
            victim = None if policy == "noeviction" else choose(policy, samples)
            if victim is None:
                # Keys may have been flushed, or lost their deadlines.
                found = memory.used() <= memory.limit
                break
            keyspace.evict(*victim)
            self._evicted += 1
            if not self._evicted % _MEASURE_EVERY:
                memory.used()
            if not self._evicted % _STEP and perf_counter_ns() > until:
                break
        memory.note_result(exceeded=not found, over=memory.roughly_used() > memory.limit)
        return found


def _budget(tenacity: int) -> int:
    if tenacity >= 100:
        return _ANY_TIME
    if tenacity <= _LINEAR_TO:
        return _UNIT_NS * tenacity
    return int(_UNIT_NS * _LINEAR_TO * _GROWTH ** (tenacity - _LINEAR_TO))
