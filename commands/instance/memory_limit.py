"""`maxmemory`: how much memory counts towards it, and whether requests must look at it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from time import monotonic_ns, perf_counter_ns

from commands.instance.guards import CommonGuards, Guard
from commands.settings.settings import Settings
from storage.frequencies import Frequencies, Tuning
from storage.keyspace import Keyspace
from storage.ledger import Ledger

# The memory of a server without keys. That of the interpreter, which is many times as much, is
# left out: the limit is about data, and Redis itself needs about this much.
_BASE = 1 << 20
# The guard is held from this share below the limit on, and lifted at twice that.
_MARGIN_SHARE = 32
# How long CONFIG SET may count keys before the background goes on.
_FIRST_COUNT_NS = 2_000_000


class MemoryLimit:
    """The limit of one instance, and how much memory is used while there is one."""

    def __init__(
        self,
        settings: Settings,
        keyspace: Keyspace,
        guards: CommonGuards,
        other_memory: Callable[[], int],
        rng: Random,
    ) -> None:
        """`other_memory` returns what counts besides the keys; it is asked ten times a second."""
        self._settings = settings
        self._keyspace = keyspace
        self._guards = guards
        self._other_memory = other_memory
        # What counts besides the keys, as of the last `refresh`.
        self.other = 0
        self._ledger: Ledger | None = None
        # Since the keys were last measured.
        self._measured = 0
        # In bytes; 0 is no limit.
        self.limit = 0
        # Whether the last request that was checked found the limit exceeded, and no key to evict.
        self.exceeded = False
        # By the machine's clock: since when the limit is exceeded, 0 if it is not, and for how
        # long it was before.
        self._exceeded_since = 0
        self._exceeded_ns = 0
        self._tuning = Tuning()
        self._make_frequencies = partial(Frequencies, self._tuning, rng)
        settings.on_change(Settings.maxmemory, self._follow_limit)
        settings.on_change(Settings.maxmemory_policy, self._follow_policy)
        settings.on_change(Settings.lfu_log_factor, partial(setattr, self._tuning, "log_factor"))
        settings.on_change(Settings.lfu_decay_time, partial(setattr, self._tuning, "decay_minutes"))

    # --- settings -------------------------------------------------------------------------

    def _follow_limit(self, limit: int) -> None:
        self.limit = limit
        if not limit:
            if self._ledger is not None:
                self._ledger.close()
            self._ledger = None
            self.note_result(exceeded=False, over=False)
            self._guards.lift(Guard.MEMORY)
            return
        if self._ledger is None:
            self._ledger = Ledger(self._keyspace, partial(self._guards.hold, Guard.MEMORY))
        self.count(_FIRST_COUNT_NS)
        self.refresh()

    def _follow_policy(self, policy: str) -> None:
        """Count uses under an LFU policy, and date them under the others."""
        keyspace = self._keyspace
        counts = policy.endswith("lfu")
        make: Callable[[], dict[bytes, int]] = self._make_frequencies if counts else dict
        if make is keyspace.make_accessed:
            return
        keyspace.make_accessed = make
        for database in keyspace.databases:
            before = database.accessed
            database.accessed = make()
            database.accessed.update(before if counts else dict.fromkeys(before, keyspace.now))

    @property
    def counts_uses(self) -> bool:
        """Whether an LFU policy is selected."""
        return self._settings.maxmemory_policy.endswith("lfu")

    # --- memory in use --------------------------------------------------------------------

    def used(self) -> int:
        """Return the bytes that are compared with the limit; there must be one."""
        assert self._ledger is not None
        self._measured = used = _BASE + self.other + self._ledger.measure()
        self._ledger.allow(self._held_from - used)
        return used

    def roughly_used(self) -> int:
        """`used`, with what the ledger is not told at once as it was a moment ago."""
        assert self._ledger is not None
        if self._ledger.stale:
            return self.used()
        return self._measured + self._ledger.grown

    @property
    def _held_from(self) -> int:
        return self.limit - self.limit // _MARGIN_SHARE

    def refresh(self) -> None:
        """Look at everything that counts, and whether requests must be checked."""
        if self._ledger is None:
            return
        self.other = self._other_memory()
        used = self.used()
        if used > self._held_from:
            self._guards.follow(Guard.MEMORY, holds=True)
        elif used < self._held_from - self.limit // _MARGIN_SHARE:
            self.note_result(exceeded=False, over=False)
            self._guards.follow(Guard.MEMORY, holds=False)

    @property
    def is_counting(self) -> bool:
        """Whether there are keys that are not counted yet."""
        return self._ledger is not None and not self._ledger.complete

    def count(self, nanoseconds: int) -> None:
        """Count keys that are not counted yet, for about this long."""
        if self._ledger is not None:
            until = perf_counter_ns() + nanoseconds
            self._ledger.count(lambda: perf_counter_ns() > until)

    # --- being over the limit -------------------------------------------------------------

    def note_result(self, *, exceeded: bool, over: bool) -> None:
        """Record whether a request was checked in vain, and whether memory is over the limit."""
        self.exceeded = exceeded
        if over:
            self._exceeded_since = self._exceeded_since or monotonic_ns()
        elif self._exceeded_since:
            self._exceeded_ns += monotonic_ns() - self._exceeded_since
            self._exceeded_since = 0

    @property
    def exceeded_ms(self) -> int:
        """For how long the limit is exceeded now."""
        since = self._exceeded_since
        return (monotonic_ns() - since) // 1_000_000 if since else 0

    @property
    def total_exceeded_ms(self) -> int:
        """For how long it was exceeded in all."""
        return self._exceeded_ns // 1_000_000 + self.exceeded_ms

    def reset_statistics(self) -> None:
        self._exceeded_ns = 0
        if self._exceeded_since:
            self._exceeded_since = monotonic_ns()
