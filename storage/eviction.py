"""Which key to evict next: Redis' policies over random samples of the keys.

The best candidates of earlier samples are kept and compete with those of the next one. So a
few samples for each eviction find keys nearly as good as looking at all of them would.
"""

from __future__ import annotations

from random import Random

from storage.database import Database
from storage.frequencies import Frequencies
from storage.keyspace import Keyspace

# How many candidates are kept.
_KEPT = 16

# (the lower, the sooner evicted; database; key)
_Candidate = tuple[int, int, bytes]


class Candidates:
    """The keys that were found worth evicting."""

    def __init__(self, keyspace: Keyspace, rng: Random) -> None:
        self._keyspace = keyspace
        self._rng = rng
        self._policy = ""
        self._kept: list[_Candidate] = []
        self._next_database = 0

    def choose(self, policy: str, samples: int) -> tuple[Database, bytes] | None:
        """Return the key to evict next under a policy; None if it allows no key."""
        volatile = policy.startswith("volatile")
        if policy.endswith("random"):
            return self._random(volatile=volatile)
        if policy != self._policy:
            self._policy = policy
            self._kept.clear()
        kept, databases = self._kept, self._keyspace.databases
        while True:
            found = self._sample(policy, samples, volatile=volatile)
            if not found:
                return None
            kept += found
            kept.sort()
            del kept[_KEPT:]
            while kept:
                candidate = kept.pop(0)
                database = databases[candidate[1]]
                # Unless it was used, or removed, in the meantime.
                if self._score(policy, database, candidate[2]) == candidate[0]:
                    return database, candidate[2]

    def _sample(self, policy: str, samples: int, *, volatile: bool) -> list[_Candidate]:
        rng, found = self._rng, []
        for database in self._keyspace.databases:
            if database.data:
                keys = (
                    database.expires.sample(samples, rng)
                    if volatile
                    else database.order.sample(database.data, samples, rng)
                )
                for key in keys:
                    score = self._score(policy, database, key)
                    if score is not None:
                        found.append((score, database.index, key))
        return found

    def _score(self, policy: str, database: Database, key: bytes) -> int | None:
        """Return how soon a key should go, the lowest first; None if it must not."""
        if policy == "volatile-ttl":
            return database.expires.get(key)
        if key not in database.data or (policy[0] == "v" and key not in database.expires):
            return None
        accessed = database.accessed
        if accessed.__class__ is Frequencies:
            return accessed.counter(key, self._keyspace.now)
        return accessed.get(key, 0)

    def _random(self, *, volatile: bool) -> tuple[Database, bytes] | None:
        """Return any key; the databases take turns."""
        databases = self._keyspace.databases
        for _ in databases:
            database = databases[self._next_database % len(databases)]
            self._next_database += 1
            if database.expires if volatile else database.data:
                keys = (
                    database.expires.sample(1, self._rng)
                    if volatile
                    else database.order.sample(database.data, 1, self._rng)
                )
                return database, keys[0]
        return None
