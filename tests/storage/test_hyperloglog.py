"""The HyperLogLog: both encodings agree, and estimates are within the expected error."""

from __future__ import annotations

from random import Random

import pytest

from storage.values import hyperloglog as hll

LIMIT = 3000


def filled(elements: range, limit: int = LIMIT) -> bytearray:
    value = hll.new()
    for number in elements:
        hll.add(value, b"%d" % number, limit)
    return value


def test_both_encodings_have_the_same_registers() -> None:
    for count in (0, 1, 10, 300, 1000):
        sparse, dense = filled(range(count), 1 << 20), hll.new()
        hll.make_dense(dense)
        for number in range(count):
            hll.add(dense, b"%d" % number, LIMIT)
        assert sparse[4] == hll.SPARSE
        assert hll.registers_of(sparse) == hll.registers_of(dense)
        hll.make_dense(sparse)
        assert sparse[hll.HEADER :] == dense[hll.HEADER :]


def test_merging_takes_the_maximum_of_each_register() -> None:
    rng = Random(2)
    one, other = (bytes(rng.randrange(52) for _ in range(hll.REGISTERS)) for _ in range(2))
    assert hll.merged(one, other) == bytes(map(max, one, other))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("count", [0, 3, 700])
def test_merging_into_registers_takes_the_maximum(count: int, dense: bool) -> None:
    value = filled(range(500, 500 + count), 1 << 20)
    before = hll.registers_of(filled(range(700), 1 << 20))
    if dense:
        hll.make_dense(value)
    registers = bytearray(before)
    hll.merge_into(registers, value)
    assert registers == bytes(map(max, before, hll.registers_of(value)))


@pytest.mark.parametrize("limit", [LIMIT, 1 << 20])
def test_putting_registers_at_once_equals_putting_them_one_by_one(limit: int) -> None:
    registers = hll.registers_of(filled(range(700), 1 << 20))
    at_once, one_by_one = hll.new(), hll.new()
    hll.put_registers(at_once, registers, limit)
    for register, rank in ((at, rank) for at, rank in enumerate(registers) if rank):
        single = bytearray(hll.REGISTERS)
        single[register] = rank
        hll.put_registers(one_by_one, bytes(single), limit)
    assert at_once == one_by_one


def test_it_becomes_dense_beyond_the_limit() -> None:
    value = filled(range(200), 100)
    assert value[4] == hll.DENSE
    assert len(value) == hll.DENSE_SIZE
    assert hll.registers_of(value) == hll.registers_of(filled(range(200)))


def test_the_estimate_is_within_five_standard_errors() -> None:
    for count in (10, 1000, 20_000):
        estimate = hll.estimate(hll.registers_of(filled(range(count))))
        assert abs(estimate - count) <= count * 5 * 1.04 / hll.REGISTERS**0.5


def test_runs_that_do_not_add_up_are_refused() -> None:
    value = hll.new()
    del value[-1]
    with pytest.raises(hll.CorruptHyperLogLog):
        hll.registers_of(value)
    value[hll.HEADER :] = b"\x00"
    with pytest.raises(hll.CorruptHyperLogLog):
        hll.add(value, b"a", LIMIT)
