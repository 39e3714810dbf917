"""The stream as a structure: nodes, ranges, trims, and statistics of past entries."""

from __future__ import annotations

from random import Random

import pytest

from storage.values.consumer_groups import Group
from storage.values.limits import Limits
from storage.values.radix_tree import radix_nodes
from storage.values.streams import MAX_ID, MAX_NODE_BYTES, EntryTooLarge, Stream


def filled(count: int, per_node: int = 3) -> Stream:
    """A stream with IDs 10, 20, 30 and so on."""
    stream = Stream()
    for number in range(1, count + 1):
        stream.append(number * 10, [b"f", b"%d" % number], Limits(stream_node_max_entries=per_node))
    return stream


def ids(stream: Stream) -> list[int]:
    return [entry_id for entry_id, _ in stream.range(0, MAX_ID)]


def node_sizes(stream: Stream) -> list[int]:
    return [len(node.ids) for node in stream.nodes]


def test_an_empty_stream_is_true() -> None:
    assert Stream()
    assert len(Stream()) == 0


@pytest.mark.parametrize("seed", range(20))
def test_against_a_dict_of_entries(seed: int) -> None:
    rng = Random(seed)
    stream, model = Stream(), {}
    limits = Limits(
        stream_node_max_entries=rng.choice([0, 1, 2, 7]),
        stream_node_max_bytes=rng.choice([0, 60, 300]),
    )
    for _ in range(300):
        action = rng.random()
        start, end = sorted(rng.randrange(stream.last_id + 10) for _ in range(2))
        if action < 0.5:
            entry_id = stream.last_id + rng.randint(1, 5)
            items = [rng.choice([b"a", b"b"]), b"x" * rng.randrange(40)]
            model[entry_id] = tuple(items)
            stream.append(entry_id, items, limits)
        elif action < 0.7:
            assert stream.remove(start) == (model.pop(start, None) is not None)
        elif action < 0.75:
            length = max(0, len(model) - rng.randrange(4))
            gone = sorted(model)[: len(model) - length]
            assert stream.trim_to_length(length) == len(gone)
            model = {at: row for at, row in model.items() if at not in gone}
        elif action < 0.8:
            gone = [at for at in model if at < start // 4]
            assert stream.trim_below(start // 4) == len(gone)
            model = {at: row for at, row in model.items() if at not in gone}
        count = rng.choice([None, 0, 1, 5])
        within = sorted((at, row) for at, row in model.items() if start <= at <= end)
        assert stream.range(start, end, count) == within[:count]
        assert stream.reverse_range(start, end, count) == within[::-1][:count]
        assert stream.get(end) == model.get(end)
        assert len(stream) == len(model)
        assert stream.first_id == min(model, default=0)
        assert stream.last_entry_id == max(model, default=0)


def test_deleted_entries_count_towards_the_limit_of_a_node() -> None:
    stream = filled(2)
    stream.remove(10)
    stream.append(30, [b"f", b"v"], Limits(stream_node_max_entries=3))
    stream.append(40, [b"f", b"v"], Limits(stream_node_max_entries=3))
    assert node_sizes(stream) == [2, 1]


@pytest.mark.parametrize("seed", range(10))
def test_the_estimate_of_a_nodes_bytes_is_never_too_low(seed: int) -> None:
    rng = Random(seed)
    stream = Stream()
    limits = Limits(stream_node_max_entries=0, stream_node_max_bytes=0)
    for _ in range(100):
        items = []
        for _ in range(rng.randint(1, 4)):
            items += [rng.choice([b"f", b"12", b"g" * 70]), rng.choice(VALUES)]
        stream.append(stream.last_id + rng.choice([1, 5000, 1 << 64, 3 << 90]), items, limits)
        if rng.random() < 0.2:
            stream.remove(rng.choice(stream.nodes[0].ids))
            if not stream.nodes:
                continue
        node = stream.nodes[0]
        twin = node.copy()
        assert twin.size() <= node.estimate
        assert twin.size() == twin.estimate


VALUES = [b"", b"0", b"-1", b"4096", b"-32769", b"2147483648", b"9" * 19, b"x" * 64, b"y" * 5000]


def test_the_size_of_a_node_does_not_depend_on_when_it_is_measured() -> None:
    measured, unmeasured = filled(50, per_node=0), filled(50, per_node=0)
    for stream in (measured, unmeasured):
        for entry_id in (10, 50, 500):
            if stream is measured:
                stream.nodes[0].size()
            stream.remove(entry_id)
    assert measured.nodes[0].size() == unmeasured.nodes[0].size()


def test_entries_with_equal_fields_share_their_names() -> None:
    stream = Stream()
    for entry_id in (1, 2):
        stream.append(entry_id, [bytes([102]) * 3, b"v"], Limits())
    (_, first), (_, second) = stream.range(0, MAX_ID)
    assert first[0] is second[0]


def test_a_too_large_entry_is_refused_without_effect() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return MAX_NODE_BYTES

    stream = Stream()
    with pytest.raises(EntryTooLarge):
        stream.append(1, [b"field", Huge()], Limits())
    assert (len(stream), stream.last_id, stream.nodes) == (0, 0, [])


@pytest.mark.parametrize(
    ("length", "limit", "left"),
    [(10, 0, 10), (8, 0, 10), (7, 0, 7), (5, 0, 7), (4, 0, 4), (0, 0, 0), (0, 2, 10), (0, 5, 7)],
)
def test_an_approximate_trim_removes_whole_nodes(length: int, limit: int, left: int) -> None:
    stream = filled(10)
    assert stream.trim_to_length(length, whole_nodes=True, limit=limit) == 10 - left
    assert len(stream) == left
    assert ids(stream) == [number * 10 for number in range(11 - left, 11)]


@pytest.mark.parametrize(("least", "left"), [(5, 10), (30, 10), (31, 7), (40, 7), (999, 0)])
def test_an_approximate_trim_by_id_removes_whole_nodes(least: int, left: int) -> None:
    stream = filled(10)
    stream.trim_below(least, whole_nodes=True)
    assert len(stream) == left


def test_an_empty_node_remains_until_its_last_id_is_below_the_threshold() -> None:
    stream = filled(3)
    stream.remove(30)
    assert stream.trim_below(30) == 2
    assert node_sizes(stream) == [0]
    assert (stream.first_id, stream.last_entry_id, ids(stream)) == (0, 0, [])
    stream.append(40, [b"f", b"v"], Limits())
    assert (stream.first_id, ids(stream)) == (40, [40])


def test_deleting_updates_the_max_deleted_id_and_trimming_does_not() -> None:
    stream = filled(4)
    stream.trim_to_length(3)
    assert stream.max_deleted_id == 0
    stream.remove(30)
    stream.remove(20)
    assert stream.max_deleted_id == 30


class TestOrdinal:
    """How many entries were added up to an ID, if that is known."""

    def test_of_a_new_stream(self) -> None:
        assert Stream().ordinal(5) == 0

    def test_of_the_edges(self) -> None:
        stream = filled(5)
        stream.trim_to_length(3)
        assert [stream.ordinal(at) for at in (20, 30, 40, 50, 51)] == [2, 3, None, 5, None]

    def test_is_unknown_where_entries_are_missing(self) -> None:
        stream = filled(5)
        stream.remove(30)
        assert [stream.ordinal(at) for at in (5, 10, 50)] == [None, None, 5]

    def test_of_a_stream_that_was_emptied(self) -> None:
        stream = filled(5)
        stream.trim_to_length(0)
        assert [stream.ordinal(at) for at in (5, 50, 51)] == [5, 5, None]


def test_lag_is_unknown_while_an_unread_entry_was_deleted() -> None:
    stream, group = filled(5), Group(0, 0)
    for entry_id in ids(stream)[:3]:
        stream.advance(group, entry_id)
    assert (group.last_id, group.entries_read, stream.lag(group)) == (30, 3, 2)
    stream.remove(40)
    assert stream.lag(group) is None
    stream.advance(group, 50)
    assert (group.entries_read, stream.lag(group)) == (5, 0)


def test_a_copy_is_independent() -> None:
    stream = filled(5)
    group = stream.groups[b"g"] = Group(0)
    consumer = group.add_consumer(b"c", 7)
    group.deliver(10, consumer, 8)
    twin = stream.copy()
    stream.remove(20)
    group.acknowledge(10)
    group.remove_consumer(b"c")
    assert ids(twin) == [10, 20, 30, 40, 50]
    copied = twin.groups[b"g"]
    assert list(copied.pending) == list(copied.consumers[b"c"].pending) == [10]
    assert copied.pending[10] is copied.consumers[b"c"].pending[10]
    assert copied.pending[10].consumer is copied.consumers[b"c"]


@pytest.mark.parametrize("seed", range(20))
def test_radix_nodes_counts_the_nodes_of_a_compressed_tree(seed: int) -> None:
    rng = Random(seed)
    keys = sorted({rng.getrandbits(rng.choice([3, 10, 70, 128])) for _ in range(rng.randrange(40))})
    assert radix_nodes(keys) == _grown([key.to_bytes(16, "big") for key in keys])


def _grown(keys: list[bytes]) -> int:
    """Count the nodes by building the tree from the root."""
    if not keys:
        return 1
    if len(keys) == 1:
        return 2 if keys[0] else 1
    common = next(at for at in range(16) if len({key[at] for key in keys}) > 1)
    children: dict[int, list[bytes]] = {}
    for key in keys:
        children.setdefault(key[common], []).append(key[common + 1 :])
    return (common > 0) + 1 + sum(map(_grown, children.values()))
