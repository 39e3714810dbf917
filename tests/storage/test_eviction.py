"""`Candidates`: which keys the policies evict, and how well the samples find them."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest

from storage.clock import Clock
from storage.eviction import Candidates
from storage.frequencies import Frequencies, Tuning
from storage.keyspace import Keyspace

KEYS = 2000


def a_keyspace(*, counting: bool = False) -> Keyspace:
    clock = Clock()
    clock.freeze(1_700_000_000_000)
    keyspace = Keyspace(clock)
    if counting:
        keyspace.make_accessed = partial(Frequencies, Tuning(), Random(1))
        for database in keyspace.databases:
            database.accessed = keyspace.make_accessed()
    return keyspace


def fill(keyspace: Keyspace, prefix: str = "key", count: int = KEYS) -> list[bytes]:
    """Store keys, each a second after the last one."""
    keys = [f"{prefix}:{number}".encode() for number in range(count)]
    for key in keys:
        keyspace.now += 1000
        keyspace.databases[0].store(key, b"v", "set")
    return keys


def evict(keyspace: Keyspace, policy: str, count: int, samples: int = 5) -> list[bytes]:
    candidates = Candidates(keyspace, Random(2))
    evicted = []
    for _ in range(count):
        found = candidates.choose(policy, samples)
        assert found is not None
        keyspace.evict(*found)
        evicted.append(found[1])
    return evicted


def test_lru_evicts_mostly_the_oldest() -> None:
    keyspace = a_keyspace()
    keys = fill(keyspace)
    evicted = evict(keyspace, "allkeys-lru", KEYS // 4)
    oldest = set(keys[: KEYS // 4])
    assert len(set(evicted)) == len(evicted)
    assert len(oldest.intersection(evicted)) > 0.7 * len(evicted)
    assert not set(evicted).intersection(keys[-KEYS // 4 :])


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu"])
def test_a_hot_set_survives(policy: str) -> None:
    keyspace = a_keyspace(counting=policy.endswith("lfu"))
    database = keyspace.databases[0]
    hot = fill(keyspace, "hot", 100)
    candidates = Candidates(keyspace, Random(3))
    rng = Random(4)
    for number in range(5 * KEYS):
        keyspace.now += 10
        database.store(b"cold:%d" % number, b"v", "set")
        database.read(rng.choice(hot))
        if len(database) > 1000:
            victim = candidates.choose(policy, 5)
            assert victim is not None
            keyspace.evict(*victim)
    survived = [key for key in hot if key in database.data]
    assert len(survived) >= 95


def test_ttl_evicts_what_expires_first_and_nothing_else() -> None:
    keyspace = a_keyspace()
    keys = fill(keyspace)
    database = keyspace.databases[0]
    for number, key in enumerate(keys[:200]):
        database.expire_at(key, keyspace.now + 1_000_000 + number)
    evicted = evict(keyspace, "volatile-ttl", 50)
    assert set(evicted) < set(keys[:200])
    assert len(set(evicted) & set(keys[:50])) > 35
    evict(keyspace, "volatile-ttl", 150)
    assert Candidates(keyspace, Random(0)).choose("volatile-ttl", 5) is None
    assert len(database) == KEYS - 200


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random"])
def test_volatile_policies_leave_keys_without_a_deadline(policy: str) -> None:
    keyspace = a_keyspace(counting=policy.endswith("lfu"))
    keys = fill(keyspace, count=300)
    database = keyspace.databases[0]
    for key in keys[::3]:
        database.expire_at(key, keyspace.now + 1_000_000)
    assert sorted(evict(keyspace, policy, 100)) == sorted(keys[::3])
    candidates = Candidates(keyspace, Random(0))
    assert candidates.choose(policy, 5) is None
    database.expire_at(keys[1], keyspace.now + 1000)
    assert candidates.choose(policy, 5) == (database, keys[1])
    database.persist(keys[1])
    assert candidates.choose(policy, 5) is None


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_every_database_loses_keys(policy: str) -> None:
    keyspace = a_keyspace(counting=policy.endswith("lfu"))
    for database in keyspace.databases[2:5]:
        for number in range(100):
            database.store(b"k%d" % number, b"v", "set")
    evict(keyspace, policy, 150)
    assert all(0 < len(database) < 100 for database in keyspace.databases[2:5])
    evict(keyspace, policy, 150)
    assert Candidates(keyspace, Random(0)).choose(policy, 5) is None


def test_a_key_that_was_used_since_it_was_sampled_is_not_evicted() -> None:
    keyspace = a_keyspace()
    keys = fill(keyspace, count=30)
    candidates = Candidates(keyspace, Random(5))
    first = candidates.choose("allkeys-lru", 50)
    assert first is not None
    keyspace.now += 1000
    for key in keys[:20]:
        keyspace.databases[0].read(key)
    second = candidates.choose("allkeys-lru", 50)
    assert second is not None
    assert second[1] in keys[20:]


def test_an_eviction_is_an_event_and_a_delete_in_the_log() -> None:
    keyspace = a_keyspace()
    fill(keyspace, count=1)
    seen: list[tuple[bytes, str | None]] = []
    keyspace.observers.append(lambda database, key, event, modified: seen.append((key, event)))
    evict(keyspace, "allkeys-random", 1)
    assert seen == [(b"key:0", "evicted")]
    assert keyspace.evicted_keys == 1


def test_counters_grow_slower_the_higher_they_are_and_decay() -> None:
    tuning = Tuning()
    used = Frequencies(tuning, Random(1))
    now = 1_700_000_000_000
    counters = []
    for uses in range(100_001):
        used[b"k"] = now
        if uses in (0, 100, 10_000, 100_000):
            counters.append(used.counter(b"k", now))
    assert counters[0] == 5
    # The means of Redis' table for a factor of 10 are 10, 49 and 142.
    assert 7 <= counters[1] <= 14
    assert 40 <= counters[2] <= 58
    assert 125 <= counters[3] <= 160
    assert used.counter(b"k", now + 10 * 60_000) == counters[3] - 10
    assert used.counter(b"k", now + 1000 * 60_000) == 0
    tuning.decay_minutes = 0
    assert used.counter(b"k", now + 1000 * 60_000) == counters[3]
    assert used.counter(b"unknown", now) == 5


def test_access_times_count_as_new_keys_of_that_time() -> None:
    now = 1_700_000_000_000
    used = Frequencies(Tuning(), Random(1))
    used.update({b"old": now - 3 * 60_000, b"new": now})
    assert used.counter(b"new", now) == 5
    assert used.counter(b"old", now) == 2


def test_an_evicted_key_is_not_kept_until_it_would_expire() -> None:
    keyspace = a_keyspace()
    database = keyspace.databases[0]
    for number in range(300):
        key = b"k%d" % number
        database.store(key, b"v", "set")
        # Up to a second, an hour and a year.
        database.expire_at(key, keyspace.now + (500, 3_000_000, 30_000_000_000)[number % 3])
    evict(keyspace, "volatile-random", 300)
    buckets = database.expires._buckets
    assert buckets is not None
    assert sum(map(len, buckets.values())) == 0
    keyspace.now += 40_000_000_000
    while keyspace.sweep_expired(100) is not None:
        pass
    assert keyspace.expired_keys == 0
