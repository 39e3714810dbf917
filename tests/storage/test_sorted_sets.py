"""The sorted set against a model that sorts all members for every check."""

from __future__ import annotations

import math
from random import Random

import pytest

from storage.values.limits import Limits
from storage.values.sorted_sets import SortedSet, after_member, after_score


def model(scores: dict[bytes, float]) -> list[tuple[float, bytes]]:
    return sorted((score, member) for member, score in scores.items())


@pytest.mark.parametrize("members", [5, 100, 2000])
def test_order_follows_every_change(members: int) -> None:
    rng, limits = Random(members), Limits()
    value, scores = SortedSet(), dict[bytes, float]()
    for _ in range(members * 3):
        member = b"%d" % rng.randrange(members)
        if rng.random() < 0.3:
            assert value.remove(member) == (scores.pop(member, None) is not None)
        else:
            score = float(rng.randrange(10))
            value.put(member, score, limits)
            scores[member] = score
    ordered = model(scores)
    assert value.pairs() == ordered
    assert value == scores
    for place in rng.sample(range(len(ordered)), min(20, len(ordered))):
        assert value.rank(ordered[place][1]) == place
        assert value.at(place) == ordered[place]
    start, stop = value.span_by_score(2.0, after_score(5.0))
    assert value.pairs(start, stop) == [pair for pair in ordered if 2 <= pair[0] <= 5]
    assert value.remove_span(start, stop) == [pair for pair in ordered if 2 <= pair[0] <= 5]
    assert value.pairs() == [pair for pair in ordered if not 2 <= pair[0] <= 5]
    assert len(value) == len(value.pairs())


def test_spans_between_cuts() -> None:
    limits = Limits()
    value = SortedSet.build([(b"a", 0.0), (b"aa", 0.0), (b"b", 0.0)], limits)
    assert value.span_by_member(b"", None) == (0, 3)
    assert value.span_by_member(b"a", after_member(b"a")) == (0, 1)
    assert value.span_by_member(after_member(b"a"), b"b") == (1, 2)
    assert after_score(math.inf) is None
    infinite = SortedSet.build([(b"a", -math.inf), (b"b", math.inf)], limits)
    assert infinite.span_by_score(after_score(-math.inf), after_score(math.inf)) == (1, 2)


def test_the_encoding_changes_when_outgrown_and_never_back() -> None:
    limits = Limits(zset_max_listpack_entries=3, zset_max_listpack_value=4)
    value = SortedSet()
    for member in (b"a", b"b", b"c"):
        value.put(member, 1.0, limits)
    assert value.encoding == b"listpack"
    value.put(b"d", 1.0, limits)
    assert value.encoding == b"skiplist"
    value.remove_span(0, 3)
    assert value.encoding == b"skiplist"
    assert SortedSet.build(value.items(), limits).encoding == b"listpack"
    assert SortedSet.build([(b"12345", 1.0)], limits).encoding == b"skiplist"


def test_only_the_full_encoding_keeps_a_minus_zero() -> None:
    compact, full = SortedSet(), SortedSet()
    compact.put(b"a", -0.0, Limits())
    full.put(b"a", -0.0, Limits(zset_max_listpack_entries=0))
    assert math.copysign(1, compact[b"a"]) == 1
    assert math.copysign(1, full[b"a"]) == -1


def test_copies_are_independent() -> None:
    limits = Limits()
    value = SortedSet.build([(b"a", 1.0)], limits)
    copy = value.copy()
    copy.put(b"b", 2.0, limits)
    assert value.pairs() == [(1.0, b"a")]
    assert copy.pairs() == [(1.0, b"a"), (2.0, b"b")]


def test_a_scan_returns_every_member_that_exists_throughout() -> None:
    limits = Limits()
    value = SortedSet()
    for number in range(300):
        value.put(b"%d" % number, 0.0, limits)
    seen: set[bytes] = set()
    cursor = 0
    for call in range(60):
        cursor, members = value.scan(cursor, 10)
        seen.update(members)
        value.remove(b"%d" % call)
        value.put(b"new%d" % call, 1.0, limits)
        if not cursor:
            break
    assert cursor == 0
    assert call >= 20
    assert seen >= {b"%d" % number for number in range(call + 1, 300)}
