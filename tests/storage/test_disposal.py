"""`Disposal`: large values are freed in slices, and only if nothing else refers to them."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from storage.clock import Clock
from storage.disposal import Disposal
from storage.keyspace import Keyspace
from storage.values.consumer_groups import Group
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from storage.values.types import Collection
from tests.support.memory import peak_memory

LIMITS = Limits()
MANY = 50_000


def many() -> list[bytes]:
    return [b"member:%d" % number for number in range(MANY)]


def a_stream() -> Stream:
    stream = Stream()
    for number in range(MANY):
        stream.append(number + 1, [b"f%d" % number, b"v"], LIMITS)
    group = stream.groups[b"g"] = Group(0)
    reader = group.add_consumer(b"c", 0)
    for number in range(5000):
        group.deliver(number + 1, reader, 0)
    return stream


MAKERS: dict[str, Callable[[], Collection]] = {
    "hash": lambda: Hash.of(dict.fromkeys(many(), b"v"), LIMITS),
    "list": lambda: List.of(many(), LIMITS),
    "set": lambda: Set.of(many(), LIMITS),
    "sorted set": lambda: SortedSet.build(((m, 1.0) for m in many()), LIMITS),
    "stream": a_stream,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_large_value_is_freed_in_many_steps(kind: str) -> None:
    disposal = Disposal()
    with peak_memory() as memory:
        disposal.add(MAKERS[kind]())
        assert disposal.freed == 1
        steps = 0
        while not disposal.work(lambda: True):
            steps += 1
        assert len(disposal) == 0
        # The sorted dicts of consumer groups refer to themselves.
        gc.collect()
    assert steps >= MANY / 1000 * 0.9
    # Nothing is left of it; some lists of the disposal itself may be.
    assert memory.kept < 50_000


@pytest.mark.parametrize("kind", MAKERS)
def test_a_value_that_is_still_in_use_is_left_alone(kind: str) -> None:
    disposal, value = Disposal(), MAKERS[kind]()
    twin = value.copy()
    disposal.add(value)
    assert disposal.work(lambda: False)
    assert len(value) == len(twin) == MANY


def test_copies_of_a_freed_value_are_whole() -> None:
    for make in MAKERS.values():
        disposal, value = Disposal(), make()
        twin = value.copy()
        disposal.add(value)
        del value
        assert disposal.work(lambda: False)
        assert len(twin) == MANY


def test_small_values_and_strings_are_forgotten_at_once() -> None:
    disposal = Disposal()
    for value in (b"x" * 100_000, bytearray(100_000), None, Hash.of({b"f": b"v"}, LIMITS)):
        disposal.add(value)
    assert (len(disposal), disposal.freed) == (0, 0)


def keyspace_with(value: Collection) -> Keyspace:
    keyspace = Keyspace(Clock())
    keyspace.databases[0].store(b"k", value, "set")
    return keyspace


REMOVALS: dict[str, Callable[[Keyspace], object]] = {
    "deleting": lambda keyspace: keyspace.databases[0].delete(b"k"),
    "replacing": lambda keyspace: keyspace.databases[0].store(b"k", b"v", "set"),
    "expiring": lambda keyspace: keyspace.databases[0].expire_now(b"k"),
    "evicting": lambda keyspace: keyspace.evict(keyspace.databases[0], b"k"),
}


@pytest.mark.parametrize("how", REMOVALS)
def test_whatever_removes_a_large_value_frees_it_in_slices(how: str) -> None:
    value = SortedSet.build(((member, 1.0) for member in many()), LIMITS)
    keyspace = keyspace_with(value)
    del value
    REMOVALS[how](keyspace)
    assert len(keyspace.disposal) == 1
    assert keyspace.disposal.work(lambda: False)


def test_a_flushed_database_is_freed_in_slices() -> None:
    keyspace = Keyspace(Clock())
    database = keyspace.databases[0]
    for number in range(MANY):
        database.store(b"k%d" % number, b"v", "set")
    database.store(b"large", Hash.of(dict.fromkeys(many(), b"v"), LIMITS), "hset")
    database.flush()
    steps = 0
    while not keyspace.disposal.work(lambda: True):
        steps += 1
    # The values, the access times, and the hash.
    assert steps >= 3 * MANY / 1000 * 0.9


def test_renaming_over_a_key_keeps_the_value_that_moves() -> None:
    keyspace = keyspace_with(Hash.of(dict.fromkeys(many(), b"v"), LIMITS))
    database = keyspace.databases[0]
    value = database.discard(b"k")
    assert value is not None
    database.store(b"other", value, "rename_to")
    keyspace.disposal.add(value)
    del value
    keyspace.disposal.work(lambda: False)
    kept = database.data[b"other"]
    assert isinstance(kept, Hash)
    assert len(kept) == MANY
