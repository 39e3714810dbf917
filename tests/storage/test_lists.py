"""The list against a plain Python list, and the sizes of its nodes against its items."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.values.limits import Limits
from storage.values.list_nodes import Node, Nodes, node_limits
from storage.values.listpack_sizes import OVERHEAD, entry_size
from storage.values.lists import List

ITEMS = st.one_of(
    st.sampled_from([b"", b"a", b"b", b"c", b"0", b"127", b"128", b"-1", b"4096", b"x" * 70]),
    st.integers(0, 9000).map(lambda length: b"y" * length),
)
_STEPS = (
    "lpush",
    "rpush",
    "lpop",
    "rpop",
    "before",
    "after",
    "set",
    "remove",
    "trim",
    "copy",
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(_STEPS),
        ITEMS,
        st.integers(0, 1 << 20),
        st.integers(-3, 3),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("item", "size"),
    [
        (b"", 2),
        (b"a", 3),
        (b"0", 2),
        (b"127", 2),
        (b"128", 3),
        (b"-1", 3),
        (b"4095", 3),
        (b"-4096", 3),
        (b"4096", 4),
        (b"-32768", 4),
        (b"32768", 5),
        (b"8388607", 5),
        (b"8388608", 6),
        (b"-2147483648", 6),
        (b"2147483648", 10),
        (b"9223372036854775807", 10),
        (b"-9223372036854775808", 10),
        # Not the canonical spelling of a number, or beyond 64 bits: strings.
        (b"9223372036854775808", 21),
        (b"-9223372036854775809", 22),
        (b"007", 5),
        (b"-0", 4),
        (b"+1", 4),
        (b"1.5", 5),
        (b"x" * 63, 65),
        # From here on the header takes two bytes, then the length at the end does.
        (b"x" * 64, 67),
        (b"x" * 125, 128),
        (b"x" * 126, 130),
        (b"x" * 4095, 4099),
        (b"x" * 4096, 4103),
        (b"x" * 16377, 16384),
        (b"x" * 16378, 16386),
    ],
)
def test_entry_size(item: bytes, size: int) -> None:
    assert entry_size(item) == size


def test_node_limits() -> None:
    assert [node_limits(-n)[0] for n in range(1, 7)] == [4096, 8192, 16384, 32768, 65536, 65536]
    assert node_limits(0) == (8192, 1)
    assert node_limits(128) == (8192, 128)


def check(value: List, model: list[bytes]) -> None:
    assert len(value) == len(model)
    assert bool(value) == bool(model)
    assert list(value) == value.window(0, len(model)) == model
    if value.nodes is None:
        assert value.size == OVERHEAD + sum(map(entry_size, model))
        return
    rest = iter(model)
    for node in value.nodes:
        items = list(islice(rest, node.entries))
        assert node.entries == len(items) > 0
        if node.plain:
            assert node.size == len(items[0])
        else:
            assert node.size == OVERHEAD + sum(map(entry_size, items))
    assert next(rest, None) is None


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, setting=st.sampled_from([-5, -2, -1, 0, 1, 2, 5, 128]))
def test_against_a_plain_list(steps: list[tuple[str, bytes, int, int]], setting: int) -> None:
    limits = Limits(list_max_listpack_size=setting)
    value = List()
    model: list[bytes] = []
    for step, item, place, count in steps:
        at = place % len(model) if model else 0
        if step == "lpush":
            value.expect([item], limits)
            value.push_left(item)
            model.insert(0, item)
        elif step == "rpush":
            value.expect([item], limits)
            value.push_right(item)
            model.append(item)
        elif not model:
            continue
        elif step == "lpop":
            assert value.pop_left() == model.pop(0)
            value.shrunk(limits)
        elif step == "rpop":
            assert value.pop_right() == model.pop()
            value.shrunk(limits)
        elif step in ("before", "after"):
            value.expect([item], limits)
            value.insert(at, item, after=step == "after")
            model.insert(at + (step == "after"), item)
        elif step == "set":
            value.expect([item], limits)
            value.replace(at, item)
            model[at] = item
            value.shrunk(limits)
        elif step == "remove":
            wanted = model[at]
            places = [i for i, other in enumerate(model) if other == wanted]
            gone = places[:count] if count > 0 else places[count:]
            assert value.remove(wanted, count) == len(gone)
            model = [other for i, other in enumerate(model) if i not in gone]
            value.shrunk(limits)
        elif step == "trim":
            stop = min(len(model), at + 1 + abs(count) * 5)
            value.trim(at, stop)
            model = model[at:stop]
            value.shrunk(limits)
        else:
            twin = value.copy()
            value.push_left(b"only in the first")
            value = twin
        check(value, model)
    for item in dict.fromkeys(model):
        assert value.find(item, 0, len(model)) == model.index(item)


def test_a_quicklist_becomes_a_listpack_at_half_the_limit() -> None:
    limits = Limits(list_max_listpack_size=8)
    value = List()
    for number in range(9):
        value.expect([b"%d" % number], limits)
        value.push_right(b"%d" % number)
    assert value.encoding == b"quicklist"
    seen = []
    for _ in range(len(value)):
        value.pop_right()
        value.shrunk(limits)
        seen.append((len(value), value.encoding))
    assert seen[:5] == [
        (8, b"quicklist"),
        (7, b"quicklist"),
        (6, b"quicklist"),
        (5, b"quicklist"),
        (4, b"listpack"),
    ]


def test_two_nodes_remain_a_quicklist_at_any_size() -> None:
    limits = Limits(list_max_listpack_size=4)
    value = List()
    for number in range(8):
        value.expect([b"%d" % number], limits)
        value.push_right(b"%d" % number)
    value.trim(3, 5)
    value.shrunk(limits)
    assert (len(value), value.encoding) == (2, b"quicklist")
    value.pop_left()
    value.shrunk(limits)
    assert (len(value), value.encoding) == (1, b"listpack")


def test_a_list_built_at_once_is_a_listpack_if_it_fits() -> None:
    limits = Limits(list_max_listpack_size=4)
    assert List.of([b"a"] * 4, limits).encoding == b"listpack"
    assert List.of([b"a"] * 5, limits).encoding == b"quicklist"
    assert List.of([b"x" * 9000], limits).encoding == b"quicklist"
    whole = List.of([b"a", b"1", b"x" * 9000, b"b"], limits)
    check(whole, [b"a", b"1", b"x" * 9000, b"b"])


def test_a_queue_does_not_grow_with_the_items_that_passed_through() -> None:
    value = List()
    for number in range(10_000):
        value.push_right(b"%d" % number)
        if number >= 10:
            value.pop_left()
    assert len(value) == 10
    assert len(value._items) < 100
    for number in range(10_000):
        value.push_left(b"%d" % number)
        value.pop_right()
    assert len(value) == 10
    assert len(value._items) < 100


def test_removal_updates_every_node() -> None:
    nodes = Nodes(2, [Node(OVERHEAD + 6, 2), Node(OVERHEAD + 6, 2), Node(OVERHEAD + 3, 1)])
    nodes.removed([0, 1, 3, 4], b"a")
    assert [(node.entries, node.size) for node in nodes] == [(1, OVERHEAD + 3)]
