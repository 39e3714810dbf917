"""The guarantees of SCAN, whatever changes between its calls."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from storage.scan_order import ScanOrder

KEYS = [b"%d" % number for number in range(40)]

key = st.sampled_from(KEYS)
step = st.one_of(
    st.tuples(st.just("add"), key),
    st.tuples(st.just("remove"), key),
    st.tuples(st.just("scan"), st.integers(1, 12)),
    st.tuples(st.just("sweep"), st.just(b"")),
    st.tuples(st.just("clear"), st.just(b"")),
)


class Walked:
    """A dict with its scan order, used as a database uses it."""

    def __init__(self, keys: list[bytes]) -> None:
        self.live = dict.fromkeys(keys, 0)
        self.order = ScanOrder()

    def add(self, key: bytes) -> None:
        if key not in self.live:
            self.live[key] = 0
            self.order.added(key, self.live)

    def remove(self, key: bytes) -> None:
        self.live.pop(key, None)

    def clear(self) -> None:
        self.live.clear()
        self.order.clear()

    def sweep(self) -> None:
        if self.order._order is not None:
            self.order._sweep(self.live)


@given(st.lists(key, unique=True), st.lists(step, max_size=120))
def test_keys_that_exist_throughout_a_scan_are_returned(
    start: list[bytes], steps: list[tuple[str, bytes | int]]
) -> None:
    walked = Walked(start)
    cursor, ended = 0, False
    seen, always = set[bytes](), set(walked.live)
    # The last steps complete the scan.
    for name, argument in [*steps, *[("scan", 5)] * 30]:
        if not isinstance(argument, int):
            getattr(walked, name)(*([argument] if argument else []))
            always &= set(walked.live)
            continue
        cursor, keys = walked.order.scan(walked.live, cursor, argument)
        assert all(key in walked.live for key in keys), "a removed key was returned"
        seen |= set(keys)
        if cursor == 0:
            assert always <= seen, f"missed {always - seen}"
            seen, always = set(), set(walked.live)
            ended = True
    assert ended


@given(st.lists(key, unique=True), st.integers(1, 50))
def test_an_undisturbed_scan_returns_each_key_once(start: list[bytes], count: int) -> None:
    walked = Walked(start)
    returned: list[bytes] = []
    cursor = 0
    for _ in range(len(start) // count + 1):
        cursor, keys = walked.order.scan(walked.live, cursor, count)
        returned += keys
        if cursor == 0:
            break
    assert cursor == 0
    assert sorted(returned) == sorted(start)


def test_removed_keys_cost_no_extra_calls_up_to_a_limit() -> None:
    walked = Walked([b"%d" % number for number in range(10_000)])
    walked.order.scan(walked.live, 0, 1)
    for number in range(10_000):
        if number % 5:
            walked.remove(b"%d" % number)
    cursor, keys = walked.order.scan(walked.live, 0, 10)
    assert len(keys) == 10
    walked.live = {b"0": 0}
    cursor, keys = walked.order.scan(walked.live, 0, 10)
    assert (keys, 10_000 - cursor) == ([], 100)


def test_any_cursor_is_accepted() -> None:
    walked = Walked([b"a", b"b"])
    for cursor in (1, 2, 3, 2**63, 2**64 - 1):
        after, keys = walked.order.scan(walked.live, cursor, 10)
        assert after == 0
        assert set(keys) <= {b"a", b"b"}


@given(st.lists(key, unique=True, min_size=1), st.lists(st.tuples(st.booleans(), key)))
def test_pick_returns_only_live_keys(start: list[bytes], changes: list[tuple[bool, bytes]]) -> None:
    walked = Walked(start)
    rng = Random(1)
    for adding, changed in changes:
        (walked.add if adding else walked.remove)(changed)
        if walked.live:
            assert walked.order.pick(walked.live, rng) in walked.live


def test_pick_is_fair() -> None:
    walked = Walked(KEYS)
    rng = Random(1)
    picks = [walked.order.pick(walked.live, rng) for _ in range(200 * len(KEYS))]
    counts = [picks.count(key) for key in KEYS]
    assert min(counts) > 130
    assert max(counts) < 270


def test_a_dict_that_is_never_scanned_keeps_no_list() -> None:
    walked = Walked([])
    for key in KEYS:
        walked.add(key)
    assert walked.order._order is None


def test_the_list_does_not_outgrow_the_live_keys() -> None:
    walked = Walked([b"stays"])
    walked.order.scan(walked.live, 0, 1)
    for number in range(10_000):
        walked.add(b"%d" % number)
        walked.remove(b"%d" % number)
    assert len(walked.order._order or ()) < 200


def test_a_new_scan_of_a_few_keys_returns_each_once() -> None:
    live = dict.fromkeys([b"a", b"b", b"c"])
    order = ScanOrder()
    order.scan(live, 0, 10)
    for _ in range(5):
        del live[b"a"]
        live[b"a"] = None
        order.added(b"a", live)
    cursor, found = order.scan(live, 0, 1)
    for _ in range(5):
        if cursor:
            cursor, keys = order.scan(live, cursor, 1)
            found += keys
    assert cursor == 0
    assert sorted(found) == [b"a", b"b", b"c"]


def test_no_call_of_a_scan_returns_a_key_twice() -> None:
    live = dict.fromkeys(b"%d" % number for number in range(10_000))
    order = ScanOrder()
    order.scan(live, 0, 1)
    for _ in range(5):
        del live[b"9999"]
        live[b"9999"] = None
        order.added(b"9999", live)
    assert order.scan(live, 0, 20)[1].count(b"9999") == 1
