"""Keys in byte order, for key layouts that are read by prefix.

Keys with a registered prefix are also kept in a sorted list, so that the cost of reading a
range depends on the size of the range and not on the number of keys. Other keys pay one
`startswith` when they are created and removed, and nothing when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from sortedcontainers import SortedList

# Maps a key to its sort key ("place"), for layouts that need another order than that of
# bytes. A place begins with the prefix of its layout, and no two keys share one; None means
# that the key is malformed and has no place.
Place = Callable[[bytes], bytes | None]
NO_PLACES: Mapping[bytes, Place] = MappingProxyType({})


def after_prefix(prefix: bytes) -> bytes | None:
    """Return the least string above all strings with this prefix; None if there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


class KeyIndex:
    """The sorted keys of one database that have a registered prefix.

    For layouts with places of their own, the index contains and returns places, not keys.
    """

    __slots__ = ("_expired", "_keys", "_places", "_prefixes")

    def __init__(
        self, prefixes: tuple[bytes, ...], places: Mapping[bytes, Place] = NO_PLACES
    ) -> None:
        self._prefixes = prefixes
        self._places = places
        self._expired: dict[bytes, int] = {}
        # Created with the first such key: most databases never have one.
        self._keys: SortedList | None = None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def added(self, key: bytes) -> None:
        """Must follow the creation of a key."""
        if key.startswith(self._prefixes):
            place = self._place(key)
            if place is None:
                return
            if self._keys is None:
                self._keys = SortedList()
            self._keys.add(place)

    def removed(self, key: bytes) -> None:
        """Must follow the removal of a key."""
        if self._keys and key.startswith(self._prefixes):
            place = self._place(key)
            if place is not None:
                self._keys.discard(place)

    def place_of(self, key: bytes) -> bytes | None:
        """Return where a key is in this order; None if it is not."""
        return self._place(key) if key.startswith(self._prefixes) else None

    def count_expired(self, key: bytes) -> None:
        """Must follow the removal of a key because it has expired."""
        if self.place_of(key) is not None:
            prefix = next(prefix for prefix in self._prefixes if key.startswith(prefix))
            self._expired[prefix] = self._expired.get(prefix, 0) + 1

    def take_expired(self, prefix: bytes) -> int:
        """Return how many keys under a registered prefix have expired since the last call."""
        return self._expired.pop(prefix, 0)

    def _place(self, key: bytes) -> bytes | None:
        for prefix, place in self._places.items():
            if key.startswith(prefix):
                return place(key)
        return key

    def rebuild(self, keys: Iterable[bytes]) -> None:
        """Replace the index by one of these keys: one sort instead of many insertions."""
        prefixes = self._prefixes
        places = (self._place(key) for key in keys if key.startswith(prefixes))
        self._keys = SortedList(place for place in places if place is not None)

    def count(self, prefix: bytes) -> int:
        """Return how many keys have the prefix, without visiting them."""
        if not self._keys:
            return 0
        behind = after_prefix(prefix)
        end = len(self._keys) if behind is None else self._keys.bisect_left(behind)
        return int(end - self._keys.bisect_left(prefix))

    def range(
        self, prefix: bytes, *, after: bytes | None = None, start: bytes | None = None
    ) -> Iterator[bytes]:
        """Yield keys with the prefix in order: those greater than `after`, from `start` on.

        The database must not change during the iteration.
        """
        if not self._keys:
            return
        low, inclusive = (prefix, True) if start is None or start < prefix else (start, True)
        if after is not None and after >= low:
            low, inclusive = after, False
        yield from self._keys.irange(low, after_prefix(prefix), (inclusive, False))

    def first(self, prefix: bytes, *, start: bytes) -> bytes | None:
        """Return the first key with the prefix from `start` on, to skip a group of keys."""
        return next(self.range(prefix, start=start), None)

    def between(self, low: bytes, high: bytes, *, after: bytes | None = None) -> Iterator[bytes]:
        """Yield keys from `low` up to, not including, `high` in order, and behind `after`.

        The database must not change during the iteration.
        """
        if self._keys:
            first, inclusive = (low, True) if after is None or after < low else (after, False)
            if first < high:
                yield from self._keys.irange(first, high, (inclusive, False))

    def count_between(self, low: bytes, high: bytes) -> int:
        """Return how many keys there are from `low` up to, not including, `high`."""
        if not self._keys:
            return 0
        return max(0, int(self._keys.bisect_left(high) - self._keys.bisect_left(low)))
