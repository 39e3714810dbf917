"""Rounds of the patrols that families declare (`commands/instance/patrols.py`).

Each tick does at least one step, and no more than fit into half a millisecond. A round visits
every key under every declared prefix; the next one begins a minute after it at the earliest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns

from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.instance.patrols import Patrol, patrols
from storage.database import Database
from storage.errors import WrongType

logger = logging.getLogger("redkeep")

_STEPS_NS = 500_000
_PAUSE_MS = 60_000

RunStep = Callable[[Database, Callable[[Context], bool]], bool]


class Patrolling:
    """The rounds of one instance."""

    def __init__(
        self, instance: Instance, run_step: RunStep, declared: Sequence[Patrol] | None = None
    ) -> None:
        self._instance = instance
        self._run_step = run_step
        self._patrols = patrols() if declared is None else declared
        self._round: Iterator[None] | None = None
        self._next_round = 0

    @property
    def in_round(self) -> bool:
        """Whether a round has begun and is not over."""
        return self._round is not None

    def tick(self) -> None:
        """Go on with the round, or begin one if it is time."""
        if self._round is None:
            if self._instance.clock.monotonic_ms() < self._next_round:
                return
            self._round = self._steps()
        until = perf_counter_ns() + _STEPS_NS
        for _ in self._round:
            if perf_counter_ns() > until:
                return
        self._round = None
        self._next_round = self._instance.clock.monotonic_ms() + _PAUSE_MS

    def _steps(self) -> Iterator[None]:
        """One round, a step at a time. The keys may change between two steps."""
        databases = self._instance.keyspace.databases
        for index in range(len(databases)):
            for one in self._patrols:
                start = one.prefix
                while (key := databases[index].ordered.first(one.prefix, start=start)) is not None:
                    position: bytes | None = b""
                    while position is not None:
                        position = self._step(databases[index], one, key, position)
                        yield
                    start = key + b"\0"

    def _step(self, database: Database, one: Patrol, key: bytes, position: bytes) -> bytes | None:
        reached: bytes | None = None

        def look(ctx: Context) -> bool:
            nonlocal reached
            reached = one.look(ctx, key, position)
            return False

        try:
            self._run_step(database, look)
        except (CommandError, WrongType):
            # The key holds something that is not of its family. Sweeps report that.
            return None
        except Exception:
            logger.exception("The patrol failed at key %r in database %d", key, database.index)
            return None
        return reached
