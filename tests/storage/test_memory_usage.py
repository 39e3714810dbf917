"""Estimates of memory against the sizes of Python objects."""

from __future__ import annotations

from sys import getsizeof

import pytest

from storage.memory_usage import size_of


class _Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left: object, right: object) -> None:
        self.left = left
        self.right = right


def test_a_string_takes_the_size_of_its_object() -> None:
    assert size_of(b"x" * 100) == getsizeof(b"x" * 100)
    assert size_of(bytearray(100)) == getsizeof(bytearray(100))


def test_a_container_includes_its_members() -> None:
    item = b"abc"
    assert size_of([item]) == getsizeof([item]) + getsizeof(item)
    assert size_of({b"key": item}) == (
        getsizeof({b"key": item}) + getsizeof(b"key") + getsizeof(item)
    )


def test_attributes_count_and_shared_objects_do_not() -> None:
    part = b"x" * 50
    assert size_of(_Slotted(part, None)) == getsizeof(_Slotted(1, 2)) + getsizeof(part)
    assert size_of(_Slotted(part, part)) >= size_of(_Slotted(part, None))
    assert size_of([1, 2, True, None, b"a", b""]) == getsizeof([0] * 6)


def test_unsampled_members_are_extrapolated() -> None:
    items = [bytes(100) + b"%04d" % i for i in range(1000)]
    assert size_of(items, 5) == size_of(items, 0)
    uneven = [b"%0500d" % 1] + [b"%0100d" % i for i in range(999)]
    assert size_of(uneven, 1) > size_of(uneven, 0)


def test_a_reference_cycle_counts_once() -> None:
    circle = _Slotted(None, None)
    circle.left = circle
    assert size_of(circle) == getsizeof(circle)


@pytest.mark.parametrize("empty", [[], {}, (), set(), b"", frozenset()])
def test_empty_values_have_no_members(empty: object) -> None:
    assert size_of(empty) <= getsizeof(empty)
