"""Memory in the background: evictions that requests left over, and large values to be freed.

Ten times a second, for a share of the time and a slice at a time, as for expired keys.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter_ns

from commands.instance.instance import Instance
from server.execution.eviction import Eviction

_SECOND_NS = 1_000_000_000
_SLICE_NS = 1_000_000
_SHARE_PERCENT = 25


class Reclaiming:
    """The background work of one instance that gives memory back."""

    def __init__(
        self, instance: Instance, eviction: Eviction, serve_ready: Callable[[], None]
    ) -> None:
        self._instance = instance
        self._eviction = eviction
        self._serve_ready = serve_ready

    async def tick(self, let_others_run: Callable[[], Awaitable[None]]) -> None:
        """Do what there is to do, for this tick's share of the time."""
        instance = self._instance
        instance.memory.refresh()
        budget = _SECOND_NS // instance.settings.hz * _SHARE_PERCENT // 100
        while budget > 0:
            started = perf_counter_ns()
            if not self.work(_SLICE_NS):
                return
            budget -= perf_counter_ns() - started
            await let_others_run()

    def work(self, nanoseconds: int) -> bool:
        """Work for about this long; return whether there is more to do."""
        instance = self._instance
        memory, disposal = instance.memory, instance.keyspace.disposal
        until = perf_counter_ns() + nanoseconds
        if len(disposal) and not disposal.work(lambda: perf_counter_ns() > until):
            return True
        if memory.is_counting:
            memory.count(until - perf_counter_ns())
        if memory.limit and memory.used() > memory.limit:
            can_evict = self._eviction.evict(until - perf_counter_ns())
            if instance.keyspace.ready:
                self._serve_ready()
            if can_evict and memory.roughly_used() > memory.limit:
                return True
        return memory.is_counting
