"""Rounds of the sweeps that families declare (`commands/instance/sweeps.py`).

A round visits every key at which something may be due: a batch of the work of one key, then
the next key, so that none waits for the end of another's work. Other clients get their turn in
between, and a round that takes long continues at the next tick. A key at which a sweep fails
is left alone for a minute. Such failures, and records that a sweep skips because it cannot
read them, are logged at most once a minute for each sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from time import perf_counter_ns

from commands.engine.errors import CommandError
from commands.instance.context import Context
from commands.instance.instance import Instance
from commands.instance.sweeps import RETRY_AFTER_MS, Sweep, sweeps
from storage.database import Database
from storage.errors import WrongType

logger = logging.getLogger("redkeep")

_SECOND_NS = 1_000_000_000
# The length of a slice of a round, after which other clients get their turn.
_SLICE_NS = 2_000_000
# The share of the time that sweeps may take.
_SHARE_PERCENT = 25
# With more failed keys than this, all of them are tried again.
_MOST_FAILED = 10_000

RunSweep = Callable[[Database, Callable[[Context], bool]], bool]


class Sweeping:
    """The rounds of one instance."""

    def __init__(
        self, instance: Instance, run_sweep: RunSweep, declared: Sequence[Sweep] | None = None
    ) -> None:
        self._instance = instance
        self._run_sweep = run_sweep
        self._sweeps = sweeps() if declared is None else declared
        self._round: Iterator[None] | None = None
        # When a sweep failed at a key of a database, and when one last logged something.
        self._failed: dict[tuple[int, bytes], int] = {}
        self._logged: dict[bytes, int] = {}

    async def tick(self, let_others_run: Callable[[], Awaitable[None]]) -> None:
        """Begin a round or continue the last one, for this tick's share of the time."""
        budget = _SECOND_NS // self._instance.settings.hz * _SHARE_PERCENT // 100
        while True:
            started = perf_counter_ns()
            if self.work(started + _SLICE_NS):
                return
            budget -= perf_counter_ns() - started
            await let_others_run()
            if budget <= 0:
                return

    def work(self, until: int) -> bool:
        """Work on a round up to a time of `perf_counter_ns`; return whether it is complete."""
        if self._round is None:
            self._round = self._steps()
        for _ in self._round:
            if perf_counter_ns() > until:
                return False
        self._round = None
        return True

    def _steps(self) -> Iterator[None]:
        """One round, a call of a sweep at a time."""
        keyspace = self._instance.keyspace
        for index in range(len(keyspace.databases)):
            for sweep in self._sweeps:
                unfinished = []
                key = None
                # The databases may be swapped, flushed and changed between two steps.
                while key := sweep.next_key(keyspace.databases[index], keyspace.now, key):
                    if self._step(index, sweep, key):
                        unfinished.append(key)
                    yield
                while unfinished:
                    for key in unfinished.copy():
                        if not self._step(index, sweep, key):
                            unfinished.remove(key)
                        yield

    def _step(self, index: int, sweep: Sweep, key: bytes) -> bool:
        """Do a batch of the work at a key; return whether there is more."""
        if self._is_recent(self._failed.get((index, key))):
            return False
        instance = self._instance
        database = instance.keyspace.databases[index]
        skipped = instance.statistics.bad_records
        try:
            more = self._run_sweep(database, sweep.at(key))
        except (CommandError, WrongType):
            # The key holds something that is not of its family.
            instance.statistics.bad_records += 1
            self._leave_alone(index, key)
            more = False
        except Exception:
            self._leave_alone(index, key)
            if self._may_log(sweep):
                logger.exception("The sweep of key %r in database %d failed", key, index)
            return False
        if instance.statistics.bad_records != skipped and self._may_log(sweep):
            logger.warning(
                "The sweep of key %r in database %d skips records that cannot be read", key, index
            )
        return more

    def _leave_alone(self, index: int, key: bytes) -> None:
        if len(self._failed) >= _MOST_FAILED:
            self._failed.clear()
        self._failed[index, key] = self._instance.keyspace.now

    def _may_log(self, sweep: Sweep) -> bool:
        if self._is_recent(self._logged.get(sweep.prefix)):
            return False
        self._logged[sweep.prefix] = self._instance.keyspace.now
        return True

    def _is_recent(self, moment: int | None) -> bool:
        """Whether this was less than a minute ago; not if the clock was set back since."""
        return moment is not None and 0 <= self._instance.keyspace.now - moment < RETRY_AFTER_MS
