"""`Ledger` and `footprints`: what keys are estimated to take."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from random import Random

import pytest

from storage.clock import Clock
from storage.database import Database
from storage.footprints import key_footprint
from storage.keyspace import Keyspace
from storage.ledger import Ledger
from storage.values.hashes import Hash
from storage.values.limits import Limits
from storage.values.lists import List
from storage.values.sets import Set
from storage.values.sorted_sets import SortedSet
from storage.values.streams import Stream
from storage.values.types import Value

LIMITS = Limits()
RNG = Random(7)


@pytest.fixture
def keyspace() -> Keyspace:
    return Keyspace(Clock())


def never() -> None:
    raise AssertionError


def text(length: int) -> bytes:
    return RNG.randbytes(length)


def a_hash(fields: int, length: int) -> Hash:
    made = Hash()
    for number in range(fields):
        made.put(b"f%d" % number, text(length), LIMITS)
    return made


def a_list(items: int, length: int) -> List:
    made = List()
    for _ in range(items):
        item = text(length)
        made.expect([item], LIMITS)
        made.push_right(item)
    return made


def a_set(members: int, length: int) -> Set:
    made = Set.expecting(b"x", 1, LIMITS)
    for number in range(members):
        made.add(b"m%d" % number + text(length), LIMITS)
    return made


def integers(count: int) -> Set:
    made = Set()
    for number in range(count):
        made.add(b"%d" % (number * 1000), LIMITS)
    return made


def a_sorted_set(members: int, length: int) -> SortedSet:
    made = SortedSet()
    for number in range(members):
        made.put(b"m%d" % number + text(length), RNG.random(), LIMITS)
    return made


def a_stream(entries: int, length: int) -> Stream:
    made = Stream()
    for number in range(entries):
        fields = [bytes(bytearray(b"field")), text(length), bytes(bytearray(b"more")), text(length)]
        made.append(1_700_000_000_000 + number << 64, fields, LIMITS)
    return made


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (lambda: text(100), 20_000),
        (lambda: text(3000), 1000),
        (lambda: bytearray(text(500)), 5000),
        (lambda: a_hash(8, 20), 1000),
        (lambda: a_hash(5000, 30), 3),
        (lambda: a_list(20, 30), 1000),
        (lambda: a_list(5000, 30), 3),
        (lambda: a_set(20, 20), 1000),
        (lambda: a_set(5000, 20), 3),
        (lambda: integers(400), 200),
        (lambda: a_sorted_set(20, 20), 1000),
        (lambda: a_sorted_set(5000, 20), 3),
        (lambda: a_stream(20, 30), 500),
        (lambda: a_stream(5000, 30), 3),
    ],
)
def test_estimates_are_close_to_what_python_allocates(
    make: Callable[[], Value], keys: int, keyspace: Keyspace
) -> None:
    database = keyspace.databases[0]
    tracemalloc.start(1)
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(keys):
            database.store(b"key:%d" % number, make(), "set")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    estimate = sum(key_footprint(key, value) for key, value in database.data.items())
    # The allocator rounds up, which is not traced, so estimates are rather above than below.
    assert 0.9 < estimate / (after - before) < 1.5


def test_members_in_the_middle_of_a_dict_are_the_ones_not_looked_at() -> None:
    small, large = a_hash(100, 10), a_hash(100, 10)
    large.put(b"last", text(100_000), LIMITS)
    assert key_footprint(b"k", large) > 10 * key_footprint(b"k", small)
    assert key_footprint(b"k", large, 0) < key_footprint(b"k", large)


def recount(keyspace: Keyspace) -> int:
    """What a ledger measures that counts everything anew."""
    ledger = Ledger(keyspace, never)
    ledger.count(lambda: False)
    total = ledger.measure()
    for database in keyspace.databases:
        database.derived.clear()
    keyspace.observers.pop()
    return total


def counted(keyspace: Keyspace) -> Ledger:
    ledger = Ledger(keyspace, lambda: None)
    ledger.count(lambda: False)
    return ledger


def some_changes(database: Database) -> None:
    for number in range(200):
        database.store(b"k%d" % number, text(RNG.randrange(200)), "set")
    for number in range(50):
        database.delete(b"k%d" % number)
    database.store(b"list", a_list(300, 10), "rpush")
    database.expire_at(b"list", database.keyspace.now + 1000)


def test_the_sum_follows_every_change(keyspace: Keyspace) -> None:
    ledger = counted(keyspace)
    empty = ledger.measure()
    some_changes(keyspace.databases[0])
    some_changes(keyspace.databases[3])
    grown = ledger.grown
    full = ledger.measure()
    assert grown == pytest.approx(full - empty, rel=0.3)
    keyspace.swap(0, 5)
    assert ledger.measure() == full
    keyspace.databases[5].flush()
    assert ledger.stale is False or ledger.measure() < full
    keyspace.flush_all()
    assert ledger.measure() == empty == 0
    ledger.close()


def test_keys_from_before_are_counted_in_steps(keyspace: Keyspace) -> None:
    some_changes(keyspace.databases[0])
    ledger = Ledger(keyspace, lambda: None)
    assert not ledger.complete
    steps = 0
    sums = [ledger.measure()]
    while not ledger.count(lambda: True):
        steps += 1
        sums.append(ledger.measure())
    assert steps > 1
    assert sums == sorted(sums)
    final = ledger.measure()
    ledger.close()
    assert final == recount(keyspace)


def test_keys_that_are_loaded_are_counted_again(keyspace: Keyspace) -> None:
    ledger = counted(keyspace)
    keyspace.databases[0].store(b"a", b"x" * 100, "set")
    before = ledger.measure()
    keyspace.databases[0].load(b"b", b"x" * 100, None)
    assert not ledger.complete
    ledger.count(lambda: False)
    assert ledger.measure() == 2 * before


def test_exceeding_is_told_once_until_the_next_measurement(keyspace: Keyspace) -> None:
    calls: list[int] = []
    ledger = Ledger(keyspace, lambda: calls.append(1))
    ledger.measure()
    ledger.allow(1000)
    database = keyspace.databases[0]
    database.store(b"a", b"x" * 100, "set")
    assert not calls
    for number in range(5):
        database.store(b"b%d" % number, b"x" * 1000, "set")
    assert calls == [1]
    ledger.allow(500 - ledger.measure())
    database.store(b"c", b"x" * 1000, "set")
    assert calls == [1, 1]


def test_nothing_is_left_of_a_closed_ledger(keyspace: Keyspace) -> None:
    ledger = counted(keyspace)
    some_changes(keyspace.databases[0])
    ledger.close()
    assert keyspace.observers == []
    assert not keyspace.databases[0].derived
