"""Due keys, compared with a model that checks every key, and the cost of finding them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from storage.deadlines import Deadlines

KEYS = [b"%d" % number for number in range(12)]
START = 1_700_000_000_000

# Distances on both sides of every bucket width, and into the past.
distance = st.one_of(
    st.integers(-200, 500),
    st.integers(500, 50_000),
    st.integers(50_000, 10_000_000),
    st.integers(10_000_000, 2**45),
)


def next_check(deadlines: Deadlines) -> int | None:
    """Return when the next bucket opens."""
    buckets = deadlines._buckets
    return min(buckets) if buckets else None


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.deadlines = Deadlines()
        self.model: dict[bytes, int] = {}

    @rule(key=st.sampled_from(KEYS), distance=distance)
    def put(self, key: bytes, distance: int) -> None:
        self.deadlines.put(key, self.now + distance, self.now)
        self.model[key] = self.now + distance

    @rule(key=st.sampled_from(KEYS))
    def drop(self, key: bytes) -> None:
        self.deadlines.drop(key)
        self.model.pop(key, None)

    @rule(distance=st.one_of(st.integers(0, 300), distance))
    def wait(self, distance: int) -> None:
        self.now += max(0, distance)

    @rule()
    def take_all_at_once(self) -> None:
        assert set(self.deadlines.due(self.now)) == {
            key for key, at in self.model.items() if at < self.now
        }
        taken = self.deadlines.take_exactly_due(self.now, len(KEYS))
        assert sorted(taken) == sorted(k for k, at in self.model.items() if at < self.now)
        for key in taken:
            self.deadlines.drop(key)
            del self.model[key]

    @rule(limit=st.integers(1, 5))
    def take_some(self, limit: int) -> None:
        for key in self.deadlines.take_due(self.now, limit) or ():
            assert self.model[key] < self.now, "not due yet"
            self.deadlines.drop(key)
            del self.model[key]

    @rule()
    def take_all(self) -> None:
        """After a sweep, no key is left that was due by the end of the last tick."""
        due, _ = sweep(self.deadlines, self.now, batch=3)
        for key in due:
            assert self.model.pop(key) < self.now, "not due yet"
        check = next_check(self.deadlines)
        overdue = [key for key, deadline in self.model.items() if deadline < self.now - 128]
        # A deadline that was set in the past is in the tick after that moment.
        assert not overdue or (check is not None and check <= self.now + 128)

    @invariant()
    def reads_like_a_dict(self) -> None:
        assert dict(self.deadlines) == self.model

    @invariant()
    def every_key_is_checked_in_time(self) -> None:
        check = next_check(self.deadlines)
        for deadline in self.model.values():
            assert check is not None
            assert check <= max(deadline, self.now + 128)


TestModel = Model.TestCase


def sweep(deadlines: Deadlines, now: int, batch: int = 64) -> tuple[list[bytes], int]:
    """Take every key due at `now`; also return how many calls that needed."""
    found: list[bytes] = []
    for calls in range(10_000):
        due = deadlines.take_due(now, batch)
        if due is None:
            return found, calls
        for key in due:
            found.append(key)
            deadlines.drop(key)
    raise AssertionError("the sweep does not end")


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60))
def test_each_key_is_returned_once_and_in_time(distances: list[int]) -> None:
    deadlines = Deadlines()
    for number, far in enumerate(distances):
        deadlines.put(b"%d" % number, START + far, START)
    returned: list[bytes] = []
    for now in range(START + 100, START + 101_000, 100):
        due, _ = sweep(deadlines, now)
        assert all(distances[int(key)] < now - START for key in due)
        late = [key for key, deadline in deadlines.items() if deadline < now - 256]
        assert not late
        returned += due
    assert len(returned) == len(set(returned)) == len(distances)


class Counting(Deadlines):
    """Counts how often a key is put in a bucket."""

    __slots__ = ("placed",)

    def __init__(self) -> None:
        super().__init__()
        self.placed = 0

    def _place(self, key: bytes, deadline: int, now: int) -> None:
        self.placed += 1
        super()._place(key, deadline, now)


def test_renewing_a_deadline_costs_nothing() -> None:
    deadlines = Counting()
    for turn in range(1000):
        deadlines.put(b"session", START + turn + 1_800_000, START + turn)
    assert deadlines.placed == 1


def test_a_key_moves_a_few_times_in_its_life() -> None:
    deadlines = Counting()
    count = 500
    for number in range(count):
        deadlines.put(b"%d" % number, START + 86_400_000 + number * 10, START)
    for now in range(START, START + 86_420_000, 1000):
        sweep(deadlines, now)
    assert not deadlines
    assert deadlines.placed <= 5 * count


def test_a_sweep_with_nothing_due_examines_no_key() -> None:
    deadlines = Deadlines()
    for number in range(10_000):
        deadlines.put(b"%d" % number, START + 10**9 + number, START)
    assert deadlines.take_due(START + 1000, 64) is None


def test_work_of_one_step_is_bounded() -> None:
    deadlines = Deadlines()
    for number in range(1000):
        deadlines.put(b"%d" % number, START + 5, START)
    due = deadlines.take_due(START + 1000, 64)
    assert due is not None
    assert len(due) == 64
