"""How much memory a value takes: an estimate from what Python says of its objects.

Of a large collection only some members are looked at, and the rest is taken to be like
them. What many values share (small integers, one-byte strings, empty tuples, classes) is
counted nowhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from sys import getsizeof
from typing import Any

_SHARED = (type(None), bool, type, type(len), type(getsizeof))
_SEQUENCES = (list, tuple, set, frozenset, deque)
# No value of ours lies deeper than a stream's pending entries.
_DEEPEST = 8


def size_of(value: Any, samples: int = 5) -> int:
    """Bytes of the value with all that belongs to it; `samples` of 0 looks at everything."""
    return _size(value, samples, _DEEPEST, set())


def _size(value: Any, samples: int, depth: int, seen: set[int]) -> int:
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
        size += _sampled(value.items(), len(value), samples, depth, seen, pairs=True)
    elif isinstance(value, _SEQUENCES):
        size += _sampled(value, len(value), samples, depth, seen)
    return size + sum(_size(part, samples, depth - 1, seen) for part in _attributes(value))


def _sampled(
    items: Iterable[Any], count: int, samples: int, depth: int, seen: set[int], pairs: bool = False
) -> int:
    """The members' sizes, extrapolated from the first few."""
    if not count:
        return 0
    looked = min(count, samples) if samples else count
    total = 0
    for item in islice(items, looked):
        parts = item if pairs else (item,)
        total += sum(_size(part, samples, depth - 1, seen) for part in parts)
    return total * count // looked


def _attributes(value: Any) -> Iterable[Any]:
    for cls in type(value).__mro__:
        names = cls.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            part = getattr(value, name, None)
            if part is not None:
                yield part
    yield from getattr(value, "__dict__", {}).values()
