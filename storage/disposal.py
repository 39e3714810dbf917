"""`Disposal`: frees large values in slices, because freeing a million objects takes 50 ms.

What is given here must not be used any more. It is taken apart from time to time, a bounded
number of members at once. A value to which anything else still refers is left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from sys import getrefcount
from typing import Any

from storage.memory_usage import attributes_of

# Smaller values are freed at once: that takes less than a millisecond.
_SMALL = 4096
# The same for the parts of a large value.
_SMALL_PART = 64
# How many members are freed between two readings of the clock.
_STEP = 1000
_SEQUENCES = (list, deque)
_PLAIN = (bytes, bytearray, str, int, float, tuple, type(None))
# The references to an object that only a local variable and the argument of `getrefcount` hold.
_ONLY_OURS = 2


class Disposal:
    """What is still to be freed."""

    __slots__ = ("_waiting", "freed")

    def __init__(self) -> None:
        # Any, because these are the parts of all kinds of values.
        self._waiting: list[Any] = []
        # How many values were given.
        self.freed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, value: Any) -> None:
        """Free a value that was removed: in slices if it is large, else by forgetting it."""
        if not isinstance(value, _PLAIN) and len(value) > _SMALL:
            self.freed += 1
            self._waiting.append(value)

    def work(self, is_over: Callable[[], bool]) -> bool:
        """Free what was given until it is over; return whether nothing is left."""
        waiting = self._waiting
        while waiting:
            part = waiting.pop()
            # Something else may refer to it: a snapshot that is being written, for example.
            if getrefcount(part) <= _ONLY_OURS:
                self._take_apart(part)
            del part
            if waiting and is_over():
                return False
        return True

    def _take_apart(self, part: Any) -> None:
        """Free some members of a value; it comes again for the rest."""
        if isinstance(part, dict):
            taken: Iterable[object] = chain.from_iterable(
                [dict.popitem(part) for _ in range(min(_STEP, len(part)))]
            )
        elif isinstance(part, _SEQUENCES):
            taken = [part.pop() for _ in range(min(_STEP, len(part)))]
        else:
            taken = ()
        if taken and part:
            self._waiting.append(part)
        else:
            taken = chain(taken, attributes_of(part))
        for member in taken:
            if not isinstance(member, _PLAIN) and _is_sizable(member):
                self._waiting.append(member)


def _is_sizable(part: Any) -> bool:
    # Objects without a length have parts that may be long.
    return not callable(part) and getattr(part, "__len__", lambda: _STEP)() > _SMALL_PART
