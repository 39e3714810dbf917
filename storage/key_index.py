"""Keys in byte order, for the few layouts that are read by prefix.

Registered prefixes have their keys kept in a sorted list besides the dict, so that reading
a range costs what it returns and not what is stored. Other keys pay one `startswith` when
they are created and removed, and nothing when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from sortedcontainers import SortedList

# Where a key stands in the order, for layouts that are not best read in byte order. Places
# begin with the prefix of their layout, and no two keys share one; None is for a key that
# has no place because it is malformed.
Place = Callable[[bytes], bytes | None]
NO_PLACES: Mapping[bytes, Place] = MappingProxyType({})


def after_prefix(prefix: bytes) -> bytes | None:
    """The first text that is greater than everything with this prefix; None if none is."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


class KeyIndex:
    """The sorted keys of one database that have one of some prefixes.

    Where a layout has places of its own, what is kept and answered are places, not keys.
    """

    __slots__ = ("_keys", "_places", "_prefixes")

    def __init__(
        self, prefixes: tuple[bytes, ...], places: Mapping[bytes, Place] = NO_PLACES
    ) -> None:
        self._prefixes = prefixes
        self._places = places
        # Made with the first key: most databases never hold one.
        self._keys: SortedList | None = None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def added(self, key: bytes) -> None:
        """The key, which was not there, now is."""
        if key.startswith(self._prefixes):
            place = self._place(key)
            if place is None:
                return
            if self._keys is None:
                self._keys = SortedList()
            self._keys.add(place)

    def removed(self, key: bytes) -> None:
        if self._keys and key.startswith(self._prefixes):
            place = self._place(key)
            if place is not None:
                self._keys.discard(place)

    def _place(self, key: bytes) -> bytes | None:
        for prefix, place in self._places.items():
            if key.startswith(prefix):
                return place(key)
        return key

    def rebuild(self, keys: Iterable[bytes]) -> None:
        """Start anew from all keys there are: one sort instead of many insertions."""
        prefixes = self._prefixes
        places = (self._place(key) for key in keys if key.startswith(prefixes))
        self._keys = SortedList(place for place in places if place is not None)

    def count(self, prefix: bytes) -> int:
        """How many keys have the prefix, without walking them."""
        if not self._keys:
            return 0
        behind = after_prefix(prefix)
        end = len(self._keys) if behind is None else self._keys.bisect_left(behind)
        return int(end - self._keys.bisect_left(prefix))

    def range(
        self, prefix: bytes, *, after: bytes | None = None, start: bytes | None = None
    ) -> Iterator[bytes]:
        """Keys with the prefix in byte order: those greater than `after`, from `start` on.

        The database must not change while this is being walked.
        """
        if not self._keys:
            return
        low, inclusive = (prefix, True) if start is None or start < prefix else (start, True)
        if after is not None and after >= low:
            low, inclusive = after, False
        yield from self._keys.irange(low, after_prefix(prefix), (inclusive, False))

    def first(self, prefix: bytes, *, start: bytes) -> bytes | None:
        """The first key with the prefix from `start` on: how to skip over a whole group."""
        return next(self.range(prefix, start=start), None)
