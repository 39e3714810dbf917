"""Which key to evict next: Redis' policies over random samples of the keys.

The best candidates of earlier samples are kept and compete with those of the next one. So a
few samples for each eviction find keys nearly as good as looking at all of them would.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import itemgetter
from random import Random

from storage.database import Database
from storage.frequencies import Frequencies
from storage.keyspace import Keyspace

# How many candidates are kept, and from how many samples new ones are taken at once.
_KEPT = 16
_BATCH = 8

# (the lower, the sooner evicted; database; key)
_Candidate = tuple[int, int, bytes]
_score_of = itemgetter(0)


class Candidates:
    """The keys that were found worth evicting."""

    def __init__(self, keyspace: Keyspace, rng: Random) -> None:
        self._keyspace = keyspace
        self._rng = rng
        self._policy = ""
        # The best one last.
        self._kept: list[_Candidate] = []
        self._next_database = 0

    def choose(self, policy: str, samples: int) -> tuple[Database, bytes] | None:
        """Return the key to evict next under a policy; None if it allows no key."""
        volatile = policy[0] == "v"
        if policy.endswith("random"):
            return self._random(volatile=volatile)
        kept, databases = self._kept, self._keyspace.databases
        if policy != self._policy:
            self._policy = policy
            kept.clear()
        while True:
            if len(kept) <= _KEPT and not self._sample(samples * _BATCH, volatile=volatile):
                return None
            while kept:
                score, index, key = kept.pop()
                database = databases[index]
                # Unless it was used, or removed, in the meantime.
                if self._score(database, key, volatile=volatile) == score:
                    return database, key

    def _sample(self, count: int, *, volatile: bool) -> bool:
        """Look for better candidates; return whether any key qualifies."""
        kept, rng = self._kept, self._rng
        sampled = 0
        for database in self._keyspace.databases:
            if database.expires if volatile else database.data:
                keys, scores = _keys_of(database, count, rng, volatile=volatile)
                if self._policy != "volatile-ttl" and (volatile or self._policy == "allkeys-lfu"):
                    scores = [self._score(database, key, volatile=volatile) or 0 for key in keys]
                kept += zip(scores, repeat(database.index), keys)
                sampled += 1
        if sampled > 1:
            # So that no database comes first among equals.
            rng.shuffle(kept)
        kept.sort(key=_score_of, reverse=True)
        del kept[: -_KEPT - _BATCH]
        return bool(kept)

    def _score(self, database: Database, key: bytes, *, volatile: bool) -> int | None:
        """Return how soon a key should go, the lowest first; None if it must not."""
        if self._policy == "volatile-ttl":
            return database.expires.get(key)
        accessed = database.accessed
        if key not in accessed or (volatile and key not in database.expires):
            return None
        if isinstance(accessed, Frequencies):
            return accessed.counter(key, self._keyspace.now)
        return accessed[key]

    def _random(self, *, volatile: bool) -> tuple[Database, bytes] | None:
        """Return any key; the databases take turns."""
        databases = self._keyspace.databases
        for _ in databases:
            self._next_database = (self._next_database + 1) % len(databases)
            database = databases[self._next_database]
            if database.expires if volatile else database.data:
                keys, _scores = _keys_of(database, 1, self._rng, volatile=volatile)
                return database, keys[0]
        return None


def _keys_of(
    database: Database, count: int, rng: Random, *, volatile: bool
) -> tuple[Sequence[bytes], Sequence[int]]:
    """Return random keys of a database that has some, with their deadlines or times of use.

    Only keys with a deadline if `volatile`.
    """
    if volatile:
        return database.expires.sample(count, rng)
    # `accessed` has the same keys as `data`.
    return database.order.sample(database.accessed, count, rng)
