"""What happens without being asked: timers on the instance's clock.

`Timers.run` is one Trio task. It sleeps until the next moment something may be due, or
until it is told that this moment has changed: a client began to wait for less long, the
clock was moved, the pace was set. With a frozen clock it sleeps until it is told.
"""

from __future__ import annotations

import logging
from time import perf_counter_ns

import trio

from commands.engine.sweeps import Sweep, sweeps
from server.net.turns import Service
from storage.keyspace import Database

logger = logging.getLogger("redkeep")

# A slice of expiry work between two looks at the sockets, and how many keys are looked at
# between two looks at the time.
_SLICE_NS = 2_000_000
_KEYS_PER_STEP = 64
# A sweep may take this share of the time, growing with active-expire-effort.
_SHARE_PERCENT = 25


class Timers:
    """Blocking timeouts, expiry sweeps and client checks of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._instance = service.instance
        self._wake = trio.Event()
        self._jumped = False
        # The moment (epoch ms) the task sleeps until, as far as waiting clients go.
        self._armed_for: int | None = None
        service.after_turn = self._check_armed
        self._instance.clock.on_jump(self._clock_jumped)

    def _clock_jumped(self) -> None:
        self._jumped = True
        self._wake.set()

    def _check_armed(self) -> None:
        soonest = self._service.dispatcher.blocking.next_deadline()
        if soonest is not None and (self._armed_for is None or soonest < self._armed_for):
            self._wake.set()

    async def run(self) -> None:
        blocking = self._service.dispatcher.blocking
        clock = self._instance.clock
        next_tick = trio.current_time()
        while True:
            self._armed_for = soonest = blocking.next_deadline()
            sleep = next_tick - trio.current_time()
            if soonest is not None and not clock.frozen:
                sleep = min(sleep, (soonest - clock.now_ms()) / 1000)
            with trio.move_on_after(max(0.0, sleep)):
                await self._wake.wait()
            if self._wake.is_set():
                self._wake = trio.Event()
            self._service.begin_turn()
            blocking.time_out()
            if self._jumped or trio.current_time() >= next_tick:
                self._jumped = False
                if not self._instance.background_paused:
                    await self.tick()
                next_tick = trio.current_time() + 1 / self._instance.settings["hz"]
            self._service.end_turn()

    async def tick(self) -> None:
        """One round of regular work."""
        self._service.check_clients()
        self._service.keeper.tick()
        # Settings may have changed what they wait for.
        self._service.dispatcher.blocking.serve_disk()
        if self._instance.persistence.load is not None:
            return
        self._instance.sample_rates()
        if self._instance.active_expire and not self._instance.keyspace.expiry_paused:
            await self._sweep()
        await self._run_sweeps()

    async def _run_sweeps(self) -> None:
        """Let the domain families do what is due; a batch at a time, others in between."""
        databases = [db for db in self._instance.keyspace.databases if db.ordered]
        for database in databases:
            for sweep in sweeps():
                if database.ordered.first(sweep.prefix, start=sweep.prefix) is None:
                    continue
                while self._sweep_once(database, sweep):
                    self._service.end_turn()
                    await trio.lowlevel.checkpoint()
                    self._service.begin_turn()

    def _sweep_once(self, database: Database, sweep: Sweep) -> bool:
        try:
            return self._service.dispatcher.run_sweep(database, sweep.run)
        except Exception:
            # One family's fault must not end the timers of all.
            logger.exception("Regular work on %s failed", sweep.prefix.decode())
            return False

    async def _sweep(self) -> None:
        """Remove expired keys, a slice at a time, within the share of this round."""
        settings = self._instance.settings
        share = _SHARE_PERCENT + 2 * (settings["active-expire-effort"] - 1)
        budget = 1_000_000_000 // settings["hz"] * share // 100
        keyspace = self._instance.keyspace
        while budget > 0:
            started = perf_counter_ns()
            while keyspace.sweep_expired(_KEYS_PER_STEP) is not None:
                if perf_counter_ns() - started > _SLICE_NS:
                    break
            else:
                return
            if keyspace.ready:
                self._service.dispatcher.blocking.serve()
            self._service.end_turn()
            budget -= perf_counter_ns() - started
            await trio.lowlevel.checkpoint()
            self._service.begin_turn()
