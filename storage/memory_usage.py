"""How much memory a value takes: an estimate from the sizes of its Python objects.

In a large collection only some members are measured and the total is extrapolated. Objects
that many values share (small integers, one-byte strings, classes) are not counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from sys import getsizeof

_SHARED = (type(None), bool, type, type(len), type(getsizeof))
_SEQUENCES = (list, tuple, set, frozenset, deque)
# Enough for the deepest of our values, a stream's pending entries.
_DEEPEST = 8


def size_of(value: object, samples: int = 5) -> int:
    """Return the bytes of a value and its parts; with `samples` 0, measure every member."""
    return _size(value, samples, _DEEPEST, set())


def _size(value: object, samples: int, depth: int, seen: set[int]) -> int:
    if isinstance(value, _SHARED) or callable(value) or id(value) in seen:
        return 0
    if value.__class__ is int:
        return 0 if -5 <= value <= 256 else getsizeof(value)
    if value.__class__ is bytes:
        return getsizeof(value) if len(value) > 1 else 0
    size = getsizeof(value)
    if isinstance(value, (str, float, bytearray)) or depth == 0:
        return size
    seen.add(id(value))
    if isinstance(value, dict):
        size += _sampled(value.items(), len(value), samples, depth, seen)
    elif isinstance(value, _SEQUENCES):
        size += _sampled(((item,) for item in value), len(value), samples, depth, seen)
    return size + sum(_size(part, samples, depth - 1, seen) for part in attributes_of(value))


def _sampled(
    items: Iterable[tuple[object, ...]], count: int, samples: int, depth: int, seen: set[int]
) -> int:
    """Return the total size of the members, extrapolated from the first few."""
    if not count:
        return 0
    looked = min(count, samples) if samples else count
    total = 0
    for item in islice(items, looked):
        total += sum(_size(part, samples, depth - 1, seen) for part in item)
    return total * count // looked


def attributes_of(value: object) -> Iterable[object]:
    """Return what the attributes of an object refer to."""
    for cls in type(value).__mro__:
        names = cls.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            part = getattr(value, name, None)
            if part is not None:
                yield part
    yield from getattr(value, "__dict__", {}).values()
