"""The set against a model, in all of its encodings."""

from random import Random

from storage.values.limits import Limits
from storage.values.sets import Set

LIMITS = Limits(set_max_intset_entries=8, set_max_listpack_entries=6, set_max_listpack_value=5)


def test_against_a_python_set() -> None:
    rng = Random(7)
    encodings = set()
    for _ in range(300):
        value, model = Set(), set()
        words = [b"%d" % n for n in range(-5, 15)]
        if rng.random() < 0.6:
            words += [b"x", b"007", b"longer"]
        for _ in range(40):
            word = rng.choice(words)
            if rng.random() < 0.7:
                assert value.add(word, LIMITS) == (word not in model)
                model.add(word)
            else:
                assert value.remove(word) == (word in model)
                model.discard(word)
            assert (word in value) == (word in model)
            assert sorted(value) == sorted(model)
            assert len(value) == len(model)
            encodings.add(value.encoding)
            if value.encoding == b"intset":
                assert list(value) == sorted(model, key=int)
    assert encodings == {b"intset", b"listpack", b"hashtable"}


def test_copies_are_independent() -> None:
    for first in (b"1", b"x"):
        value = Set()
        value.add(first, LIMITS)
        twin = value.copy()
        twin.add(b"2", LIMITS)
        assert (len(value), len(twin), twin.encoding) == (1, 2, value.encoding)


def test_pop_returns_every_member_once() -> None:
    value = Set.expecting(b"x", 1, LIMITS)
    words = {b"w%d" % n for n in range(500)}
    for word in words:
        value.add(word, LIMITS)
    rng = Random(1)
    popped = [value.pop(rng) for _ in range(500)]
    assert set(popped) == words
    assert not value


def test_random_members_are_distinct_and_cover_the_set() -> None:
    for count in (5, 30):
        value = Set.unsorted()
        for n in range(count):
            value.add(b"w%d" % n, LIMITS)
        rng = Random(3)
        seen = set()
        for _ in range(200):
            picked = value.pick_distinct(3, rng)
            assert len(set(picked)) == 3
            seen.update(picked)
        assert len(seen) == count
        assert sorted(value.pick_distinct(99, rng)) == sorted(value)
