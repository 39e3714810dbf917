"""Background work: timers on the instance's clock.

`Timers.run` is one Trio task. It sleeps until the next moment something may be due, or
until the alarm tells it that this moment has changed. With a frozen clock it sleeps until
the alarm rings.
"""

from __future__ import annotations

from time import perf_counter_ns

import trio

from commands.instance.instance import Instance
from server.alarm import Alarm
from server.execution.blocking import Blocking
from server.execution.dispatch import Dispatcher
from server.execution.eviction import Eviction
from server.net.connections import Connections
from server.net.turns import Turns
from server.patrolling import Patrolling
from server.persistence.keeper import Keeper
from server.reclaiming import Reclaiming
from server.sweeping import Sweeping

# The length of a slice of expiry work, after which other clients get their turn, and how
# many keys are examined between two readings of the clock.
_SLICE_NS = 2_000_000
_KEYS_PER_STEP = 64
# The share of the time that expiry may take; it grows with active-expire-effort.
_SHARE_PERCENT = 25


class Timers:
    """Blocking timeouts, expiry, sweeps and client checks of one instance."""

    def __init__(
        self,
        instance: Instance,
        alarm: Alarm,
        turns: Turns,
        dispatcher: Dispatcher,
        blocking: Blocking,
        connections: Connections,
        keeper: Keeper,
        eviction: Eviction,
    ) -> None:
        self._instance = instance
        self._alarm = alarm
        self._turns = turns
        self._dispatcher = dispatcher
        self._blocking = blocking
        self._connections = connections
        self._keeper = keeper
        self._sweeping = Sweeping(instance, dispatcher.run_sweep)
        self._patrolling = Patrolling(instance, dispatcher.run_sweep)
        self._reclaiming = Reclaiming(instance, eviction, dispatcher.serve_ready)
        # The clock was moved: do the background work at once.
        self._jumped = False
        instance.clock.on_jump(self._clock_jumped)

    def _clock_jumped(self) -> None:
        self._jumped = True
        self._alarm.ring()

    async def run(self) -> None:
        blocking, instance = self._blocking, self._instance
        clock = instance.clock
        next_tick = trio.current_time()
        while True:
            soonest = blocking.next_deadline()
            seconds = next_tick - trio.current_time()
            if soonest is not None and not clock.frozen:
                seconds = min(seconds, (soonest - clock.monotonic_ms()) / 1000)
            await self._alarm.sleep(seconds, armed_for=soonest)
            self._turns.begin()
            blocking.time_out()
            self._dispatcher.repeat_waiting()
            blocking.serve_disk()
            if self._jumped or trio.current_time() >= next_tick:
                self._jumped = False
                if not instance.background_paused:
                    await self.tick()
                next_tick = trio.current_time() + 1 / instance.settings.hz
            self._turns.end()

    async def tick(self) -> None:
        """One round of background work."""
        self._instance.note_time()
        self._connections.check()
        self._keeper.tick()
        # Settings may have changed what these clients wait for.
        self._blocking.serve_disk()
        if self._instance.persistence.load is not None:
            return
        self._instance.sample_rates()
        await self._reclaiming.tick(self._let_others_run)
        if self._instance.active_expire and not self._instance.keyspace.expiry_paused:
            await self._expire()
        await self._sweeping.tick(self._let_others_run)
        self._patrolling.tick()

    async def _expire(self) -> None:
        """Remove expired keys, a slice at a time, within the share of this round."""
        settings = self._instance.settings
        share = _SHARE_PERCENT + 2 * (settings.active_expire_effort - 1)
        budget = 1_000_000_000 // settings.hz * share // 100
        keyspace = self._instance.keyspace
        while budget > 0:
            started = perf_counter_ns()
            while keyspace.sweep_expired(_KEYS_PER_STEP) is not None:
                if perf_counter_ns() - started > _SLICE_NS:
                    break
            else:
                return
            if keyspace.ready:
                self._dispatcher.serve_ready()
            budget -= perf_counter_ns() - started
            await self._let_others_run()

    async def _let_others_run(self) -> None:
        self._turns.end()
        await trio.lowlevel.checkpoint()
        self._turns.begin()
